//! People, and what they may.

use crate::error::{Malformed, parsed};
use crate::v1;
use hoop_model::ResourceName;
use hoop_model::spec::{Person, Role};

impl From<&Person> for v1::Person {
    fn from(person: &Person) -> Self {
        Self {
            issuer: person.issuer.to_string(),
            claims: person.claims.iter().map(|(name, condition)| (name.clone(), condition.into())).collect(),
            teams: person.teams.iter().map(ToString::to_string).collect(),
            suspended: person.suspended,
        }
    }
}

impl TryFrom<v1::Person> for Person {
    type Error = Malformed;
    fn try_from(person: v1::Person) -> Result<Self, Malformed> {
        let claims = person.claims.into_iter().map(|(name, condition)| Ok((name, condition.try_into()?)));
        let teams = person.teams.iter().map(|team| parsed(ResourceName::parse(team), "teams"));
        Ok(Self {
            issuer: parsed(ResourceName::parse(&person.issuer), "issuer")?,
            claims: claims.collect::<Result<_, _>>()?,
            teams: teams.collect::<Result<_, _>>()?,
            suspended: person.suspended,
        })
    }
}

impl From<&Role> for v1::Role {
    fn from(Role { teams, rights }: &Role) -> Self {
        Self {
            teams: teams.iter().map(ToString::to_string).collect(),
            rights: rights.iter().map(ToString::to_string).collect(),
        }
    }
}

impl TryFrom<v1::Role> for Role {
    type Error = Malformed;
    fn try_from(role: v1::Role) -> Result<Self, Malformed> {
        let teams = role.teams.iter().map(|team| parsed(ResourceName::parse(team), "teams"));
        let rights = role.rights.iter().map(|right| parsed(right.parse(), "rights"));
        Ok(Self { teams: teams.collect::<Result<_, _>>()?, rights: rights.collect::<Result<_, _>>()? })
    }
}
