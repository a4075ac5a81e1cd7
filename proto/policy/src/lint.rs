//! Forbids that are right and yet easily passed by. None of this is an error: an administrator may mean it.
//!
//! ```text
//!   when { principal.hasTag("env") && principal.getTag("env").contains("prod") }    a token without the claim passes
//!   when { context.path == "/admin" }                                                every other path passes
//! ```
//! What passes a condition is found by assuming something of the request (a claim is missing; the path is another one)
//! and following it through the condition: if that is false whatever else holds, the statement says nothing of such a
//! request.
#![expect(clippy::wildcard_enum_match_arm, reason = "Cedar's expressions, of which an unknown one decides nothing")]

use crate::check::parse_text;
use crate::statement::{Role, Statement};
use crate::text::Problem;
use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, PatternElem, UnaryOp, Var};
use hoop_model::ResourceName;
use std::collections::BTreeSet;

/// Something in a policy that is likely not what its author means.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy `{policy}`, line {line}, column {column}: {message}")]
pub struct Warning {
    /// The Policy object.
    pub policy: ResourceName,
    /// The line in its text, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What it does, and what to write instead.
    pub message: String,
}

/// Finds the forbids of a policy's text, held or not, that a caller passes by leaving a claim away or by another path.
/// A text that does not parse has no warnings: [`crate::check`] says what is wrong with it.
#[must_use]
pub fn lint(policy: &ResourceName, text: &str) -> Vec<Warning> {
    let statements = parse_text(policy, text).unwrap_or_default();
    let problems = statements.iter().flat_map(|statement| {
        let own = text.get(statement.span.clone()).unwrap_or_default();
        of_statement(statement, own).into_iter().map(|p| Problem { at: statement.span.start + p.at, ..p })
    });
    let placed = problems.map(|problem| {
        let (line, column) = problem.position(text);
        Warning { policy: policy.clone(), line, column, message: problem.message }
    });
    placed.collect()
}

/// What is taken for granted of a request.
enum Assumption<'a> {
    /// The token lacks this claim.
    Without(&'a str),
    /// The path is none of those that the statement spells out.
    AnotherPath,
}

fn of_statement(statement: &Statement, own: &str) -> Vec<Problem> {
    if statement.role == Role::Permit {
        return Vec::new();
    }
    let Ok(tree) = statement.cedar.to_pst() else { return Vec::new() };
    let clauses = tree.body().clauses();
    let passes = |assumption: &Assumption<'_>| {
        clauses.iter().any(|clause| match clause {
            Clause::When(condition) => value(condition, assumption) == Some(false),
            Clause::Unless(condition) => value(condition, assumption) == Some(true),
        })
    };
    let mut tags = BTreeSet::new();
    for clause in clauses {
        let (Clause::When(condition) | Clause::Unless(condition)) = clause;
        tags_asked_for(condition, &mut tags);
    }
    let missing = tags.into_iter().filter(|tag| passes(&Assumption::Without(tag))).map(|tag| {
        let message = format!(
            "a token without the claim `{tag}` passes this forbid: permit what is allowed instead, or forbid `unless` \
             the claim is there"
        );
        Problem::new(place_of_tag(own, tag), message)
    });
    let mut problems: Vec<_> = missing.collect();
    if passes(&Assumption::AnotherPath) {
        let message = "only paths that are spelled out here are forbidden, and another path may mean the same: permit \
                       what is allowed instead, or hold everything `unless` it is known";
        problems.push(Problem::new(own.find("context").unwrap_or(0), message));
    }
    problems
}

/// Returns what an expression is under an assumption, if that decides it.
fn value(expr: &Expr, assumption: &Assumption<'_>) -> Option<bool> {
    match expr {
        Expr::Literal(Literal::Bool(value)) => Some(*value),
        Expr::UnaryOp { op: UnaryOp::Not, expr } => value(expr, assumption).map(|value| !value),
        Expr::BinaryOp { op, left, right } => operation(*op, left, right, assumption),
        Expr::IfThenElse { cond, then_expr, else_expr } => match value(cond, assumption) {
            Some(true) => value(then_expr, assumption),
            Some(false) => value(else_expr, assumption),
            None => value(then_expr, assumption).filter(|then| value(else_expr, assumption) == Some(*then)),
        },
        // A pattern without `*` is a path spelled out.
        Expr::Like { expr, pattern } if is_path(expr) && !pattern.contains(&PatternElem::Wildcard) => {
            other_path(assumption)
        }
        _ => None,
    }
}

fn operation(op: BinaryOp, left: &Expr, right: &Expr, assumption: &Assumption<'_>) -> Option<bool> {
    let sides = || (value(left, assumption), value(right, assumption));
    match op {
        BinaryOp::And => match sides() {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            (None, _) | (_, None) => None,
        },
        BinaryOp::Or => match sides() {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            (None, _) | (_, None) => None,
        },
        BinaryOp::HasTag => match (assumption, text(right)) {
            (Assumption::Without(tag), Some(asked)) => (*tag == asked).then_some(false),
            (Assumption::Without(_), None) | (Assumption::AnotherPath, _) => None,
        },
        BinaryOp::Eq if spells_out(left, right) || spells_out(right, left) => other_path(assumption),
        BinaryOp::NotEq if spells_out(left, right) || spells_out(right, left) => {
            other_path(assumption).map(|same| !same)
        }
        BinaryOp::Contains if is_path(right) && are_texts(left) => other_path(assumption),
        _ => None,
    }
}

/// Returns what a comparison of the path with paths that are spelled out comes to.
const fn other_path(assumption: &Assumption<'_>) -> Option<bool> {
    match assumption {
        Assumption::AnotherPath => Some(false),
        Assumption::Without(_) => None,
    }
}

fn spells_out(path: &Expr, known: &Expr) -> bool {
    is_path(path) && text(known).is_some()
}

fn is_path(expr: &Expr) -> bool {
    matches!(expr, Expr::GetAttr { expr, attr } if **expr == Expr::Var(Var::Context) && attr == "path")
}

fn are_texts(expr: &Expr) -> bool {
    matches!(expr, Expr::Set(elements) if elements.iter().all(|element| text(element).is_some()))
}

fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(Literal::String(text)) => Some(text),
        _ => None,
    }
}

/// Collects the names of the tags that `hasTag` asks for.
fn tags_asked_for<'a>(expr: &'a Expr, into: &mut BTreeSet<&'a str>) {
    match expr {
        Expr::BinaryOp { op: BinaryOp::HasTag, right, .. } => into.extend(text(right)),
        Expr::BinaryOp { left, right, .. } => [left, right].into_iter().for_each(|side| tags_asked_for(side, into)),
        Expr::UnaryOp { expr, .. } => tags_asked_for(expr, into),
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            [cond, then_expr, else_expr].into_iter().for_each(|part| tags_asked_for(part, into));
        }
        // Only what decides a condition matters, and nothing else does.
        _ => {}
    }
}

/// Returns where a statement's text asks for a tag.
fn place_of_tag(own: &str, tag: &str) -> usize {
    let asks = own.match_indices("hasTag").find(|(at, word)| {
        let behind = own.get(at + word.len()..).unwrap_or_default();
        let name = behind.trim_start().strip_prefix('(').map(str::trim_start);
        name.and_then(|name| name.strip_prefix('"')?.strip_prefix(tag)).is_some_and(|rest| rest.starts_with('"'))
    });
    asks.or_else(|| own.match_indices("hasTag").next()).map_or(0, |(at, _)| at)
}
