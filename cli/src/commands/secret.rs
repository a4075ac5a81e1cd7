//! `hoopctl secret`: values of sealed secrets, which are set and never shown.

use super::{Format, Outcome, apply, print_line};
use crate::client::{Admin, said};
use crate::shown::Utc;
use anyhow::{Context, bail};
use comfy_table::{Table, presets};
use hoop_model::spec::{self, MAX_SECRET_BYTES, SecretSource, SecretValue};
use hoop_model::{Object, Spec, UnixMillis};
use hoop_wire::v1;
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Sets the values of secrets that are `sealed`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Secret {
    /// Sets a value, whether or not there is one.
    Set {
        #[command(flatten)]
        value: Value,
        /// Return once every connected node sends the value.
        #[arg(long)]
        wait: bool,
    },
    /// Replaces a value, and returns once every connected node sends the new one.
    Rotate(Value),
    /// Prints what is known of secrets. Never a value.
    List {
        /// The name; without it, every secret.
        name: Option<String>,
        /// How to print.
        #[arg(short, long = "output", value_enum, default_value = "table")]
        output: Format,
    },
}

/// A value that comes from a file or from standard input; never from an argument, which others on the machine can read.
#[derive(Debug, clap::Args)]
pub(crate) struct Value {
    /// The Secret.
    name: String,
    /// The file with the value, of which one line break at the end is not part; `-` for standard input.
    #[arg(long, default_value = "-")]
    from_file: PathBuf,
}

impl Secret {
    pub(crate) async fn run(&self, mut admin: Admin) -> anyhow::Result<Outcome> {
        match self {
            Self::Set { value, wait } => {
                let revision = value.set(&mut admin, false).await?;
                if *wait { apply::wait(&mut admin, revision).await } else { Ok(Outcome::Done) }
            }
            Self::Rotate(value) => {
                let revision = value.set(&mut admin, true).await?;
                apply::wait(&mut admin, revision).await
            }
            Self::List { name, output } => list(&mut admin, name.as_deref().unwrap_or_default(), *output).await,
        }
    }
}

impl Value {
    async fn set(&self, admin: &mut Admin, must_have_value: bool) -> anyhow::Result<v1::Revision> {
        let value = read(&self.from_file)?;
        let request = v1::SetSecretRequest {
            name: self.name.clone(),
            value: value.reveal().to_vec(),
            must_have_value,
            idempotency_key: hoop_node::random::<16>().to_vec(),
        };
        let reply = admin.set_secret(request).await.map_err(said)?.into_inner();
        print_line(&format!("Secret/{} version {}", self.name, reply.version))?;
        reply.revision.context("a value that is set has a revision")
    }
}

fn read(path: &Path) -> anyhow::Result<SecretValue> {
    let mut text = Vec::with_capacity(MAX_SECRET_BYTES + 4);
    let most = MAX_SECRET_BYTES as u64 + 3;
    if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut text).context("read standard input")?;
    } else {
        let file = std::fs::File::open(path).with_context(|| format!("read `{}`", path.display()))?;
        file.take(most).read_to_end(&mut text).with_context(|| format!("read `{}`", path.display()))?;
    }
    match SecretValue::of_text(text) {
        Ok(value) => Ok(value),
        Err(error) => bail!("the value {error}"),
    }
}

/// What is known of a secret.
struct Facts {
    name: String,
    spec: spec::Secret,
    /// 0: there is no value, or it is kept on the nodes.
    version: u64,
    set: UnixMillis,
    used_by: Vec<String>,
}

async fn list(admin: &mut Admin, name: &str, output: Format) -> anyhow::Result<Outcome> {
    let reply = admin.list_secrets(v1::ListSecretsRequest { name: name.to_owned() }).await.map_err(said)?.into_inner();
    let facts = reply.secrets.into_iter().map(Facts::of).collect::<anyhow::Result<Vec<_>>>()?;
    let shown: Vec<_> = facts.iter().map(Facts::json).collect::<Result<_, _>>()?;
    let shown = match shown.first() {
        Some(one) if !name.is_empty() => one.clone(),
        Some(_) | None => json!(shown),
    };
    output.print(&shown, || table(&facts).to_string())?;
    Ok(Outcome::Done)
}

impl Facts {
    fn of(secret: v1::SecretFacts) -> anyhow::Result<Self> {
        let object: Object = secret.object.context("the control plane sent a secret without its object")?.try_into()?;
        let Spec::Secret(spec) = object.spec else { bail!("the control plane sent an object that is no secret") };
        let (name, set) = (object.metadata.name.to_string(), UnixMillis(secret.set_ms));
        Ok(Self { name, spec, version: secret.version, set, used_by: secret.used_by })
    }

    fn json(&self) -> serde_json::Result<serde_json::Value> {
        Ok(json!({
            "name": self.name,
            "spec": serde_json::to_value(&self.spec)?,
            "version": self.version,
            "set_ms": self.set.0,
            "used_by": self.used_by,
        }))
    }
}

fn table(facts: &[Facts]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["NAME", "SOURCE", "FOR", "VERSION", "SET", "USED BY"]);
    for Facts { name, spec, version, set, used_by } in facts {
        let source = match &spec.source {
            SecretSource::Sealed => "sealed".to_owned(),
            SecretSource::File(path) => format!("file {path}"),
            SecretSource::Env(variable) => format!("env {variable}"),
        };
        let sent_to: Vec<_> = spec.sent_to.iter().map(ToString::to_string).collect();
        let (version, set) = match version {
            0 => ("-".to_owned(), "-".to_owned()),
            version => (version.to_string(), Utc(*set).to_string()),
        };
        table.add_row([name.clone(), source, sent_to.join(", "), version, set, used_by.join(", ")]);
    }
    table
}
