//! `hoopctl describe`: one object for people, with what it needs and what needs it.

use super::{Outcome, get, print_line};
use crate::client::{Admin, said};
use crate::shown::{escape, yaml};
use anyhow::Context;
use hoop_model::spec::{ClassName, Connection};
use hoop_model::{Kind, Object, ResourceName, Spec};
use hoop_wire::v1;
use std::collections::BTreeSet;

/// Describes one object: what it says, what it names, and what names it.
#[derive(Debug, clap::Args)]
pub(crate) struct Describe {
    /// The kind, for example `Connection`.
    kind: String,
    /// The name.
    #[arg(value_parser = ResourceName::parse)]
    name: ResourceName,
}

/// Something that one object names: another object, or a group, team or environment, which are none.
type Named = (String, String);

impl Describe {
    pub(crate) async fn run(&self, mut admin: Admin) -> anyhow::Result<Outcome> {
        let kind: Kind = self.kind.parse().ok().with_context(|| format!("there is no kind `{}`", self.kind))?;
        let listed = admin.list(v1::ListRequest::default()).await.map_err(said)?.into_inner().objects;
        let objects = listed.into_iter().map(Object::try_from).collect::<Result<Vec<_>, _>>()?;
        let found = objects.iter().find(|o| o.spec.kind() == kind && o.metadata.name == self.name);
        let found = found.with_context(|| format!("there is no {kind} `{}`", self.name))?;
        print_line(&format!("{kind}/{}", self.name))?;
        let metadata = &found.metadata;
        print_line(&format!("uid         {}", metadata.uid))?;
        print_line(&format!("generation  {}, at revision {}", metadata.generation, metadata.revision))?;
        print_line("spec:")?;
        yaml(&get::spec_json(&found.spec)?).lines().try_for_each(|line| print_line(&format!("  {line}")))?;
        list("names", &names(found))?;
        let own: BTreeSet<_> = known_as(found);
        let by = objects.iter().filter(|other| names(other).iter().any(|named| own.contains(named)));
        list("named by", &by.map(|other| (other.spec.kind().to_string(), other.metadata.name.to_string())).collect())?;
        if let Spec::Connection(connection) = &found.spec {
            list("served by", &nodes(&mut admin, connection).await?)?;
        }
        Ok(Outcome::Done)
    }
}

fn list(title: &str, named: &BTreeSet<Named>) -> anyhow::Result<()> {
    print_line(&format!("{title}:"))?;
    if named.is_empty() {
        return print_line("  nothing");
    }
    named.iter().try_for_each(|(kind, name)| print_line(&format!("  {kind} {}", escape(name))))
}

async fn nodes(admin: &mut Admin, connection: &Connection) -> anyhow::Result<BTreeSet<Named>> {
    let fleet = admin.fleet_status(v1::FleetStatusRequest {}).await.map_err(said)?.into_inner().nodes;
    let placed = fleet.into_iter().filter(|node| connection.is_placed_on(&node.labels));
    Ok(placed.map(|node| ("node".to_owned(), node.name)).collect())
}

/// Returns what others call it.
fn known_as(object: &Object) -> BTreeSet<Named> {
    let mut known = BTreeSet::from([(object.spec.kind().to_string(), object.metadata.name.to_string())]);
    match &object.spec {
        Spec::DataClass(class) => known.extend(covering(&class.class)),
        Spec::Identity(identity) => {
            known.extend(identity.groups.iter().map(|group| ("Group".to_owned(), group.to_string())));
        }
        Spec::Person(person) => {
            known.extend(person.teams.iter().map(|team| ("Team".to_owned(), team.to_string())));
        }
        Spec::Connection(connection) => {
            known.extend(connection.environment.iter().map(|env| ("Environment".to_owned(), env.to_string())));
        }
        Spec::Issuer(_) | Spec::Policy(_) | Spec::Secret(_) | Spec::Role(_) => {}
    }
    known
}

/// Returns the selectors that cover a class.
fn covering(class: &ClassName) -> impl Iterator<Item = Named> {
    let text = class.as_str();
    let ends = text.match_indices('.').map(|(at, _)| at).chain([text.len()]);
    ends.filter_map(|end| text.get(..end)).map(|part| ("class".to_owned(), part.to_owned()))
}

/// Returns what an object names.
fn names(object: &Object) -> BTreeSet<Named> {
    let named = |kind: &str, name: &dyn ToString| (kind.to_owned(), name.to_string());
    match &object.spec {
        Spec::Identity(identity) => {
            let groups = identity.groups.iter().map(|group| named("Group", group));
            let environment = identity.environment.iter().map(|env| named("Environment", env));
            groups.chain(environment).chain([named("Issuer", &identity.issuer)]).collect()
        }
        Spec::Person(person) => {
            let teams = person.teams.iter().map(|team| named("Team", team));
            teams.chain([named("Issuer", &person.issuer)]).collect()
        }
        Spec::Connection(connection) => {
            let secret = connection.credential.iter().map(|credential| named("Secret", &credential.secret));
            let classes = connection.mask.iter().flatten().map(|class| named("class", class));
            let environment = connection.environment.iter().map(|env| named("Environment", env));
            secret.chain(classes).chain(environment).collect()
        }
        Spec::Policy(policy) => {
            let references = hoop_policy::references(&object.metadata.name, &policy.cedar).unwrap_or_default();
            let kind = |entity: &str| entity.strip_prefix("Hoop::").unwrap_or(entity).to_owned();
            references.iter().map(|reference| (kind(&reference.entity_type), reference.id.to_string())).collect()
        }
        Spec::Role(role) => role.teams.iter().map(|team| named("Team", team)).collect(),
        Spec::Issuer(_) | Spec::Secret(_) | Spec::DataClass(_) => BTreeSet::new(),
    }
}
