//! What an administrator says of an object.

use super::Hash;
use hoop_model::Spec;
use hoop_model::spec::Transform;
use hoop_model::spec::{
    Access, Algorithm, Audience, Builtin, ClaimCondition, Connection, Credential, CredentialForm, DataClass, Identity,
};
use hoop_model::spec::{
    Issuer, KeySource, Person, Policy, Protocol, Recognise, Recording, Role, Secret, SecretSource, Stale,
};
use std::collections::BTreeMap;

impl Hash {
    pub(super) fn spec(&mut self, spec: &Spec) {
        match spec {
            Spec::Issuer(issuer) => self.issuer(issuer),
            Spec::Identity(identity) => self.identity(identity),
            Spec::Connection(connection) => self.connection(connection),
            Spec::Policy(Policy { cedar }) => {
                self.number(4);
                self.text(cedar);
            }
            Spec::Person(person) => self.person(person),
            Spec::Secret(secret) => self.secret(secret),
            Spec::DataClass(class) => self.data_class(class),
            Spec::Role(Role { teams, rights }) => {
                self.number(8);
                self.list(teams.iter(), Self::name);
                self.list(rights.iter(), |hash, right| hash.text(right.as_str()));
            }
        }
    }

    fn issuer(&mut self, issuer: &Issuer) {
        let Issuer { audience, url, audiences, algorithms, max_token_lifetime, token_type, jwks, ca } = issuer;
        self.number(1);
        self.number(match audience {
            Audience::Identities => 1,
            Audience::People => 2,
        });
        self.text(url);
        self.list(audiences.iter(), |hash, audience| hash.text(audience));
        self.list(algorithms.iter(), |hash, algorithm| hash.number(number_of(*algorithm)));
        self.millis(*max_token_lifetime);
        self.optional(token_type.as_deref(), Self::text);
        match jwks {
            KeySource::Discover {} => self.number(1),
            KeySource::Keys(keys) => {
                self.number(2);
                self.text(keys);
            }
        }
        self.optional(ca.as_deref(), Self::text);
    }

    fn identity(&mut self, identity: &Identity) {
        let Identity { issuer, claims, run, owner, groups, environment, expires, suspended } = identity;
        self.number(2);
        self.name(issuer);
        self.claims(claims);
        self.text(run);
        self.text(owner);
        self.list(groups.iter(), Self::name);
        self.optional(environment.as_ref(), Self::name);
        self.optional(*expires, Self::number);
        self.number(u64::from(*suspended));
    }

    fn person(&mut self, person: &Person) {
        let Person { issuer, claims, teams, suspended } = person;
        self.number(5);
        self.name(issuer);
        self.claims(claims);
        self.list(teams.iter(), Self::name);
        self.number(u64::from(*suspended));
    }

    fn claims(&mut self, claims: &BTreeMap<String, ClaimCondition>) {
        self.list(claims.iter(), |hash, (claim, condition)| {
            hash.text(claim);
            match condition {
                ClaimCondition::Equals(text) => {
                    hash.number(1);
                    hash.text(text);
                }
                ClaimCondition::Integer(is) => {
                    hash.number(2);
                    hash.bytes(&is.integer.to_be_bytes());
                }
                ClaimCondition::Contains(element) => {
                    hash.number(3);
                    hash.text(&element.contains);
                }
            }
        });
    }

    fn connection(&mut self, connection: &Connection) {
        let Connection {
            protocol,
            upstream,
            upstream_ca,
            credential,
            environment,
            recording,
            session_grace,
            response_timeout,
            hold,
            nodes,
            mask,
            access,
            stale,
        } = connection;
        self.number(3);
        self.number(match protocol {
            Protocol::Http => 1,
        });
        self.text(&upstream.to_string());
        self.optional(upstream_ca.as_deref(), Self::text);
        self.optional(environment.as_ref(), Self::name);
        self.number(match recording {
            Recording::Standard => 1,
            Recording::Strict => 2,
        });
        self.millis(*session_grace);
        self.millis(*response_timeout);
        self.millis(*hold);
        self.labels(nodes);
        if let Some(credential) = credential {
            self.credential(credential);
        }
        if let Some(mask) = mask {
            self.number(11);
            self.list(mask.iter(), |hash, class| hash.text(class.as_str()));
        }
        match access {
            Access::Any => {}
            Access::Read => self.number(13),
        }
        match stale {
            Stale::Refuse => {}
            Stale::Serve(window) => {
                self.number(14);
                self.millis(*window);
            }
        }
    }

    fn credential(&mut self, Credential { secret, form }: &Credential) {
        self.number(10);
        self.name(secret);
        let (kind, name) = match form {
            CredentialForm::Bearer => (1, ""),
            CredentialForm::Basic(user) => (2, user.as_str()),
            CredentialForm::Header(name) => (3, name.as_str()),
            CredentialForm::Query(name) => (4, name.as_str()),
        };
        self.number(kind);
        self.text(name);
    }

    fn data_class(&mut self, DataClass { class, recognise, transform }: &DataClass) {
        let Recognise { builtin, fields } = recognise;
        self.number(7);
        self.text(class.as_str());
        self.optional(builtin.map(Builtin::class), |hash, class| hash.text(class.as_str()));
        self.list(fields.iter(), |hash, field| hash.text(field));
        self.number(match transform {
            Transform::Redact => 1,
            Transform::KeyedHash => 2,
            Transform::KeepLast(most) => 16 + u64::from(*most),
        });
    }

    fn secret(&mut self, Secret { source, sent_to }: &Secret) {
        self.number(6);
        match source {
            SecretSource::File(path) => {
                self.number(1);
                self.text(path);
            }
            SecretSource::Env(name) => {
                self.number(2);
                self.text(name);
            }
            SecretSource::Sealed => self.number(3),
        }
        self.list(sent_to.iter(), |hash, origin| hash.text(&origin.to_string()));
    }
}

const fn number_of(algorithm: Algorithm) -> u64 {
    match algorithm {
        Algorithm::RS256 => 1,
        Algorithm::RS384 => 2,
        Algorithm::RS512 => 3,
        Algorithm::PS256 => 4,
        Algorithm::PS384 => 5,
        Algorithm::PS512 => 6,
        Algorithm::ES256 => 7,
        Algorithm::ES384 => 8,
        Algorithm::EdDSA => 9,
    }
}
