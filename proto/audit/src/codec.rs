//! Entries to payloads and back.

use crate::wire;
use crate::{
    AnswerEnd, CloseReason, CommandId, CommandVerdict, Content, Entry, HoldStage, HoldStep, Judged, Kind,
    MAX_KEPT_BYTES, Named, Opening, Outcome, Release, Response,
};
use hoop_model::{
    ApprovalId, Code, CommandDigest, ContentHash, Effect, PolicyRef, ResourceName, Revision, Target, TraceId, Uid,
    UnixSeconds,
};
use prost::Message;
use std::borrow::Cow;
use std::time::Duration;

/// The format of headers and payloads that this crate writes and reads.
pub(crate) const FORMAT: u32 = 1;

/// Names the field that is not what it must be.
pub(crate) type Malformed = &'static str;

/// Appends the payload of an entry to `to`.
pub(crate) fn encode(entry: &Entry, to: &mut Vec<u8>) -> Result<(), prost::EncodeError> {
    match entry {
        Entry::Opened(opening) | Entry::NotOpened(opening) => wire::Opening::from(opening).encode(to),
        Entry::Verdict(verdict) => wire::Verdict::from(verdict).encode(to),
        Entry::Forwarded(command) => wire::Forwarded { command: command.number() }.encode(to),
        Entry::Response(response) => wire::Response::from(response).encode(to),
        Entry::Closed(reason) => wire::Closed { reason: reason.number() }.encode(to),
        Entry::Approval(step) => wire::Approval::from(step).encode(to),
    }
}

/// Reads the payload of a kind.
pub(crate) fn decode(kind: Kind, payload: &[u8]) -> Result<Entry, Malformed> {
    Ok(match kind {
        Kind::Opened => Entry::Opened(message::<wire::Opening>(payload)?.try_into()?),
        Kind::NotOpened => Entry::NotOpened(message::<wire::Opening>(payload)?.try_into()?),
        Kind::Verdict => Entry::Verdict(message::<wire::Verdict>(payload)?.try_into()?),
        Kind::Forwarded => Entry::Forwarded(command(message::<wire::Forwarded>(payload)?.command)?),
        Kind::Response => Entry::Response(message::<wire::Response>(payload)?.try_into()?),
        Kind::Closed => {
            let reason = message::<wire::Closed>(payload)?.reason;
            Entry::Closed(CloseReason::from_number(reason).ok_or("reason")?)
        }
        Kind::Approval => Entry::Approval(message::<wire::Approval>(payload)?.try_into()?),
    })
}

fn message<M: Message + Default>(payload: &[u8]) -> Result<M, Malformed> {
    M::decode(payload).map_err(|_| "payload")
}

fn command(number: u64) -> Result<CommandId, Malformed> {
    CommandId::from_number(number).ok_or("command")
}

fn name(text: &str) -> Result<ResourceName, Malformed> {
    ResourceName::parse(text).map_err(|_| "name")
}

/// Reads an id or hash that may be absent.
fn optional<T, E>(bytes: &[u8], read: fn(&[u8]) -> Result<T, E>, field: Malformed) -> Result<Option<T>, Malformed> {
    if bytes.is_empty() { Ok(None) } else { read(bytes).map(Some).map_err(|_| field) }
}

fn digest(bytes: &[u8]) -> Result<CommandDigest, Malformed> {
    bytes.try_into().map(CommandDigest).map_err(|_| "digest")
}

fn trace_bytes(trace: Option<TraceId>) -> Vec<u8> {
    trace.map(|t| t.to_bytes().to_vec()).unwrap_or_default()
}

impl From<&Opening> for wire::Opening {
    fn from(o: &Opening) -> Self {
        Self {
            identity: (&o.identity).into(),
            connection: (&o.connection).into(),
            run: (*o.run).into(),
            issuer: (*o.issuer).into(),
            token_expires: o.token_expires.0,
            trace: trace_bytes(o.trace),
            judged: (&o.judged).into(),
        }
    }
}

impl TryFrom<wire::Opening> for Opening {
    type Error = Malformed;
    fn try_from(o: wire::Opening) -> Result<Self, Malformed> {
        Ok(Self {
            identity: o.identity.try_into()?,
            connection: o.connection.try_into()?,
            run: o.run.into(),
            issuer: o.issuer.into(),
            token_expires: UnixSeconds(o.token_expires),
            trace: optional(&o.trace, TraceId::from_slice, "trace")?,
            judged: o.judged.try_into()?,
        })
    }
}

impl From<&CommandVerdict> for wire::Verdict {
    fn from(v: &CommandVerdict) -> Self {
        Self {
            command: v.command.number(),
            summary: (*v.summary).into(),
            effects: v.effects.iter().map(Into::into).collect(),
            digest: v.digest.map(|d| d.0.to_vec()).unwrap_or_default(),
            trace: trace_bytes(v.trace),
            judged: (&v.judged).into(),
        }
    }
}

impl TryFrom<wire::Verdict> for CommandVerdict {
    type Error = Malformed;
    fn try_from(v: wire::Verdict) -> Result<Self, Malformed> {
        Ok(Self {
            command: command(v.command)?,
            summary: v.summary.into(),
            effects: v.effects.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            digest: optional(&v.digest, digest, "digest")?,
            trace: optional(&v.trace, TraceId::from_slice, "trace")?,
            judged: v.judged.try_into()?,
        })
    }
}

impl From<&Response> for wire::Response {
    fn from(r: &Response) -> Self {
        Self {
            command: r.command.number(),
            status: r.status,
            bytes_in: r.bytes_in,
            bytes_out: r.bytes_out,
            duration_us: u64::try_from(r.duration.as_micros()).unwrap_or(u64::MAX),
            ended: r.ended.number(),
            masked: counted(&r.masked),
            shown: counted(&r.shown),
            request: r.request.as_ref().map(Into::into),
            answer: r.answer.as_ref().map(Into::into),
        }
    }
}

fn counted(classes: &[(Box<str>, u64)]) -> Vec<wire::Masked> {
    classes.iter().map(|(class, count)| wire::Masked { class: class.to_string(), count: *count }).collect()
}

fn counts(classes: Vec<wire::Masked>) -> Vec<(Box<str>, u64)> {
    classes.into_iter().map(|counted| (counted.class.into(), counted.count)).collect()
}

impl From<&Content> for wire::Content {
    fn from(Content { start, hash }: &Content) -> Self {
        Self { start: start.to_vec(), hash: hash.to_vec() }
    }
}

impl TryFrom<wire::Content> for Content {
    type Error = Malformed;
    fn try_from(content: wire::Content) -> Result<Self, Malformed> {
        if content.start.len() > MAX_KEPT_BYTES {
            return Err("content");
        }
        let hash = content.hash.as_slice().try_into().map_err(|_| "content")?;
        Ok(Self { start: content.start.into(), hash })
    }
}

impl TryFrom<wire::Response> for Response {
    type Error = Malformed;
    fn try_from(r: wire::Response) -> Result<Self, Malformed> {
        Ok(Self {
            command: command(r.command)?,
            status: r.status,
            bytes_in: r.bytes_in,
            bytes_out: r.bytes_out,
            duration: Duration::from_micros(r.duration_us),
            ended: AnswerEnd::from_number(r.ended).ok_or("end of the answer")?,
            masked: counts(r.masked),
            shown: counts(r.shown),
            request: r.request.map(TryInto::try_into).transpose()?,
            answer: r.answer.map(TryInto::try_into).transpose()?,
        })
    }
}

impl From<&HoldStep> for wire::Approval {
    fn from(step: &HoldStep) -> Self {
        Self {
            command: step.command.number(),
            approval: step.approval.to_bytes().to_vec(),
            digest: step.digest.0.to_vec(),
            stage: step.stage.number(),
            judged: (&step.judged).into(),
        }
    }
}

impl TryFrom<wire::Approval> for HoldStep {
    type Error = Malformed;
    fn try_from(step: wire::Approval) -> Result<Self, Malformed> {
        Ok(Self {
            command: command(step.command)?,
            approval: ApprovalId::from_slice(&step.approval).map_err(|_| "approval")?,
            digest: digest(&step.digest)?,
            stage: HoldStage::from_number(step.stage).ok_or("stage")?,
            judged: step.judged.try_into()?,
        })
    }
}

impl From<&Named> for wire::Named {
    fn from(named: &Named) -> Self {
        Self { uid: named.uid.to_bytes().to_vec(), name: named.name.as_str().into() }
    }
}

impl TryFrom<wire::Named> for Named {
    type Error = Malformed;
    fn try_from(named: wire::Named) -> Result<Self, Malformed> {
        Ok(Self { uid: Uid::from_slice(&named.uid).map_err(|_| "uid")?, name: name(&named.name)? })
    }
}

impl From<&Effect> for wire::Effect {
    fn from(effect: &Effect) -> Self {
        let (target, name) = match &effect.target {
            Target::Connection => (1, ""),
            Target::Route(route) => (2, route.as_str()),
        };
        Self { action: effect.action.as_ref().into(), target, name: name.into() }
    }
}

impl TryFrom<wire::Effect> for Effect {
    type Error = Malformed;
    fn try_from(effect: wire::Effect) -> Result<Self, Malformed> {
        let target = match (effect.target, effect.name.as_str()) {
            (1, "") => Target::Connection,
            (2, route) => Target::Route(name(route)?),
            _ => return Err("target"),
        };
        Ok(Self { action: Cow::Owned(effect.action), target })
    }
}

impl From<&Judged> for wire::Judged {
    fn from(j: &Judged) -> Self {
        let (code, releases) = match &j.outcome {
            Outcome::Allow => ("", Vec::new()),
            Outcome::Refuse(code) => (code.as_str(), Vec::new()),
            Outcome::Hold(releases) => ("", releases.iter().map(Into::into).collect()),
        };
        Self {
            epoch: j.revision.epoch,
            index: j.revision.index,
            word: j.outcome.word().into(),
            code: code.into(),
            releases,
            reasons: j.reasons.iter().map(Into::into).collect(),
            shadow: j.shadow.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<wire::Judged> for Judged {
    type Error = Malformed;
    fn try_from(j: wire::Judged) -> Result<Self, Malformed> {
        let outcome = match (j.word.as_str(), j.code.as_str(), j.releases.is_empty()) {
            ("allow", "", true) => Outcome::Allow,
            ("refuse", text, true) => {
                Outcome::Refuse(*Code::ALL.iter().find(|code| code.as_str() == text).ok_or("code")?)
            }
            ("hold", "", false) => {
                Outcome::Hold(j.releases.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?)
            }
            _ => return Err("verdict"),
        };
        Ok(Self {
            revision: Revision { epoch: j.epoch, index: j.index },
            outcome,
            reasons: j.reasons.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            shadow: j.shadow.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        })
    }
}

impl From<&Release> for wire::Release {
    fn from(release: &Release) -> Self {
        Self { team: release.team.as_str().into(), quorum: release.quorum }
    }
}

impl TryFrom<wire::Release> for Release {
    type Error = Malformed;
    fn try_from(release: wire::Release) -> Result<Self, Malformed> {
        Ok(Self { team: name(&release.team)?, quorum: release.quorum })
    }
}

impl From<&PolicyRef> for wire::Reason {
    fn from(policy: &PolicyRef) -> Self {
        Self {
            statement: (*policy.statement).into(),
            uid: policy.uid.to_bytes().to_vec(),
            hash: policy.hash.0.to_vec(),
            message: policy.message.iter().map(|m| (**m).into()).collect(),
        }
    }
}

impl TryFrom<wire::Reason> for PolicyRef {
    type Error = Malformed;
    fn try_from(mut reason: wire::Reason) -> Result<Self, Malformed> {
        let message = reason.message.pop().map(Into::into);
        if !reason.message.is_empty() {
            return Err("message");
        }
        Ok(Self {
            statement: reason.statement.into(),
            uid: Uid::from_slice(&reason.uid).map_err(|_| "uid")?,
            hash: ContentHash::from_slice(&reason.hash).map_err(|_| "hash")?,
            message,
        })
    }
}
