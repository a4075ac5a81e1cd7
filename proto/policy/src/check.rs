//! What a policy must pass before it is committed. Nothing may silently never match.

use crate::rules::content_hash;
use crate::statement::{Origin, Statement, parse};
use crate::text::{CompileError, Problem};
use crate::vocabulary::Vocabulary;
use cedar_policy::{EntityUid, PolicySet, ValidationMode, Validator};
use hoop_model::spec::Policy;
use hoop_model::{Object, ResourceName, Spec, Uid};
use std::collections::BTreeSet;
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
    fn of(uid: &EntityUid) -> Self {
        Self { entity_type: uid.type_name().to_string().into(), id: uid.id().unescaped().into() }
    }

    fn named(kind: &str, name: &ResourceName) -> Self {
        Self { entity_type: format!("Hoop::{kind}").into(), id: name.as_str().into() }
    }
}

/// What policies may name: the entities that a set of objects gives existence to, and the schema.
///
/// A group exists when an Identity is in it; an environment when an Identity or a Connection belongs to it. Actions are
/// the schema's. Nothing gives existence to a route, a team or a person.
pub struct World {
    known: BTreeSet<Reference>,
    validator: Validator,
}

impl World {
    /// Gathers what a set of objects gives existence to.
    #[must_use]
    pub fn of(objects: &[Arc<Object>]) -> Self {
        let vocabulary = Vocabulary::load();
        let mut known: BTreeSet<_> = vocabulary.schema.actions().map(Reference::of).collect();
        for object in objects {
            let name = &object.metadata.name;
            match &object.spec {
                Spec::Identity(identity) => {
                    known.insert(Reference::named("Identity", name));
                    known.extend(identity.groups.iter().map(|group| Reference::named("Group", group)));
                    known.extend(identity.environment.iter().map(|name| Reference::named("Environment", name)));
                }
                Spec::Connection(connection) => {
                    known.insert(Reference::named("Connection", name));
                    known.extend(connection.environment.iter().map(|name| Reference::named("Environment", name)));
                }
                Spec::Issuer(_) | Spec::Policy(_) => {}
            }
        }
        Self { known, validator: Validator::new(vocabulary.schema) }
    }

    /// Returns whether the entity exists.
    #[must_use]
    pub fn has(&self, reference: &Reference) -> bool {
        self.known.contains(reference)
    }
}

/// Returns every entity a policy's text names, each once.
///
/// # Errors
/// What is wrong with a text that does not parse.
pub fn references(policy: &ResourceName, text: &str) -> Result<Vec<Reference>, Vec<CompileError>> {
    Ok(literals(&parse_text(policy, text)?))
}

/// Checks one policy's text: strict typing, no warning, every entity exists. Returns every entity it names.
///
/// Whether those still exist after a change of other objects is [`World::has`]'s to say; the text need not be checked
/// again.
///
/// # Errors
/// Every mistake found.
pub fn check(policy: &ResourceName, text: &str, world: &World) -> Result<Vec<Reference>, Vec<CompileError>> {
    let statements = parse_text(policy, text)?;
    let problems = statements.iter().flat_map(|statement| check_one(statement, text, world));
    let errors: Vec<_> = problems.map(|problem| problem.in_policy(policy, text)).collect();
    if errors.is_empty() { Ok(literals(&statements)) } else { Err(errors) }
}

/// Checks every Policy among the objects against all of them. This is the expensive half, for the server and the CLI;
/// nodes only [`crate::Rules::compile`].
///
/// # Errors
/// Every mistake found.
pub fn validate(objects: &[Arc<Object>]) -> Result<(), Vec<CompileError>> {
    let world = World::of(objects);
    let mut errors = Vec::new();
    for object in objects {
        if let Spec::Policy(policy) = &object.spec {
            errors.extend(check(&object.metadata.name, &policy.cedar, &world).err().into_iter().flatten());
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn parse_text(policy: &ResourceName, text: &str) -> Result<Vec<Arc<Statement>>, Vec<CompileError>> {
    let spec = Policy { cedar: text.to_owned() };
    spec.check().map_err(|error| vec![Problem::new(0, error.to_string()).in_policy(policy, text)])?;
    // The uid goes nowhere: nothing of these statements outlives the check.
    parse(Origin { name: policy, uid: Uid::mint(0), hash: content_hash(text) }, text)
}

fn literals(statements: &[Arc<Statement>]) -> Vec<Reference> {
    let all: BTreeSet<_> = statements
        .iter()
        .flat_map(|statement| statement.cedar.entity_literals())
        .map(|uid| Reference::of(&uid))
        .collect();
    all.into_iter().collect()
}

fn check_one(statement: &Statement, text: &str, world: &World) -> Vec<Problem> {
    let start = statement.span.start;
    let own = text.get(statement.span.clone()).unwrap_or_default();
    let unknown: BTreeSet<_> = statement.cedar.entity_literals().into_iter().collect();
    let unknown = unknown.into_iter().filter(|uid| !world.has(&Reference::of(uid))).map(|uid| {
        let written = uid.to_string();
        Problem::new(start + own.find(&written).unwrap_or(0), format!("there is no `{written}`"))
    });
    let mut problems: Vec<_> = unknown.collect();
    let Ok(alone) = PolicySet::from_policies([statement.cedar.clone()]) else {
        problems.push(Problem::new(start, "this statement cannot be checked"));
        return problems;
    };
    let result = world.validator.validate(&alone, ValidationMode::Strict);
    let errors = result.validation_errors().map(|error| Problem::of_cedar(error));
    let warnings = result.validation_warnings().map(|warning| Problem::of_cedar(warning));
    problems.extend(errors.chain(warnings).map(|mut problem| {
        problem.at += start;
        problem
    }));
    // Cedar reports the same mistake for every action it could be about, in no particular order.
    problems.sort();
    problems.dedup_by_key(|problem| problem.at);
    problems
}
