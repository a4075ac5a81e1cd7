//! What a policy must pass before it is committed. Nothing may silently never match.

use crate::rules::content_hash;
use crate::statement::{Origin, Role, Statement, parse};
use crate::text::{CompileError, Problem};
use crate::world::{Reference, World};
use cedar_policy::{PolicySet, ValidationMode};
use hoop_model::spec::Policy;
use hoop_model::{Object, Requirement, ResourceName, Spec, Uid};
use std::collections::BTreeSet;
use std::sync::Arc;

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
    validate_in(objects, &World::of(objects))
}

/// Checks every Policy among the objects against a world, which may demand more than [`World::of`] does by itself.
///
/// # Errors
/// Every mistake found.
pub fn validate_in(objects: &[Arc<Object>], world: &World) -> Result<(), Vec<CompileError>> {
    let mut errors = Vec::new();
    for object in objects {
        if let Spec::Policy(policy) = &object.spec {
            errors.extend(check(&object.metadata.name, &policy.cedar, world).err().into_iter().flatten());
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

pub(crate) fn parse_text(policy: &ResourceName, text: &str) -> Result<Vec<Arc<Statement>>, Vec<CompileError>> {
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
    problems.extend(unheard(statement, own, world).map(|problem| Problem { at: start + problem.at, ..problem }));
    let Ok(alone) = PolicySet::from_policies([statement.cedar.clone()]) else {
        problems.push(Problem::new(start, "this statement cannot be checked"));
        return problems;
    };
    let validator = if statement.role == Role::Permit { &world.permits } else { &world.forbids };
    let result = validator.validate(&alone, ValidationMode::Strict);
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

/// Says that nobody could release what a statement holds.
fn unheard(statement: &Statement, own: &str, world: &World) -> Option<Problem> {
    let Role::Hold(Requirement { team, quorum, .. }) = &statement.role else { return None };
    let at = |note: &str| own.find(note).unwrap_or(0);
    match world.voters(team)? {
        0 => Some(Problem::new(at("@hold"), format!("there is no team `{team}`: no Person who could vote is in it"))),
        voters if voters < *quorum => {
            let message = format!("`@quorum` asks for {quorum} people, and team `{team}` has {voters} who could vote");
            Some(Problem::new(at("@quorum"), message))
        }
        _ => None,
    }
}
