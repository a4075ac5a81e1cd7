//! What a request asks, as one hash: equal for a repeat of it, whatever the proposer chose anew.
//!
//! Left out is what a proposer draws or looks up (bases, uids, references): a repeat gets others. Every destructuring
//! names each field, so a new one does not compile until it is hashed. A new field is hashed only when it is set, and
//! only from the cluster version on that brings it: nodes with different software must reach the same hash.

mod approvals;
mod spec;

use crate::{AnchorEvidence, ApplyObjects, Bootstrap, Change, DeleteObject, LogStored, MintJoinToken, NewObject};
use crate::{OneTime, OpenAdminSession, Precondition, Reference, RemoveNode, Role, SetSecret, SpendJoinToken};
use aws_lc_rs::digest::{Context, SHA256};
use hoop_model::SegmentRoot;
use hoop_model::spec::Labels;
use hoop_model::{ChainHead, ChainId, ContentHash, EvidenceKey, Head, Incarnation, ResourceName, Revision};
use std::time::Duration;

/// Hashes what a change asks for.
pub(crate) fn of(change: &Change) -> ContentHash {
    let mut hash = Hash(Context::new(&SHA256));
    hash.change(change);
    let mut bytes = [0; 32];
    for (byte, digest) in bytes.iter_mut().zip(hash.0.finish().as_ref()) {
        *byte = *digest;
    }
    ContentHash(bytes)
}

/// Feeds values so that no two sequences of values feed the same bytes: numbers have one width, texts their length.
struct Hash(Context);

impl Hash {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn list<T>(&mut self, items: impl ExactSizeIterator<Item = T>, mut each: impl FnMut(&mut Self, T)) {
        self.number(items.len() as u64);
        items.for_each(|item| each(self, item));
    }

    fn optional<T>(&mut self, item: Option<T>, each: impl FnMut(&mut Self, T)) {
        self.list(item.into_iter(), each);
    }

    fn millis(&mut self, span: Duration) {
        self.bytes(&span.as_millis().to_be_bytes());
    }

    fn name(&mut self, name: &ResourceName) {
        self.text(name.as_str());
    }

    fn labels(&mut self, labels: &Labels) {
        self.list(labels.iter(), |hash, (key, value)| {
            hash.text(key);
            hash.text(value);
        });
    }

    fn role(&mut self, role: Role) {
        match role {
            Role::DataPlane => self.number(1),
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Bootstrap(bootstrap) => self.bootstrap(bootstrap),
            Change::ApplyObjects(ApplyObjects { base: _, objects }) => {
                self.number(2);
                self.list(objects.iter(), Self::object);
            }
            Change::DeleteObject(DeleteObject { target: Reference { kind, name }, precondition, base: _ }) => {
                self.number(3);
                self.text(kind.as_str());
                self.name(name);
                self.precondition(*precondition);
            }
            // The whole of it: a repeat draws another token, which the old reply would not speak of.
            Change::MintJoinToken(MintJoinToken { token_hash, role, labels, again, expires }) => {
                self.number(4);
                self.bytes(&token_hash.0);
                self.role(*role);
                self.labels(labels);
                self.number(expires.0);
                // Last and only if there: the hash of any other token is what it always was.
                again.iter().for_each(|again| self.name(again));
            }
            Change::SpendJoinToken(SpendJoinToken { token_hash, role, node, node_uid: _ }) => {
                self.number(5);
                self.bytes(&token_hash.0);
                self.role(*role);
                self.name(node);
            }
            Change::Tick => self.number(6),
            Change::AnchorEvidence(anchor) => self.anchor(anchor),
            Change::LogStored(LogStored { size, root }) => {
                self.number(8);
                self.number(*size);
                self.bytes(&root.0);
            }
            Change::Approval(change) => self.approval(change),
            Change::SignIn { person, revision: _ } => {
                self.number(10);
                self.bytes(&person.to_bytes());
            }
            // The value itself is in the hash, keyed; how it is sealed differs every time.
            Change::SetSecret(SetSecret { name, generation: _, sealed: _, value_mac, base: _ }) => {
                self.number(11);
                self.name(name);
                self.bytes(&value_mac.0);
            }
            Change::OpenAdminSession(OpenAdminSession { with, session_hash, expires: _ }) => {
                self.number(12);
                match with {
                    OneTime::Bootstrap { token_hash } => self.bytes(&token_hash.0),
                    OneTime::Recovery { id, expires: _ } => self.bytes(id),
                }
                self.bytes(&session_hash.0);
            }
            Change::RemoveNode(RemoveNode { name, uid, gives_up_records }) => {
                self.number(14);
                self.name(name);
                self.bytes(&uid.to_bytes());
                self.number(u64::from(*gives_up_records));
            }
            Change::EndAdminSession { session_hash } => {
                self.number(13);
                self.bytes(&session_hash.0);
            }
        }
    }

    fn revision(&mut self, Revision { epoch, index }: Revision) {
        self.number(epoch);
        self.number(index);
    }

    fn anchor(&mut self, anchor: &AnchorEvidence) {
        let AnchorEvidence { keys, heads, roots, lost, broken_off } = anchor;
        self.number(7);
        self.list(keys.iter(), |hash, EvidenceKey { node, incarnation, public }| {
            hash.incarnation(node, *incarnation);
            hash.bytes(public);
        });
        self.list(heads.iter(), |hash, ChainHead { chain, head }| {
            hash.chain(chain);
            hash.head(*head);
        });
        self.list(roots.iter(), |hash, SegmentRoot { chain, first, last, merkle_root, ends_chain }| {
            hash.chain(chain);
            hash.number(*first);
            hash.head(*last);
            hash.bytes(&merkle_root.0);
            hash.number(u64::from(*ends_chain));
        });
        self.list(lost.iter(), Self::chain);
        self.list(broken_off.iter(), Self::chain);
    }

    fn incarnation(&mut self, node: &ResourceName, incarnation: Incarnation) {
        self.name(node);
        self.bytes(&incarnation.to_bytes());
    }

    fn chain(&mut self, ChainId { node, incarnation, shard }: &ChainId) {
        self.incarnation(node, *incarnation);
        self.number(u64::from(*shard));
    }

    fn head(&mut self, Head { sequence, hash }: Head) {
        self.number(sequence);
        self.bytes(&hash.0);
    }

    fn bootstrap(&mut self, bootstrap: &Bootstrap) {
        let Bootstrap {
            cluster_version,
            cluster_uid,
            ca_certificate,
            ca_key_sealed,
            admin_token_hash,
            log_public_key,
            log_key_sealed,
            digest_key_sealed,
            secrets_key_sealed,
            masking_key_sealed,
        } = bootstrap;
        self.number(1);
        self.number(*cluster_version);
        self.bytes(&cluster_uid.to_bytes());
        self.bytes(ca_certificate);
        self.bytes(ca_key_sealed);
        self.bytes(&admin_token_hash.0);
        self.bytes(log_public_key);
        self.bytes(log_key_sealed);
        self.bytes(digest_key_sealed);
        self.bytes(secrets_key_sealed);
        self.bytes(masking_key_sealed);
    }

    fn object(&mut self, object: &NewObject) {
        let NewObject { name, spec, precondition, uid: _, references: _ } = object;
        self.name(name);
        self.precondition(*precondition);
        self.spec(spec);
    }

    fn precondition(&mut self, precondition: Precondition) {
        match precondition {
            Precondition::Any => self.number(0),
            Precondition::Absent => self.number(1),
            Precondition::At(revision) => {
                self.number(2);
                self.revision(revision);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::approval_support::person;
    use crate::tests::secrets::{secret, setting, using};
    use crate::tests::support::{apply, at, bootstrap, chain, connection, delete, ending, identity, issuer, key, mint};
    use crate::tests::support::{mint_again, remove};
    use crate::tests::support::{object, policy, reference, root, spend, stored};
    use hoop_model::spec::{self, Right, SecretSource, Transform};
    use hoop_model::spec::{Builtin, ClassName, Connection, CredentialForm, DataClass, Recognise, Recording};
    use hoop_model::{Kind, Spec, UnixMillis};

    fn masking(classes: &[&str]) -> Spec {
        let Spec::Connection(all) = connection("https://a.test") else { panic!("not a connection") };
        let mask = classes.iter().map(|class| ClassName::parse(class).unwrap()).collect();
        Spec::Connection(Connection { mask: Some(mask), ..all })
    }

    fn class(builtin: Option<Builtin>, fields: &[&str], transform: Transform) -> Spec {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        let recognise = Recognise { builtin, fields };
        Spec::DataClass(DataClass { class: ClassName::parse("pii.a").unwrap(), recognise, transform })
    }

    fn role(rights: &[Right]) -> Spec {
        Spec::Role(spec::Role { teams: vec![hoop_model::ResourceName::parse("a").unwrap()], rights: rights.into() })
    }

    fn opening(with: OneTime) -> Change {
        let (session_hash, expires) = (ContentHash([6; 32]), UnixMillis(7));
        Change::OpenAdminSession(OpenAdminSession { with, session_hash, expires })
    }

    fn strict() -> Spec {
        let Spec::Connection(standard) = connection("https://a.test") else { panic!("not a connection") };
        Spec::Connection(Connection { recording: Recording::Strict, ..standard })
    }

    fn anchored() -> Change {
        let id = chain("a", 1, 2);
        Change::AnchorEvidence(AnchorEvidence {
            keys: vec![key("a", 1)],
            heads: vec![at(&id, 5, 1)],
            roots: vec![ending(root(&id, 1, 4, 1))],
            lost: vec![chain("b", 1, 0)],
            broken_off: vec![chain("b", 2, 0)],
        })
    }

    /// Nodes with different software must remember the same hash of the same request: what is here changes only with
    /// the cluster version.
    #[test]
    fn hashes_of_cluster_version_1_are_frozen() {
        let base = Revision::default();
        let only = |spec| apply(base, vec![object("a", spec, 1)]);
        let changes = [
            (bootstrap(), "1437e7e870d5102d"),
            (only(issuer("https://a.test")), "5c90d815e9c191fe"),
            (only(identity("a", "ops")), "839fffef95bd8ab7"),
            (only(connection("https://a.test")), "d24cc7b74717e8d9"),
            (only(policy("a")), "0c4e63beea70e6d5"),
            (delete(base, reference(Kind::Policy, "a")), "b14390e7b4e66350"),
            (mint(1, 2), "a6e1087d1fa62db4"),
            (spend(1, "a"), "51c3a3e77aee80b9"),
            (Change::Tick, "14ac577cdb2ef6d9"),
            (anchored(), "913a314e003bc8b6"),
            (stored(7, 1), "8f2a2a366d9ae7b0"),
            (only(strict()), "bcc04481269c7df5"),
            (only(person("alice", &["on-call"])), "05523b964159cd03"),
            (only(using("vault", CredentialForm::Bearer)), "ea6ac2f59b4f051c"),
            (only(using("vault", CredentialForm::Basic("a".into()))), "c3cc7aad197fcd74"),
            (only(using("vault", CredentialForm::Header("a".into()))), "660c0a5eff32275e"),
            (only(using("vault", CredentialForm::Query("a".into()))), "9c6ed6bbcf013e04"),
            (only(secret(SecretSource::File("a".into()))), "f8fc23e3c2af5a06"),
            (only(secret(SecretSource::Env("a".into()))), "c507ea1ebf01fd9d"),
            (only(secret(SecretSource::Sealed)), "e5469d85f9bc8729"),
            (setting(2, 7, base), "b25abf0ce986941b"),
            (only(role(&[Right::Read, Right::Apply])), "1375fdbbf73c88da"),
            (opening(OneTime::Bootstrap { token_hash: ContentHash([3; 32]) }), "29feb111e662666b"),
            (opening(OneTime::Recovery { id: [4; 16], expires: UnixMillis(5) }), "6cd0f05759d6d373"),
            (Change::EndAdminSession { session_hash: ContentHash([6; 32]) }, "f556f1c81c131846"),
            (mint_again(1, "a", 2), "5f9307c1a4676009"),
            (remove("a", 1, false), "655e00154a910bef"),
            (remove("a", 1, true), "1a4b1b3480c9be3f"),
            (only(masking(&[])), "9412f5497b1e12ad"),
            (only(masking(&["pii", "secret"])), "52a089ee0e44198a"),
            (only(class(Some(Builtin::Email), &[], Transform::Redact)), "0b4767d0ee110d82"),
            (only(class(None, &["a", "b"], Transform::KeyedHash)), "419b3df8a08e6540"),
            (only(class(None, &["a"], Transform::KeepLast(4))), "89343ebec76441c1"),
        ];
        let found: Vec<String> = changes.iter().map(|(change, _)| of(change).to_string()).collect();
        let frozen: Vec<&str> = changes.iter().map(|(_, hash)| *hash).collect();
        let heads: Vec<&str> = found.iter().filter_map(|hash| hash.get(..16)).collect();
        assert_eq!(heads, frozen);
    }

    #[test]
    fn everything_that_is_said_of_evidence_is_hashed() {
        let base = anchored();
        let changed = |change: &dyn Fn(&mut AnchorEvidence)| {
            let Change::AnchorEvidence(mut other) = base.clone() else { panic!("not evidence") };
            change(&mut other);
            of(&Change::AnchorEvidence(other))
        };
        let others: [&dyn Fn(&mut AnchorEvidence); 16] = [
            &|_| {},
            &|anchor| anchor.keys[0].public = [9; 32],
            &|anchor| anchor.keys[0].node = chain("b", 1, 0).node,
            &|anchor| anchor.heads[0].chain = chain("a", 2, 2),
            &|anchor| anchor.heads[0].head.sequence = 6,
            &|anchor| anchor.heads[0].head.hash = ContentHash([9; 32]),
            &|anchor| anchor.roots[0].first = 2,
            &|anchor| anchor.roots[0].last.sequence = 3,
            &|anchor| anchor.roots[0].merkle_root = ContentHash([9; 32]),
            &|anchor| anchor.roots[0].ends_chain = false,
            &|anchor| anchor.lost[0].shard = 1,
            &|anchor| anchor.lost.clear(),
            &|anchor| anchor.broken_off[0].shard = 1,
            &|anchor| anchor.broken_off.clear(),
            &|anchor| std::mem::swap(&mut anchor.lost, &mut anchor.broken_off),
            &|anchor| anchor.keys.clear(),
        ];
        let hashes: std::collections::BTreeSet<ContentHash> = others.iter().map(|change| changed(change)).collect();
        assert_eq!(hashes.len(), others.len());
        assert!(hashes.contains(&of(&base)));
    }

    #[test]
    fn what_the_proposer_chose_is_left_out_and_what_was_asked_is_not() {
        let at =
            |index, uid, text: &str| of(&apply(Revision { epoch: 1, index }, vec![object("a", policy(text), uid)]));
        assert_eq!(at(1, 1, "x"), at(2, 2, "x"));
        assert_ne!(at(1, 1, "x"), at(1, 1, "y"));
        let two = |first: &str, second: &str| {
            of(&apply(Revision::default(), vec![object("a", policy(first), 1), object("b", policy(second), 1)]))
        };
        assert_ne!(two("xy", "z"), two("x", "yz"));
    }
}
