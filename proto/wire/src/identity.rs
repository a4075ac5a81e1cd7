//! Identities.

use crate::error::{Malformed, parsed, present};
use crate::v1;
use hoop_model::ResourceName;
use hoop_model::spec::{ClaimCondition, ContainsText, Identity, IntegerIs};

impl From<&ClaimCondition> for v1::ClaimCondition {
    fn from(condition: &ClaimCondition) -> Self {
        let condition = match condition {
            ClaimCondition::Equals(text) => v1::claim_condition::Condition::Equals(text.clone()),
            ClaimCondition::Integer(is) => v1::claim_condition::Condition::Integer(is.integer),
            ClaimCondition::Contains(element) => v1::claim_condition::Condition::Contains(element.contains.clone()),
        };
        Self { condition: Some(condition) }
    }
}

impl TryFrom<v1::ClaimCondition> for ClaimCondition {
    type Error = Malformed;
    fn try_from(condition: v1::ClaimCondition) -> Result<Self, Malformed> {
        Ok(match present(condition.condition, "claims")? {
            v1::claim_condition::Condition::Equals(text) => Self::Equals(text),
            v1::claim_condition::Condition::Integer(integer) => Self::Integer(IntegerIs { integer }),
            v1::claim_condition::Condition::Contains(contains) => Self::Contains(ContainsText { contains }),
        })
    }
}

impl From<&Identity> for v1::Identity {
    fn from(identity: &Identity) -> Self {
        Self {
            issuer: identity.issuer.to_string(),
            claims: identity.claims.iter().map(|(name, condition)| (name.clone(), condition.into())).collect(),
            run: identity.run.clone(),
            owner: identity.owner.clone(),
            groups: identity.groups.iter().map(ToString::to_string).collect(),
            environment: identity.environment.as_ref().map(ToString::to_string),
            expires_s: identity.expires,
            suspended: identity.suspended,
        }
    }
}

impl TryFrom<v1::Identity> for Identity {
    type Error = Malformed;
    fn try_from(identity: v1::Identity) -> Result<Self, Malformed> {
        let name = |text: &String, field| parsed(ResourceName::parse(text), field);
        let claims = identity.claims.into_iter().map(|(claim, condition)| Ok((claim, condition.try_into()?)));
        Ok(Self {
            issuer: name(&identity.issuer, "issuer")?,
            claims: claims.collect::<Result<_, Malformed>>()?,
            run: identity.run,
            owner: identity.owner,
            groups: identity.groups.iter().map(|g| name(g, "groups")).collect::<Result<_, _>>()?,
            environment: identity.environment.as_ref().map(|e| name(e, "environment")).transpose()?,
            expires: identity.expires_s,
            suspended: identity.suspended,
        })
    }
}
