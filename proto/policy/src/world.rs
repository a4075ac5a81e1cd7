//! What policies may name, and what they are type-checked against.

use crate::vocabulary::{APPROVE, SCHEMA, Vocabulary};
use cedar_policy::{EntityUid, Schema, SchemaFragment, Validator};
use hoop_model::spec::{Builtin, ClassName};
use hoop_model::{Object, ResourceName, Spec};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An entity that a policy names: `Hoop::Group::"agents"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Its type: `Hoop::Group`.
    pub entity_type: Box<str>,
    /// Its id: `agents`.
    pub id: Box<str>,
}

impl Reference {
    pub(crate) fn of(uid: &EntityUid) -> Self {
        Self { entity_type: uid.type_name().to_string().into(), id: uid.id().unescaped().into() }
    }

    fn named(kind: &str, name: &ResourceName) -> Self {
        Self { entity_type: format!("Hoop::{kind}").into(), id: name.as_str().into() }
    }
}

/// What policies may name: the entities that a set of objects gives existence to, and the schema.
///
/// A group exists when an Identity is in it; an environment when an Identity or a Connection belongs to it; a team when
/// a Person who is not suspended is in it; a data class when it is built in or declared, and with it those that its
/// name begins with. Actions are the schema's. Nothing gives existence to a route or an approval.
pub struct World {
    known: BTreeSet<Reference>,
    /// How many may vote for each team.
    teams: BTreeMap<ResourceName, u32>,
    demands_teams: bool,
    pub(crate) forbids: Validator,
    pub(crate) permits: Validator,
}

impl World {
    /// Gathers what a set of objects gives existence to.
    #[must_use]
    pub fn of(objects: &[Arc<Object>]) -> Self {
        let vocabulary = Vocabulary::load();
        let mut world = Self {
            known: vocabulary.schema.actions().map(Reference::of).collect(),
            teams: BTreeMap::new(),
            demands_teams: false,
            forbids: Validator::new(vocabulary.schema),
            permits: Validator::new(schema_of_permits()),
        };
        Builtin::ALL.iter().for_each(|builtin| world.add_class(&builtin.class()));
        objects.iter().for_each(|object| world.add(object));
        world
    }

    /// Demands that whoever a policy holds for is there: the team of a `@hold` exists, and has as many members as its
    /// `@quorum` asks for.
    #[must_use]
    pub const fn demanding_teams(mut self) -> Self {
        self.demands_teams = true;
        self
    }

    /// Returns whether the entity exists.
    #[must_use]
    pub fn has(&self, reference: &Reference) -> bool {
        self.known.contains(reference)
    }

    /// Returns how many could vote for a team, where that matters.
    pub(crate) fn voters(&self, team: &ResourceName) -> Option<u32> {
        self.demands_teams.then(|| self.teams.get(team).copied().unwrap_or(0))
    }

    fn add(&mut self, object: &Object) {
        let name = &object.metadata.name;
        match &object.spec {
            Spec::Identity(identity) => {
                self.known.insert(Reference::named("Identity", name));
                self.known.extend(identity.groups.iter().map(|group| Reference::named("Group", group)));
                self.known.extend(identity.environment.iter().map(|name| Reference::named("Environment", name)));
            }
            Spec::Connection(connection) => {
                self.known.insert(Reference::named("Connection", name));
                self.known.extend(connection.environment.iter().map(|name| Reference::named("Environment", name)));
            }
            Spec::Person(person) => {
                self.known.insert(Reference::named("Person", name));
                let teams: BTreeSet<_> = person.teams.iter().filter(|_| !person.suspended).collect();
                for team in teams {
                    self.known.insert(Reference::named("Team", team));
                    *self.teams.entry(team.clone()).or_default() += 1;
                }
            }
            Spec::DataClass(class) => self.add_class(&class.class),
            Spec::Issuer(_) | Spec::Policy(_) | Spec::Secret(_) | Spec::Role(_) => {}
        }
    }

    fn add_class(&mut self, class: &ClassName) {
        let names = std::iter::successors(Some(class.as_str()), |name| name.rsplit_once('.').map(|(above, _)| above));
        let entity = |id: &str| Reference { entity_type: "Hoop::DataClass".into(), id: id.into() };
        self.known.extend(names.map(entity));
    }
}

/// Returns the schema without `approve`. A permit has no say in a vote, so whatever it says of one means nothing: against
/// this schema such a permit can never apply, which is a mistake like any other.
#[expect(clippy::expect_used, reason = "the schema is a constant of this crate")]
fn schema_of_permits() -> Schema {
    let (fragment, _) = SchemaFragment::from_cedarschema_str(SCHEMA).expect("the schema parses");
    let mut json = fragment.to_json_value().expect("the schema has a JSON form");
    let actions = json.pointer_mut("/Hoop/actions").and_then(serde_json::Value::as_object_mut);
    actions.and_then(|actions| actions.remove(APPROVE)).expect("the schema has the action");
    Schema::from_json_value(json).expect("the schema without an action is one")
}
