//! The nouns both planes agree on.
//!
//! Here live names, ids, resources as an administrator means them, and the chain a command walks:
//! [`Intent`] → [`Judgement`] → [`Refusal`] or a permit. Nothing here does IO, reads a clock or draws randomness,
//! and nothing here knows a protocol or a policy language.
//!
//! ```text
//!   name, id, time           what things are called
//!   resource, spec/*         what an administrator writes      (Object = metadata + Spec)
//!   intent                   what a caller asks                (effects + context)
//!   verdict, refusal         what it gets                      (Judgement, Refusal)
//!   approval                 held commands that wait for people
//!   evidence                 chains of records, and what is anchored of them
//!   redacted                 what must never be printed
//! ```

mod approval;
mod evidence;
mod id;
mod intent;
mod name;
mod redacted;
mod refusal;
mod resource;
mod span;
pub mod spec;
mod time;
mod verdict;

pub use approval::{
    Approval, ApprovalState, Choice, Claim, CommandDigest, Content, ContentField, Ending, Holder, Required, Vote,
};
pub use evidence::{ChainHead, ChainId, Conflict, EvidenceKey, Gap, Head, LogEntry, SegmentRoot};
pub use id::{ApprovalId, ContentHash, Incarnation, InvalidId, SessionId, TraceId, Uid};
pub use intent::{Context, Effect, Intent, Target, Value};
pub use name::{InvalidName, ResourceName};
pub use redacted::Redacted;
pub use refusal::{Code, Fault, Refusal};
pub use resource::{Kind, Metadata, Object, OfKind, Revision, Spec, UnknownKind};
pub use span::{InvalidSpan, parse_span};
pub use time::{UnixMillis, UnixSeconds};
pub use verdict::{Judgement, PolicyRef, Requirement, Verdict};
