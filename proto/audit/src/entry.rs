//! What one record says.

use crate::Judged;
use hoop_model::{ApprovalId, CommandDigest, Effect, ResourceName, TraceId, Uid, UnixSeconds};
use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

/// Numbers the commands of one session, from 1, in the order they were submitted; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(NonZeroU64);

impl CommandId {
    /// The first command of a session.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// Returns the id of the next command. It stays at 2^64 − 1, which no session lives to see.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Reads the number form; zero is no command.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// Returns the number form.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What one record says, by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A session was opened.
    Opened(Opening),
    /// A session was asked for and refused; the only record of its session.
    NotOpened(Opening),
    /// A command was judged. Written before its first byte is forwarded, and whether or not one is.
    Verdict(CommandVerdict),
    /// The first byte of a command went to the backend.
    Forwarded(CommandId),
    /// The backend's answer to a command ended.
    Response(Response),
    /// A session ended.
    Closed(CloseReason),
    /// A held command came a step further. Written before its approval is used, and whether or not it is.
    Approval(HoldStep),
}

impl Entry {
    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Opened(_) => Kind::Opened,
            Self::NotOpened(_) => Kind::NotOpened,
            Self::Verdict(_) => Kind::Verdict,
            Self::Forwarded(_) => Kind::Forwarded,
            Self::Response(_) => Kind::Response,
            Self::Closed(_) => Kind::Closed,
            Self::Approval(_) => Kind::Approval,
        }
    }

    /// Returns the command it is about, if it is about one.
    #[must_use]
    pub const fn command(&self) -> Option<CommandId> {
        match self {
            Self::Verdict(verdict) => Some(verdict.command),
            Self::Forwarded(command) => Some(*command),
            Self::Response(response) => Some(response.command),
            Self::Approval(step) => Some(step.command),
            Self::Opened(_) | Self::NotOpened(_) | Self::Closed(_) => None,
        }
    }
}

/// An object by its uid, which is never reused, and by the name it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What it is.
    pub uid: Uid,
    /// What it was called.
    pub name: ResourceName,
}

/// Who wanted to use what, and whether it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The identity that the token matched.
    pub identity: Named,
    /// The connection it wants to use.
    pub connection: Named,
    /// The run that the token names.
    pub run: Box<str>,
    /// The token's issuer, as the token spells it.
    pub issuer: Box<str>,
    /// The token's `exp`.
    pub token_expires: UnixSeconds,
    /// The trace it belongs to.
    pub trace: Option<TraceId>,
    /// What `connect` got.
    pub judged: Judged,
}

/// A command and its verdict, in one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandVerdict {
    /// The command.
    pub command: CommandId,
    /// One line that names it to people, without values that could be sensitive.
    pub summary: Box<str>,
    /// Every effect it would have.
    pub effects: Vec<Effect>,
    /// Its keyed digest; `None` where the body is not read before forwarding.
    pub digest: Option<CommandDigest>,
    /// The trace it belongs to.
    pub trace: Option<TraceId>,
    /// What it got.
    pub judged: Judged,
}

/// What became of a held command, with the judgement that this rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldStep {
    /// The command.
    pub command: CommandId,
    /// The approval it waits for, or waited for.
    pub approval: ApprovalId,
    /// The command's keyed digest, which is what the approval is for.
    pub digest: CommandDigest,
    /// How far it came.
    pub stage: HoldStage,
    /// What the command got when it was last judged.
    pub judged: Judged,
}

/// How the answer to a command ended, and what of both bodies may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The command it answers.
    pub command: CommandId,
    /// The protocol's status, as sent to the caller.
    pub status: u32,
    /// Bytes of the command that went to the backend.
    pub bytes_in: u64,
    /// Bytes of the answer that went to the caller.
    pub bytes_out: u64,
    /// From the first byte up to the last byte down; recorded in microseconds.
    pub duration: Duration,
    /// How the answer ended.
    pub ended: AnswerEnd,
    /// How many values of each data class were masked in the answer: classes in their order, no zeros.
    pub masked: Vec<(Box<str>, u64)>,
    /// How many values the caller was shown of each data class that policy reveals to it: classes in their order, no
    /// zeros. Of a value that is also of a class that is not revealed, as much was masked as that class recognises.
    pub shown: Vec<(Box<str>, u64)>,
    /// The command's body; `None` if nothing of one went to the backend.
    pub request: Option<Content>,
    /// The answer's body; `None` if nothing of one came from the backend.
    pub answer: Option<Content>,
}

/// What is kept of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// How it begins, masked and without its content coding, at most [`MAX_KEPT_BYTES`]. Empty where it cannot be
    /// inspected, or where the connection masks nothing.
    pub start: Box<[u8]>,
    /// HMAC-SHA-256 of all that went by, as the backend sent or got it, under a key of the cluster: equal bodies are known
    /// as such, and nobody without the key can try guesses.
    pub hash: [u8; 32],
}

/// Most bytes of a body that a record has.
pub const MAX_KEPT_BYTES: usize = 16 << 10;

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every one, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns its number in records, which never changes meaning.
            #[must_use]
            pub const fn number(self) -> u32 {
                match self { $(Self::$variant => $number,)* }
            }

            /// Reads the number form; `None` for a number that names none.
            #[must_use]
            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }

            /// Returns its one word for people.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

numbered! {
    /// How an answer ended.
    AnswerEnd {
        /// The caller got the backend's answer to its end.
        Whole = 1 "whole",
        /// The gateway answered by itself.
        Refused = 2 "refused",
        /// The backend broke off.
        Backend = 3 "backend_broke_off",
        /// The caller went away before the end.
        Caller = 4 "caller_left",
        /// The session, or the node's authority, ended.
        Cut = 5 "cut",
        /// What followed could not be inspected, and did not go to the caller.
        Uninspectable = 6 "uninspectable",
    }
}

numbered! {
    /// The kind of a record.
    Kind {
        /// [`Entry::Opened`].
        Opened = 1 "opened",
        /// [`Entry::NotOpened`].
        NotOpened = 2 "not_opened",
        /// [`Entry::Verdict`].
        Verdict = 3 "verdict",
        /// [`Entry::Forwarded`].
        Forwarded = 4 "forwarded",
        /// [`Entry::Response`].
        Response = 5 "response",
        /// [`Entry::Closed`].
        Closed = 6 "closed",
        /// [`Entry::Approval`].
        Approval = 8 "approval",
    }
}

numbered! {
    /// How far a held command came.
    HoldStage {
        /// It waits for people.
        Waiting = 1 "waiting",
        /// It was judged again and may use its approval. Nothing of it was sent unless a `forwarded` follows.
        Released = 2 "released",
        /// A person refused to release it.
        Denied = 3 "denied",
        /// Nobody released it in time.
        Expired = 4 "expired",
        /// Its approval cannot be used any more.
        Voided = 5 "voided",
        /// Its approval was used by somebody else.
        Spent = 6 "spent",
        /// Nobody waits for it here any more.
        Left = 7 "left",
    }
}

numbered! {
    /// Why a session ended.
    CloseReason {
        /// The caller ended it.
        Finished = 1 "finished",
        /// It was not used for too long.
        Idle = 2 "idle",
        /// Its token, and the grace after it, ran out.
        Expired = 3 "expired",
        /// Its identity was revoked, suspended or changed.
        Revoked = 4 "revoked",
        /// The gateway stops.
        Draining = 5 "draining",
        /// It is not known how it ended: the process died.
        Unknown = 6 "unknown",
        /// Its identity opened too many others.
        Displaced = 7 "displaced",
    }
}
