//! What a statement's scope admits: the part of it that does not depend on the request's content.
//!
//! INVARIANT: a scope that does not admit a request belongs to a statement that is neither satisfied by it nor fails on
//! it, for Cedar evaluates `scope && conditions` from left to right. So leaving such statements out changes nothing.

use crate::vocabulary::Lineage;
use cedar_policy::{ActionConstraint, EntityTypeName, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};

/// What a statement's scope admits.
pub(crate) struct Scope {
    principal: Bound,
    action: ActionConstraint,
    resource: Bound,
}

enum Bound {
    Any,
    Is(EntityTypeName),
    Exactly(EntityUid),
    Within(EntityUid),
    IsWithin(EntityTypeName, EntityUid),
}

impl Scope {
    pub(crate) fn of(policy: &Policy) -> Self {
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Any => Bound::Any,
            PrincipalConstraint::In(uid) => Bound::Within(uid),
            PrincipalConstraint::Eq(uid) => Bound::Exactly(uid),
            PrincipalConstraint::Is(of) => Bound::Is(of),
            PrincipalConstraint::IsIn(of, uid) => Bound::IsWithin(of, uid),
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Any => Bound::Any,
            ResourceConstraint::In(uid) => Bound::Within(uid),
            ResourceConstraint::Eq(uid) => Bound::Exactly(uid),
            ResourceConstraint::Is(of) => Bound::Is(of),
            ResourceConstraint::IsIn(of, uid) => Bound::IsWithin(of, uid),
        };
        Self { principal, action: policy.action_constraint(), resource }
    }

    pub(crate) fn admits_principal(&self, principal: &Lineage) -> bool {
        self.principal.admits(principal)
    }

    pub(crate) fn admits_resource(&self, resource: &Lineage) -> bool {
        self.resource.admits(resource)
    }

    pub(crate) fn admits_action(&self, action: &Lineage) -> bool {
        match &self.action {
            ActionConstraint::Any => true,
            ActionConstraint::In(uids) => uids.iter().any(|uid| action.contains(uid)),
            ActionConstraint::Eq(uid) => action.first() == Some(uid),
        }
    }

    /// Returns the entity that every admitted resource is or is in, if the scope names one.
    pub(crate) const fn resource_anchor(&self) -> Option<&EntityUid> {
        match &self.resource {
            Bound::Any | Bound::Is(_) => None,
            Bound::Exactly(uid) | Bound::Within(uid) | Bound::IsWithin(_, uid) => Some(uid),
        }
    }

    /// Returns whether the scope names the action, or leaves it open. Actions that are in no group only.
    pub(crate) fn could_be(&self, action: &str) -> bool {
        matches!(self.action, ActionConstraint::Any) || self.names(action)
    }

    /// Returns whether the scope names the action itself.
    pub(crate) fn names(&self, action: &str) -> bool {
        match &self.action {
            ActionConstraint::Any => false,
            ActionConstraint::In(uids) => uids.iter().any(|uid| uid.id().unescaped() == action),
            ActionConstraint::Eq(uid) => uid.id().unescaped() == action,
        }
    }

    /// Returns whether the scope admits people, or approvals, and nothing else.
    pub(crate) fn is_about_people(&self) -> bool {
        self.principal.is_of(&["Hoop::Person", "Hoop::Team"]) || self.resource.is_of(&["Hoop::Approval"])
    }
}

impl Bound {
    /// Returns whether it names one of these types.
    fn is_of(&self, types: &[&str]) -> bool {
        let of = match self {
            Self::Any => return false,
            Self::Is(of) | Self::IsWithin(of, _) => of,
            Self::Exactly(uid) | Self::Within(uid) => uid.type_name(),
        };
        types.contains(&of.to_string().as_str())
    }

    fn admits(&self, lineage: &Lineage) -> bool {
        let own = lineage.first();
        match self {
            Self::Any => true,
            Self::Is(of) => own.is_some_and(|own| own.type_name() == of),
            Self::Exactly(uid) => own == Some(uid),
            Self::Within(uid) => lineage.contains(uid),
            Self::IsWithin(of, uid) => own.is_some_and(|own| own.type_name() == of) && lineage.contains(uid),
        }
    }
}
