//! `hoopctl get`: what there is.

use super::{Format, Outcome};
use crate::client::{Admin, said};
use comfy_table::{Table, presets};
use hoop_model::{Object, Spec};
use hoop_wire::v1;
use serde_json::json;

/// Prints resources.
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// The kind, for example `Connection`; without it, everything.
    kind: Option<String>,
    /// The name; without it, every resource of the kind.
    name: Option<String>,
    /// How to print.
    #[arg(short, long = "output", value_enum, default_value = "table")]
    output: Format,
}

impl Get {
    pub(crate) async fn run(&self, mut admin: Admin) -> anyhow::Result<Outcome> {
        let kind = self.kind.clone().unwrap_or_default();
        let objects = match &self.name {
            Some(name) => {
                let request = v1::GetRequest { kind, name: name.clone() };
                admin.get(request).await.map_err(said)?.into_inner().object.into_iter().collect()
            }
            None => admin.list(v1::ListRequest { kind }).await.map_err(said)?.into_inner().objects,
        };
        let objects = objects.into_iter().map(Object::try_from).collect::<Result<Vec<_>, _>>()?;
        let value = match &self.name {
            Some(_) => objects.first().map(json).transpose()?.unwrap_or_default(),
            None => objects.iter().map(json).collect::<Result<_, _>>()?,
        };
        self.output.print(&value, || table(&objects).to_string())?;
        Ok(Outcome::Done)
    }
}

fn table(objects: &[Object]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["KIND", "NAME", "GENERATION", "REVISION", "UID"]);
    for object in objects {
        let metadata = &object.metadata;
        table.add_row([
            object.spec.kind().to_string(),
            metadata.name.to_string(),
            metadata.generation.to_string(),
            metadata.revision.to_string(),
            metadata.uid.to_string(),
        ]);
    }
    table
}

/// Returns a spec as its document says it.
pub(super) fn spec_json(spec: &Spec) -> serde_json::Result<serde_json::Value> {
    match spec {
        Spec::Issuer(issuer) => serde_json::to_value(issuer),
        Spec::Identity(identity) => serde_json::to_value(identity),
        Spec::Connection(connection) => serde_json::to_value(connection),
        Spec::Policy(policy) => serde_json::to_value(policy),
        Spec::Person(person) => serde_json::to_value(person),
        Spec::Secret(secret) => serde_json::to_value(secret),
        Spec::DataClass(class) => serde_json::to_value(class),
        Spec::Role(role) => serde_json::to_value(role),
    }
}

pub(super) fn json(object: &Object) -> serde_json::Result<serde_json::Value> {
    let spec = spec_json(&object.spec)?;
    Ok(json!({
        "apiVersion": "hoop/v1",
        "kind": object.spec.kind().as_str(),
        "metadata": {
            "name": object.metadata.name.as_str(),
            "uid": object.metadata.uid.to_string(),
            "generation": object.metadata.generation,
            "revision": object.metadata.revision.to_string(),
        },
        "spec": spec,
    }))
}
