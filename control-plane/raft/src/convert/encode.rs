//! From the state machine's types to bytes.

use super::{admin, approval, evidence, reply};
use hoop_model::{ResourceName, Uid};
use hoop_state::{
    ApplyObjects, Bootstrap, Change, DeleteObject, MintJoinToken, NewObject, Node, Precondition, Proposal, Reference,
    RemoveNode, Removed, Role, SealedValue, SetSecret, SpendJoinToken, State, StoredObject,
};
use hoop_wire::v1;
use prost::Message;
use std::collections::BTreeSet;

/// Encodes a proposal.
pub(crate) fn proposal(proposal: &Proposal) -> Vec<u8> {
    let Proposal { time, key, caller, change } = proposal;
    let message = v1::Proposal {
        time_ms: time.0,
        idempotency_key: key.map(|key| key.0.to_vec()).unwrap_or_default(),
        caller: caller.to_string(),
        change: Some(of_change(change)),
    };
    message.encode_to_vec()
}

/// Encodes a state.
pub(crate) fn state(state: &State) -> Vec<u8> {
    let remembered = state.remembered().map(|(caller, key, known)| v1::state::Remembered {
        caller: caller.to_owned(),
        key: key.0.to_vec(),
        at_ms: known.at.0,
        reply: reply::encode(&known.reply),
        request_hash: known.request.0.to_vec(),
    });
    let join_tokens = state.join_tokens().map(|(hash, token)| v1::state::JoinToken {
        hash: hash.0.to_vec(),
        role: of_role(token.role).into(),
        labels: token.labels.clone(),
        again: of_optional(token.again.as_ref()),
        expires_ms: token.expires.0,
    });
    let sign_ins = state.sign_ins();
    let sign_ins =
        sign_ins.map(|(person, at)| v1::state::SignedIn { person_uid: person.to_bytes().to_vec(), at_ms: at.0 });
    let message = v1::State {
        cluster_version: state.cluster_version(),
        revision: Some(state.revision().into()),
        log_time_ms: state.log_time().0,
        birth: state.birth().map(of_bootstrap),
        objects: state.stored_objects().map(of_stored).collect(),
        join_tokens: join_tokens.collect(),
        nodes: state.nodes().map(of_node).collect(),
        removed_nodes: state.removed_nodes().map(of_removed).collect(),
        remembered: remembered.collect(),
        evidence: Some(evidence::of_log(state.evidence())),
        approvals: state.approvals().map(|approval| approval.as_ref().into()).collect(),
        sign_ins: sign_ins.collect(),
        sealed_values: state.sealed_values().map(of_sealed).collect(),
        bootstrap_spent: state.is_bootstrap_spent(),
        admin_sessions: state.admin_sessions().map(admin::of_session).collect(),
        longest_stale_ms: u64::try_from(state.longest_stale().as_millis()).unwrap_or(u64::MAX),
        recoveries: state.recoveries().map(admin::of_recovery).collect(),
    };
    message.encode_to_vec()
}

fn of_change(change: &Change) -> v1::proposal::Change {
    match change {
        Change::Bootstrap(bootstrap) => v1::proposal::Change::Bootstrap(of_bootstrap(bootstrap)),
        Change::ApplyObjects(ApplyObjects { base, objects }) => {
            let objects = objects.iter().map(of_new).collect();
            v1::proposal::Change::Apply(v1::proposal::ApplyObjects { base: Some((*base).into()), objects })
        }
        Change::DeleteObject(DeleteObject { target, precondition, base }) => {
            v1::proposal::Change::Delete(v1::proposal::DeleteObject {
                kind: target.kind.to_string(),
                name: target.name.to_string(),
                precondition: of_precondition(*precondition),
                base: Some((*base).into()),
            })
        }
        Change::MintJoinToken(MintJoinToken { token_hash, role, labels, again, expires }) => {
            v1::proposal::Change::MintJoinToken(v1::proposal::MintJoinToken {
                token_hash: token_hash.0.to_vec(),
                role: of_role(*role).into(),
                labels: labels.clone(),
                again: of_optional(again.as_ref()),
                expires_ms: expires.0,
            })
        }
        Change::RemoveNode(RemoveNode { name, uid, gives_up_records }) => {
            v1::proposal::Change::RemoveNode(v1::proposal::RemoveNode {
                name: name.to_string(),
                uid: uid.to_bytes().to_vec(),
                gives_up_records: *gives_up_records,
            })
        }
        Change::SpendJoinToken(SpendJoinToken { token_hash, role, node, node_uid }) => {
            v1::proposal::Change::SpendJoinToken(v1::proposal::SpendJoinToken {
                token_hash: token_hash.0.to_vec(),
                role: of_role(*role).into(),
                node: node.to_string(),
                node_uid: node_uid.to_bytes().to_vec(),
            })
        }
        Change::Tick => v1::proposal::Change::Tick(v1::proposal::Tick {}),
        Change::AnchorEvidence(anchor) => v1::proposal::Change::AnchorEvidence(evidence::of_anchor(anchor)),
        Change::LogStored(stored) => v1::proposal::Change::LogStored(evidence::of_stored(*stored)),
        Change::Approval(change) => v1::proposal::Change::Approval(approval::of_change(change)),
        Change::SignIn { person, revision } => v1::proposal::Change::SignIn(v1::proposal::SignIn {
            person_uid: person.to_bytes().to_vec(),
            revision: Some((*revision).into()),
        }),
        Change::SetSecret(SetSecret { name, generation, sealed, value_mac, base }) => {
            v1::proposal::Change::SetSecret(v1::proposal::SetSecret {
                name: name.to_string(),
                generation: *generation,
                sealed: sealed.to_vec(),
                value_mac: value_mac.0.to_vec(),
                base: Some((*base).into()),
            })
        }
        Change::OpenAdminSession(open) => v1::proposal::Change::OpenAdminSession(admin::of_open(open)),
        Change::EndAdminSession { session_hash } => {
            let session_hash = session_hash.0.to_vec();
            v1::proposal::Change::EndAdminSession(v1::proposal::EndAdminSession { session_hash })
        }
    }
}

fn of_sealed((secret, SealedValue { generation, sealed, at }): (Uid, &SealedValue)) -> v1::state::SealedValue {
    v1::state::SealedValue {
        secret_uid: secret.to_bytes().to_vec(),
        generation: *generation,
        sealed: sealed.to_vec(),
        at_ms: at.0,
    }
}

fn of_bootstrap(bootstrap: &Bootstrap) -> v1::proposal::Bootstrap {
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
    v1::proposal::Bootstrap {
        cluster_version: *cluster_version,
        cluster_uid: cluster_uid.to_bytes().to_vec(),
        ca_certificate: ca_certificate.clone(),
        ca_key_sealed: ca_key_sealed.clone(),
        admin_token_hash: admin_token_hash.0.to_vec(),
        log_public_key: log_public_key.to_vec(),
        log_key_sealed: log_key_sealed.clone(),
        digest_key_sealed: digest_key_sealed.clone(),
        secrets_key_sealed: secrets_key_sealed.clone(),
        masking_key_sealed: masking_key_sealed.clone(),
    }
}

fn of_new(object: &NewObject) -> v1::proposal::NewObject {
    let NewObject { name, spec, precondition, uid, references } = object;
    v1::proposal::NewObject {
        name: name.to_string(),
        spec: Some(spec.into()),
        precondition: of_precondition(*precondition),
        uid: uid.to_bytes().to_vec(),
        references: of_references(references),
    }
}

fn of_precondition(precondition: Precondition) -> Option<v1::Precondition> {
    let expect = match precondition {
        Precondition::Any => return None,
        Precondition::Absent => v1::precondition::Expect::Absent(true),
        Precondition::At(revision) => v1::precondition::Expect::Revision(revision.into()),
    };
    Some(v1::Precondition { expect: Some(expect) })
}

fn of_references(references: &BTreeSet<Reference>) -> Vec<v1::proposal::Reference> {
    let of_one = |reference: &Reference| v1::proposal::Reference {
        kind: reference.kind.to_string(),
        name: reference.name.to_string(),
    };
    references.iter().map(of_one).collect()
}

fn of_stored(stored: &StoredObject) -> v1::state::StoredObject {
    let StoredObject { object, references } = stored;
    v1::state::StoredObject { object: Some(object.as_ref().into()), references: of_references(references) }
}

fn of_removed(Removed { name, uid, at }: &Removed) -> v1::state::RemovedNode {
    v1::state::RemovedNode { name: name.to_string(), uid: uid.to_bytes().to_vec(), at_ms: at.0 }
}

fn of_optional(name: Option<&ResourceName>) -> String {
    name.map(ToString::to_string).unwrap_or_default()
}

fn of_node(node: &Node) -> v1::state::Node {
    let Node { name, uid, role, labels, joined } = node;
    v1::state::Node {
        name: name.to_string(),
        uid: uid.to_bytes().to_vec(),
        role: of_role(*role).into(),
        labels: labels.clone(),
        joined_ms: joined.0,
    }
}

pub(super) const fn of_role(role: Role) -> v1::create_join_token_request::Role {
    match role {
        Role::DataPlane => v1::create_join_token_request::Role::DataPlane,
    }
}
