//! What of a request's content a statement reads; a verdict holds for every request that agrees in it.
//!
//! The rest of a request (who asks, for what action, on what) is part of a slice's key and needs no analysis. Anything
//! the walk does not recognise counts as reading everything.

use cedar_policy::Policy;
use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, Var};
use std::collections::BTreeSet;

/// Names of attributes or tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Names {
    /// These.
    Only(BTreeSet<Box<str>>),
    /// All there are.
    All,
}

/// What of a request's content is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reads {
    /// Tags of the principal.
    pub(crate) tags: Names,
    /// Attributes of the context.
    pub(crate) context: Names,
}

impl Names {
    fn add(&mut self, name: &str) {
        match self {
            Self::Only(names) => drop(names.insert(name.into())),
            Self::All => {}
        }
    }

    fn join(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Only(names), Self::Only(more)) => names.extend(more.iter().cloned()),
            (_, Self::All) => *self = Self::All,
            (Self::All, Self::Only(_)) => {}
        }
    }
}

impl Reads {
    pub(crate) const fn nothing() -> Self {
        Self { tags: Names::Only(BTreeSet::new()), context: Names::Only(BTreeSet::new()) }
    }

    pub(crate) fn join(&mut self, other: &Self) {
        self.tags.join(&other.tags);
        self.context.join(&other.context);
    }

    /// Finds what a statement reads.
    ///
    /// # Errors
    /// A statement that asks for the place in the hierarchy, or the tags, of anything but the request's own variables
    /// is wrong: only those entities are known when it is evaluated, so that any other answer would be made up.
    pub(crate) fn of(policy: &Policy) -> Result<Self, String> {
        let tree = policy.to_pst().map_err(|error| error.to_string())?;
        let mut reads = Self::nothing();
        for clause in tree.body().clauses() {
            match clause {
                Clause::When(expr) | Clause::Unless(expr) => reads.walk(expr)?,
            }
        }
        Ok(reads)
    }

    fn walk(&mut self, expr: &Expr) -> Result<(), &'static str> {
        match expr {
            Expr::Literal(_) | Expr::Slot(_) | Expr::Var(Var::Principal | Var::Action | Var::Resource) => Ok(()),
            Expr::Var(Var::Context) => {
                self.context = Names::All;
                Ok(())
            }
            Expr::GetAttr { expr, attr } => self.attribute(expr, attr),
            Expr::HasAttr { expr, attrs } => self.attribute(expr, attrs.first()),
            Expr::BinaryOp { op: BinaryOp::GetTag | BinaryOp::HasTag, left, right } => self.tag(left, right),
            Expr::BinaryOp { op: BinaryOp::In, left, right } => {
                located(left)?;
                self.walk(right)
            }
            Expr::BinaryOp { left, right, .. } => self.walk(left).and_then(|()| self.walk(right)),
            Expr::UnaryOp { expr, .. } | Expr::Like { expr, .. } | Expr::Is { expr, in_expr: None, .. } => {
                self.walk(expr)
            }
            Expr::Is { expr, in_expr: Some(within), .. } => {
                located(expr)?;
                self.walk(within)
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                [cond, then_expr, else_expr].into_iter().try_for_each(|part| self.walk(part))
            }
            Expr::Set(elements) => elements.iter().try_for_each(|element| self.walk(element)),
            Expr::Record(fields) => fields.values().try_for_each(|field| self.walk(field)),
            Expr::Unknown { .. } | _ => {
                *self = Self { tags: Names::All, context: Names::All };
                Ok(())
            }
        }
    }

    fn attribute(&mut self, of: &Expr, name: &str) -> Result<(), &'static str> {
        if let Expr::Var(Var::Context) = of {
            self.context.add(name);
            return Ok(());
        }
        self.walk(of)
    }

    fn tag(&mut self, of: &Expr, key: &Expr) -> Result<(), &'static str> {
        if *of != Expr::Var(Var::Principal) {
            return Err("only `principal` has tags");
        }
        if let Expr::Literal(Literal::String(name)) = key {
            self.tags.add(name);
            return Ok(());
        }
        self.tags = Names::All;
        self.walk(key)
    }
}

fn located(expr: &Expr) -> Result<(), &'static str> {
    let is_known = matches!(expr, Expr::Var(Var::Principal | Var::Action | Var::Resource));
    if is_known { Ok(()) } else { Err("what stands left of `in` must be `principal`, `action` or `resource`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(condition: &str) -> Reads {
        let text = format!("permit(principal, action, resource) when {{ {condition} }};");
        Reads::of(&Policy::parse(None, text).unwrap()).unwrap()
    }

    fn only<const N: usize>(names: [&str; N]) -> Names {
        Names::Only(names.map(Into::into).into())
    }

    #[test]
    fn a_statement_reads_what_it_names() {
        let cases = [
            ("true", Reads::nothing()),
            ("principal == Hoop::Identity::\"x\" && action in Hoop::Action::\"read\"", Reads::nothing()),
            ("context.path like \"/a*\"", Reads { context: only(["path"]), ..Reads::nothing() }),
            (
                "context has bodyBytes && context.bodyBytes > 3 || context[\"path\"] == \"\"",
                Reads { context: only(["bodyBytes", "path"]), ..Reads::nothing() },
            ),
            ("context has json.a.b", Reads { context: only(["json"]), ..Reads::nothing() }),
            (
                "if principal.hasTag(\"a\") then principal.getTag(\"b\").contains(context.method) else false",
                Reads { tags: only(["a", "b"]), context: only(["method"]) },
            ),
            (
                "[{x: context.path}].contains({x: \"\"}) && -(context.n) < 1 && resource is Hoop::Route",
                Reads { context: only(["path", "n"]), ..Reads::nothing() },
            ),
        ];
        for (condition, expected) in cases {
            assert_eq!(reads(condition), expected, "{condition}");
        }
    }

    #[test]
    fn what_is_not_named_is_read_whole() {
        for condition in [
            "context == {}",
            "[context].contains({})",
            "{a: context}.a.path == \"\"",
            "(if true then context else context).path == \"\"",
        ] {
            assert_eq!(reads(condition), Reads { context: Names::All, ..Reads::nothing() }, "{condition}");
        }
        for condition in [
            "principal.hasTag(context.path)",
            "principal.getTag(if principal.hasTag(\"a\") then context.path else \"b\").isEmpty()",
        ] {
            assert_eq!(reads(condition), Reads { tags: Names::All, ..reads("context.path == \"\"") }, "{condition}");
        }
    }

    #[test]
    fn only_the_requests_own_entities_have_a_place_and_tags() {
        for condition in [
            "Hoop::Connection::\"other\" in Hoop::Environment::\"production\"",
            "(if true then principal else principal) in Hoop::Group::\"agents\"",
            "Hoop::Identity::\"x\" is Hoop::Identity in Hoop::Group::\"agents\"",
            "Hoop::Identity::\"x\".hasTag(\"a\")",
            "{p: principal}.p.getTag(\"a\").isEmpty()",
        ] {
            let text = format!("permit(principal, action, resource) when {{ {condition} }};");
            assert!(Reads::of(&Policy::parse(None, text).unwrap()).is_err(), "{condition}");
        }
    }
}
