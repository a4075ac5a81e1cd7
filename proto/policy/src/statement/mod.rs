//! One statement of a policy, ready to be evaluated.

mod annotations;
mod reads;
mod scope;

pub(crate) use reads::{Names, Reads};
pub(crate) use scope::Scope;

use crate::text::{CompileError, Piece, Problem, split};
use crate::vocabulary::{APPROVE, CONNECT, REVEAL};
use annotations::{Hold, Notes};
use cedar_policy::{Effect, Policy, PolicyId};
use hoop_model::{ContentHash, PolicyRef, Requirement, ResourceName, Uid};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Whether a statement counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// It contributes to verdicts.
    Enforced,
    /// `@mode("shadow")`: what it would have changed is recorded, and nothing else.
    Shadow,
}

/// What a statement does when it is satisfied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Permits.
    Permit,
    /// Forbids for good.
    Forbid,
    /// Forbids until the requirement is fulfilled.
    Hold(Requirement),
}

/// One statement of a policy.
pub(crate) struct Statement {
    pub(crate) cedar: Policy,
    pub(crate) reference: PolicyRef,
    pub(crate) role: Role,
    pub(crate) mode: Mode,
    pub(crate) scope: Scope,
    pub(crate) reads: Reads,
    /// Where it stands in its object's text.
    pub(crate) span: Range<usize>,
}

impl Statement {
    /// Returns `NAME/ID`, by which Cedar knows it too.
    pub(crate) fn name(&self) -> &str {
        &self.reference.statement
    }
}

/// The Policy object that a text belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) name: &'a ResourceName,
    pub(crate) uid: Uid,
    pub(crate) hash: ContentHash,
}

/// Parses every statement of a policy's text; never an empty list.
pub(crate) fn parse(origin: Origin<'_>, text: &str) -> Result<Vec<Arc<Statement>>, Vec<CompileError>> {
    let place = |problem: Problem| problem.in_policy(origin.name, text);
    let pieces = split(text).map_err(|problem| vec![place(problem)])?;
    let mut statements = Vec::with_capacity(pieces.len());
    let mut problems = Vec::new();
    let mut ids = BTreeSet::new();
    for (position, piece) in pieces.iter().enumerate() {
        match parse_one(origin, position + 1, piece) {
            Ok(statement) if ids.insert(statement.reference.statement.clone()) => statements.push(Arc::new(statement)),
            Ok(statement) => {
                let message = format!("another statement is called `{}` already", statement.name());
                problems.push(Problem::new(piece.start, message));
            }
            Err(found) => problems.extend(found.into_iter().map(|problem| problem.within(piece))),
        }
    }
    if problems.is_empty() { Ok(statements) } else { Err(problems.into_iter().map(place).collect()) }
}

fn parse_one(origin: Origin<'_>, position: usize, piece: &Piece<'_>) -> Result<Statement, Vec<Problem>> {
    let parsed = Policy::parse(Some(PolicyId::new(origin.name.as_str())), piece.text);
    let cedar = parsed.map_err(|errors| errors.iter().map(|error| Problem::of_cedar(error)).collect::<Vec<_>>())?;
    let notes = Notes::read(&cedar, piece.text)?;
    let id = notes.id.as_deref().map_or_else(|| position.to_string(), str::to_owned);
    let statement = format!("{}/{id}", origin.name);
    let cedar = cedar.new_id(PolicyId::new(&statement));
    let scope = Scope::of(&cedar);
    if let Some(message) = contradiction(&cedar, &notes, &scope) {
        return Err(vec![Problem::new(0, message)]);
    }
    let reads = Reads::of(&cedar).map_err(|message| vec![Problem::new(0, message)])?;
    let reference =
        PolicyRef { statement: statement.into(), uid: origin.uid, hash: origin.hash, message: notes.message };
    let role = match (cedar.effect(), notes.hold) {
        (Effect::Permit, _) => Role::Permit,
        (Effect::Forbid, None) => Role::Forbid,
        (Effect::Forbid, Some(Hold { team, quorum, expires })) => {
            Role::Hold(Requirement { policy: reference.clone(), team, quorum, expires })
        }
    };
    let span = piece.start..piece.start + piece.text.len();
    Ok(Statement { cedar, reference, role, mode: notes.mode, scope, reads, span })
}

/// Says why a statement would not do what it says.
fn contradiction(cedar: &Policy, notes: &Notes, scope: &Scope) -> Option<&'static str> {
    if notes.hold.is_some() && scope.could_be(CONNECT) {
        return Some("`@hold` cannot hold `connect`: name the actions it is for in the scope");
    }
    if notes.hold.is_some() && scope.could_be(REVEAL) {
        return Some("`@hold` cannot hold `reveal`: what is not shown is masked, and nobody waits for it");
    }
    if notes.hold.is_some() && scope.could_be(APPROVE) {
        return Some("`@hold` cannot hold `approve`: a vote does not wait for votes");
    }
    let is_permit = cedar.effect() == Effect::Permit;
    (is_permit && (scope.names(APPROVE) || scope.is_about_people())).then_some(
        "`approve` needs no permit: the members of a hold's team may approve, and only a forbid can narrow that",
    )
}
