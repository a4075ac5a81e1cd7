//! Remembered replies, both ways. Only what was done is remembered, so a rejection has no form here.

use super::decode::{kind_of, present, revision_of, role_of, uid_of};
use super::encode::of_role;
use super::skipped::{SkippedRecord, of_skipped, skipped_of};
use hoop_state::{AppliedObject, Outcome, Reply};
use hoop_wire::v1::apply_response::{Applied, Outcome as WireOutcome};
use hoop_wire::{Malformed, v1};
use prost::Message;
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, prost::Message)]
struct ReplyRecord {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(message, tag = "1")]
    Done(v1::Revision),
    #[prost(message, tag = "2")]
    Applied(v1::ApplyResponse),
    #[prost(message, tag = "3")]
    Joined(JoinedRecord),
    #[prost(message, tag = "4")]
    Anchored(AnchoredRecord),
    #[prost(message, boxed, tag = "5")]
    Approval(Box<v1::Approval>),
}

#[derive(Clone, PartialEq, prost::Message)]
struct JoinedRecord {
    #[prost(bytes = "vec", tag = "1")]
    uid: Vec<u8>,
    #[prost(enumeration = "v1::create_join_token_request::Role", tag = "2")]
    role: i32,
    #[prost(btree_map = "string, string", tag = "3")]
    labels: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AnchoredRecord {
    #[prost(uint64, tag = "1")]
    size: u64,
    #[prost(uint64, optional, tag = "2")]
    entry: Option<u64>,
    #[prost(message, repeated, tag = "3")]
    skipped: Vec<SkippedRecord>,
}

pub(super) fn encode(reply: &Reply) -> Vec<u8> {
    let kind = match reply {
        Reply::Done { revision } => Some(Kind::Done((*revision).into())),
        Reply::Applied { objects, revision } => {
            let applied = objects.iter().map(of_applied).collect();
            Some(Kind::Applied(v1::ApplyResponse { applied, revision: Some((*revision).into()) }))
        }
        Reply::Joined { uid, role, labels } => Some(Kind::Joined(JoinedRecord {
            uid: uid.to_bytes().to_vec(),
            role: of_role(*role).into(),
            labels: labels.clone(),
        })),
        Reply::Anchored { size, entry, skipped } => {
            let skipped = skipped.iter().map(of_skipped).collect();
            Some(Kind::Anchored(AnchoredRecord { size: *size, entry: *entry, skipped }))
        }
        Reply::Approval(approval) => Some(Kind::Approval(Box::new(approval.as_ref().into()))),
        // Never remembered; the empty record it would be does not decode.
        Reply::Rejected(_) => None,
    };
    ReplyRecord { kind }.encode_to_vec()
}

pub(super) fn decode(bytes: &[u8]) -> Result<Reply, Malformed> {
    let malformed = |_| Malformed { field: "reply", problem: "is not well-formed" };
    let record = ReplyRecord::decode(bytes).map_err(malformed)?;
    Ok(match present(record.kind, "reply")? {
        Kind::Done(revision) => Reply::Done { revision: revision.into() },
        Kind::Applied(response) => Reply::Applied {
            objects: response.applied.into_iter().map(applied_of).collect::<Result<_, _>>()?,
            revision: revision_of(response.revision, "reply.revision")?,
        },
        Kind::Joined(JoinedRecord { uid, role, labels }) => {
            Reply::Joined { uid: uid_of(&uid)?, role: role_of(role)?, labels }
        }
        Kind::Anchored(AnchoredRecord { size, entry, skipped }) => {
            let skipped = skipped.into_iter().map(skipped_of).collect::<Result<_, _>>()?;
            Reply::Anchored { size, entry, skipped }
        }
        Kind::Approval(approval) => Reply::Approval(Box::new((*approval).try_into()?)),
    })
}

fn of_applied(object: &AppliedObject) -> Applied {
    let outcome = match object.outcome {
        Outcome::Created => WireOutcome::Created,
        Outcome::Changed => WireOutcome::Changed,
        Outcome::Unchanged => WireOutcome::Unchanged,
    };
    Applied { kind: object.kind.to_string(), metadata: Some((&object.metadata).into()), outcome: outcome.into() }
}

fn applied_of(applied: Applied) -> Result<AppliedObject, Malformed> {
    let outcome = match WireOutcome::try_from(applied.outcome) {
        Ok(WireOutcome::Created) => Outcome::Created,
        Ok(WireOutcome::Changed) => Outcome::Changed,
        Ok(WireOutcome::Unchanged) => Outcome::Unchanged,
        Ok(WireOutcome::Unspecified) | Err(_) => {
            return Err(Malformed { field: "reply.outcome", problem: "is unknown" });
        }
    };
    let metadata = present(applied.metadata, "reply.metadata")?.try_into()?;
    Ok(AppliedObject { kind: kind_of(&applied.kind)?, metadata, outcome })
}
