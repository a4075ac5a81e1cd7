//! From bytes to the state machine's types. What this software does not wholly understand does not decode, and then the
//! node stops: to apply a part of a change is to diverge from the nodes that understand all of it.

use super::{admin, approval, evidence, reply};
use hoop_model::{Approval, ContentHash, Kind, ResourceName, Revision, Uid, UnixMillis};
use hoop_state::{
    ApplyObjects, Bootstrap, CLUSTER_VERSION, Change, Contents, DeleteObject, IdempotencyKey, JoinToken, MintJoinToken,
    NewObject, Node, Precondition, Proposal, Reference, Remembered, RemoveNode, Removed, Role, SealedValue, SetSecret,
    SpendJoinToken, State, StoredObject,
};
use hoop_wire::{Malformed, document_name, kind, v1};
use prost::Message;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Says why bytes are not a proposal or a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Undecodable {
    /// Not protobuf.
    #[error("not a message")]
    Message(#[from] prost::DecodeError),
    /// There are fields this software does not know.
    #[error("it has parts this software does not know")]
    UnknownParts,
    /// A field is wrong, or of a kind this software does not know.
    #[error(transparent)]
    Field(#[from] Malformed),
    /// The parts of a state contradict each other.
    #[error(transparent)]
    State(#[from] hoop_state::Inconsistent),
}

/// Decodes a proposal.
pub(crate) fn proposal(bytes: &[u8]) -> Result<Proposal, Undecodable> {
    let v1::Proposal { time_ms, idempotency_key, caller, change } = whole(bytes)?;
    let key = match idempotency_key.as_slice() {
        [] => None,
        key => Some(key_of(key)?),
    };
    let change = change_of(present(change, "change")?)?;
    Ok(Proposal { time: UnixMillis(time_ms), key, caller: caller.into(), change })
}

/// Decodes a state.
pub(crate) fn state(bytes: &[u8]) -> Result<State, Undecodable> {
    let message: v1::State = whole(bytes)?;
    let contents = Contents {
        cluster_version: message.cluster_version,
        revision: present(message.revision, "revision")?.into(),
        log_time: UnixMillis(message.log_time_ms),
        birth: message.birth.map(bootstrap_of).transpose()?,
        objects: message.objects.into_iter().map(stored_of).collect::<Result<_, _>>()?,
        join_tokens: message.join_tokens.into_iter().map(token_of).collect::<Result<_, _>>()?,
        nodes: message.nodes.into_iter().map(node_of).collect::<Result<_, _>>()?,
        removed_nodes: message.removed_nodes.iter().map(removed_of).collect::<Result<_, _>>()?,
        remembered: message.remembered.into_iter().map(remembered_of).collect::<Result<_, _>>()?,
        evidence: evidence::log_of(present(message.evidence, "evidence")?)?,
        approvals: message.approvals.into_iter().map(Approval::try_from).collect::<Result<_, _>>()?,
        sign_ins: message.sign_ins.iter().map(signed_in_of).collect::<Result<_, _>>()?,
        sealed_values: message.sealed_values.into_iter().map(sealed_of).collect::<Result<_, _>>()?,
        bootstrap_spent: message.bootstrap_spent,
        admin_sessions: message.admin_sessions.iter().map(admin::session_of).collect::<Result<_, _>>()?,
        longest_stale: Duration::from_millis(message.longest_stale_ms),
        recoveries: message.recoveries.iter().map(admin::recovery_of).collect::<Result<_, _>>()?,
    };
    Ok(State::restore(contents)?)
}

/// Decodes a message that has nothing beside what this software knows: prost drops the rest, and then the bytes differ.
fn whole<M: Message + Default>(bytes: &[u8]) -> Result<M, Undecodable> {
    let message = M::decode(bytes)?;
    if message.encode_to_vec() == bytes { Ok(message) } else { Err(Undecodable::UnknownParts) }
}

fn change_of(change: v1::proposal::Change) -> Result<Change, Malformed> {
    Ok(match change {
        v1::proposal::Change::Bootstrap(bootstrap) => Change::Bootstrap(bootstrap_of(bootstrap)?),
        v1::proposal::Change::Apply(v1::proposal::ApplyObjects { base, objects }) => {
            let objects = objects.into_iter().map(new_of).collect::<Result<_, _>>()?;
            Change::ApplyObjects(ApplyObjects { base: revision_of(base, "base")?, objects })
        }
        v1::proposal::Change::Delete(delete) => Change::DeleteObject(DeleteObject {
            target: reference_of(&v1::proposal::Reference { kind: delete.kind, name: delete.name })?,
            precondition: precondition_of(delete.precondition)?,
            base: revision_of(delete.base, "base")?,
        }),
        v1::proposal::Change::MintJoinToken(mint) => Change::MintJoinToken(MintJoinToken {
            token_hash: hash_of(&mint.token_hash, "token_hash")?,
            role: role_of(mint.role)?,
            labels: mint.labels,
            again: optional_name_of(&mint.again)?,
            expires: UnixMillis(mint.expires_ms),
        }),
        v1::proposal::Change::SpendJoinToken(spend) => Change::SpendJoinToken(SpendJoinToken {
            token_hash: hash_of(&spend.token_hash, "token_hash")?,
            role: role_of(spend.role)?,
            node: name_of(&spend.node)?,
            node_uid: uid_of(&spend.node_uid)?,
        }),
        v1::proposal::Change::RemoveNode(v1::proposal::RemoveNode { name, uid, gives_up_records }) => {
            Change::RemoveNode(RemoveNode { name: name_of(&name)?, uid: uid_of(&uid)?, gives_up_records })
        }
        v1::proposal::Change::Tick(v1::proposal::Tick {}) => Change::Tick,
        v1::proposal::Change::AnchorEvidence(anchor) => Change::AnchorEvidence(evidence::anchor_of(anchor)?),
        v1::proposal::Change::LogStored(stored) => Change::LogStored(evidence::stored_of(&stored)?),
        v1::proposal::Change::Approval(change) => Change::Approval(approval::change_of(change)?),
        v1::proposal::Change::SignIn(v1::proposal::SignIn { person_uid, revision }) => {
            Change::SignIn { person: uid_of(&person_uid)?, revision: revision_of(revision, "revision")? }
        }
        v1::proposal::Change::OpenAdminSession(open) => Change::OpenAdminSession(admin::open_of(open)?),
        v1::proposal::Change::EndAdminSession(end) => {
            Change::EndAdminSession { session_hash: hash_of(&end.session_hash, "session_hash")? }
        }
        v1::proposal::Change::SetSecret(v1::proposal::SetSecret { name, generation, sealed, value_mac, base }) => {
            Change::SetSecret(SetSecret {
                name: name_of(&name)?,
                generation,
                sealed: sealed.into(),
                value_mac: hash_of(&value_mac, "value_mac")?,
                base: revision_of(base, "base")?,
            })
        }
    })
}

fn bootstrap_of(bootstrap: v1::proposal::Bootstrap) -> Result<Bootstrap, Malformed> {
    let known = (1..=CLUSTER_VERSION).contains(&bootstrap.cluster_version);
    known.then_some(()).ok_or(Malformed { field: "cluster_version", problem: "is unknown to this software" })?;
    for (field, sealed) in [
        ("digest_key_sealed", &bootstrap.digest_key_sealed),
        ("secrets_key_sealed", &bootstrap.secrets_key_sealed),
        ("masking_key_sealed", &bootstrap.masking_key_sealed),
    ] {
        (!sealed.is_empty()).then_some(()).ok_or(Malformed { field, problem: "is missing" })?;
    }
    Ok(Bootstrap {
        cluster_version: bootstrap.cluster_version,
        cluster_uid: uid_of(&bootstrap.cluster_uid)?,
        ca_certificate: bootstrap.ca_certificate,
        ca_key_sealed: bootstrap.ca_key_sealed,
        admin_token_hash: hash_of(&bootstrap.admin_token_hash, "admin_token_hash")?,
        log_public_key: hash_of(&bootstrap.log_public_key, "log_public_key")?.0,
        log_key_sealed: bootstrap.log_key_sealed,
        digest_key_sealed: bootstrap.digest_key_sealed,
        secrets_key_sealed: bootstrap.secrets_key_sealed,
        masking_key_sealed: bootstrap.masking_key_sealed,
    })
}

fn new_of(object: v1::proposal::NewObject) -> Result<NewObject, Malformed> {
    Ok(NewObject {
        name: name_of(&object.name)?,
        spec: present(object.spec, "spec")?.try_into()?,
        precondition: precondition_of(object.precondition)?,
        uid: uid_of(&object.uid)?,
        references: references_of(&object.references)?,
    })
}

fn precondition_of(precondition: Option<v1::Precondition>) -> Result<Precondition, Malformed> {
    let Some(precondition) = precondition else { return Ok(Precondition::Any) };
    match present(precondition.expect, "precondition")? {
        v1::precondition::Expect::Absent(true) => Ok(Precondition::Absent),
        v1::precondition::Expect::Absent(false) => {
            Err(Malformed { field: "precondition.absent", problem: "must be true" })
        }
        v1::precondition::Expect::Revision(revision) => Ok(Precondition::At(revision.into())),
    }
}

fn references_of(references: &[v1::proposal::Reference]) -> Result<BTreeSet<Reference>, Malformed> {
    references.iter().map(reference_of).collect()
}

fn reference_of(reference: &v1::proposal::Reference) -> Result<Reference, Malformed> {
    Ok(Reference { kind: kind_of(&reference.kind)?, name: name_of(&reference.name)? })
}

fn stored_of(stored: v1::state::StoredObject) -> Result<StoredObject, Malformed> {
    let object = Arc::new(present(stored.object, "object")?.try_into()?);
    Ok(StoredObject { object, references: references_of(&stored.references)? })
}

fn token_of(token: v1::state::JoinToken) -> Result<(ContentHash, JoinToken), Malformed> {
    let expires = UnixMillis(token.expires_ms);
    let (role, again) = (role_of(token.role)?, optional_name_of(&token.again)?);
    Ok((hash_of(&token.hash, "hash")?, JoinToken { role, labels: token.labels, again, expires }))
}

fn optional_name_of(name: &str) -> Result<Option<ResourceName>, Malformed> {
    if name.is_empty() { Ok(None) } else { name_of(name).map(Some) }
}

fn removed_of(removed: &v1::state::RemovedNode) -> Result<Removed, Malformed> {
    Ok(Removed { name: name_of(&removed.name)?, uid: uid_of(&removed.uid)?, at: UnixMillis(removed.at_ms) })
}

fn node_of(node: v1::state::Node) -> Result<Node, Malformed> {
    Ok(Node {
        name: name_of(&node.name)?,
        uid: uid_of(&node.uid)?,
        role: role_of(node.role)?,
        labels: node.labels,
        joined: UnixMillis(node.joined_ms),
    })
}

fn signed_in_of(signed_in: &v1::state::SignedIn) -> Result<(Uid, UnixMillis), Malformed> {
    Ok((uid_of(&signed_in.person_uid)?, UnixMillis(signed_in.at_ms)))
}

fn sealed_of(value: v1::state::SealedValue) -> Result<(Uid, SealedValue), Malformed> {
    let v1::state::SealedValue { secret_uid, generation, sealed, at_ms } = value;
    Ok((uid_of(&secret_uid)?, SealedValue { generation, sealed: sealed.into(), at: UnixMillis(at_ms) }))
}

fn remembered_of(known: v1::state::Remembered) -> Result<(Box<str>, IdempotencyKey, Remembered), Malformed> {
    let remembered = Remembered {
        request: hash_of(&known.request_hash, "request_hash")?,
        reply: reply::decode(&known.reply)?,
        at: UnixMillis(known.at_ms),
    };
    Ok((known.caller.into(), key_of(&known.key)?, remembered))
}

fn key_of(bytes: &[u8]) -> Result<IdempotencyKey, Malformed> {
    IdempotencyKey::from_slice(bytes).map_err(|_| Malformed { field: "idempotency_key", problem: "is not 16 bytes" })
}

pub(super) fn hash_of(bytes: &[u8], field: &'static str) -> Result<ContentHash, Malformed> {
    ContentHash::from_slice(bytes).map_err(|_| Malformed { field, problem: "is not 32 bytes" })
}

pub(super) fn uid_of(bytes: &[u8]) -> Result<Uid, Malformed> {
    Uid::from_slice(bytes).map_err(|_| Malformed { field: "uid", problem: "is not 16 bytes" })
}

fn name_of(text: &str) -> Result<ResourceName, Malformed> {
    document_name(text)
}

pub(super) fn kind_of(text: &str) -> Result<Kind, Malformed> {
    kind(text)
}

pub(super) fn role_of(role: i32) -> Result<Role, Malformed> {
    match v1::create_join_token_request::Role::try_from(role) {
        Ok(v1::create_join_token_request::Role::DataPlane) => Ok(Role::DataPlane),
        Ok(v1::create_join_token_request::Role::Unspecified) | Err(_) => {
            Err(Malformed { field: "role", problem: "is unknown" })
        }
    }
}

pub(super) fn revision_of(revision: Option<v1::Revision>, field: &'static str) -> Result<Revision, Malformed> {
    Ok(present(revision, field)?.into())
}

pub(super) fn present<T>(value: Option<T>, field: &'static str) -> Result<T, Malformed> {
    value.ok_or(Malformed { field, problem: "is missing" })
}
