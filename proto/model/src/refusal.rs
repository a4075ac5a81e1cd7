//! Why a command was not run, for people and for machines.

use crate::{ApprovalId, Effect, ResourceName, TraceId};
use std::time::Duration;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $fault:ident;)*) => {
        /// The stable, machine-readable reason of a refusal. Callers may branch on it; its text never changes meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code, in the order they are documented.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the code's text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Returns whose fault it is.
            #[must_use]
            pub const fn fault(self) -> Fault {
                match self { $(Self::$variant => Fault::$fault,)* }
            }
        }
    };
}

/// Whose fault a refusal is; protocols map it to their own status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The bytes are not a command we can read.
    Malformed,
    /// The command is larger than we accept.
    Oversized,
    /// The caller is not who it must be.
    Unauthenticated,
    /// The rules do not allow it.
    Forbidden,
    /// There is no such thing on this node.
    Misdirected,
    /// There is no such thing, for this caller.
    Missing,
    /// A person must release it first.
    NeedsApproval,
    /// Its own condition does not hold.
    Precondition,
    /// It was about something that is over, or never was.
    Conflict,
    /// The caller sends too much.
    Overloaded,
    /// The gateway cannot do it now.
    Unavailable,
    /// The backend did not answer as it should.
    Upstream,
    /// The backend did not answer in time.
    UpstreamTimeout,
}

codes! {
    /// The request is not well-formed.
    MalformedRequest = "malformed_request", Malformed;
    /// The request target has no canonical form.
    MalformedTarget = "malformed_target", Malformed;
    /// A header is malformed, doubled or contradicts another.
    MalformedHeader = "malformed_header", Malformed;
    /// The method is not one the gateway knows.
    MethodNotSupported = "method_not_supported", Malformed;
    /// The protocol upgrade is not supported.
    UpgradeNotSupported = "upgrade_not_supported", Malformed;
    /// The request body is larger than the connection accepts.
    BodyTooLarge = "body_too_large", Oversized;
    /// No bearer token came with the request.
    TokenMissing = "token_missing", Unauthenticated;
    /// The token is not a well-formed, acceptable JWT.
    TokenMalformed = "token_malformed", Unauthenticated;
    /// The token's issuer is not trusted.
    TokenIssuerUnknown = "token_issuer_unknown", Unauthenticated;
    /// The token is for another audience.
    TokenAudience = "token_audience", Unauthenticated;
    /// No key of the issuer has the token's key id.
    TokenKeyUnknown = "token_key_unknown", Unauthenticated;
    /// The token's algorithm is not one the issuer and the key allow.
    TokenAlgorithm = "token_algorithm", Unauthenticated;
    /// The signature does not verify.
    TokenSignature = "token_signature", Unauthenticated;
    /// The token has expired.
    TokenExpired = "token_expired", Unauthenticated;
    /// The token is not valid yet.
    TokenNotYetValid = "token_not_yet_valid", Unauthenticated;
    /// The token lives longer than the issuer's tokens may.
    TokenLifetime = "token_lifetime", Unauthenticated;
    /// The token's `typ` is not the one required.
    TokenType = "token_type", Unauthenticated;
    /// The issuer's keys could not be had, or are too old.
    IssuerKeysUnavailable = "issuer_keys_unavailable", Unavailable;
    /// No identity matches the token.
    IdentityNone = "identity_none", Forbidden;
    /// Several identities match the token.
    IdentityAmbiguous = "identity_ambiguous", Forbidden;
    /// The identity is not what it was when the session opened.
    IdentityChanged = "identity_changed", Forbidden;
    /// The identity is suspended.
    IdentitySuspended = "identity_suspended", Forbidden;
    /// The identity has expired.
    IdentityExpired = "identity_expired", Forbidden;
    /// There is no such connection here.
    ConnectionUnknown = "connection_unknown", Misdirected;
    /// The identity may not open this connection.
    ConnectNotPermitted = "connect_not_permitted", Forbidden;
    /// No policy permits the command.
    NotPermitted = "not_permitted", Forbidden;
    /// A policy forbids the command.
    Forbidden = "forbidden", Forbidden;
    /// The connection only reads.
    ReadOnly = "read_only", Forbidden;
    /// A policy could not be evaluated.
    PolicyError = "policy_error", Forbidden;
    /// The command has no effect policy could judge.
    NothingToJudge = "nothing_to_judge", Forbidden;
    /// The command is to be run only if something is as it was, and it is not known to be.
    PreconditionFailed = "precondition_failed", Precondition;
    /// A person must release the command.
    ApprovalRequired = "approval_required", NeedsApproval;
    /// Nobody released the command in time.
    ApprovalExpired = "approval_expired", NeedsApproval;
    /// A person refused to release the command.
    ApprovalDenied = "approval_denied", Forbidden;
    /// The approval named is not one for this command in this run.
    ApprovalMismatch = "approval_mismatch", Conflict;
    /// There is no approval of that id that the caller may look at.
    ApprovalUnknown = "approval_unknown", Missing;
    /// The approval has been used; it releases one execution.
    ApprovalSpent = "approval_spent", Conflict;
    /// The approval cannot be used any more: the policy or the run has changed.
    ApprovalVoided = "approval_voided", Conflict;
    /// Too many commands wait for people already.
    TooManyPending = "too_many_pending", Overloaded;
    /// The command is larger than what a person could review.
    TooLargeToReview = "too_large_to_review", Oversized;
    /// Too many sessions or requests at once.
    TooMany = "too_many", Overloaded;
    /// This node has no policy yet.
    NotReady = "not_ready", Unavailable;
    /// This node's authority has run out.
    LeaseExpired = "lease_expired", Unavailable;
    /// The evidence could not be written.
    RecorderUnavailable = "recorder_unavailable", Unavailable;
    /// The gateway stops.
    Draining = "draining", Unavailable;
    /// The credential that the backend asks for cannot be had here.
    CredentialUnavailable = "credential_unavailable", Unavailable;
    /// The backend does not accept the gateway's credential.
    CredentialRejected = "credential_rejected", Upstream;
    /// The backend could not be reached or did not prove who it is.
    UpstreamUnreachable = "upstream_unreachable", Upstream;
    /// The backend broke its protocol.
    UpstreamMisbehaved = "upstream_misbehaved", Upstream;
    /// The request would come back to this gateway.
    UpstreamLoop = "upstream_loop", Upstream;
    /// The backend's answer cannot be searched for what must be masked.
    UpstreamUninspectable = "upstream_uninspectable", Upstream;
    /// The backend did not answer in time.
    UpstreamTimeout = "upstream_timeout", UpstreamTimeout;
}

/// A refusal: one object, rendered natively by every protocol.
///
/// Its message is ours, fixed per code or taken from a policy's `@message`; it never carries an internal error's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The stable reason.
    pub code: Code,
    /// One sentence for a person.
    pub message: Box<str>,
    /// The identity, once known.
    pub identity: Option<ResourceName>,
    /// The connection, once known.
    pub connection: Option<ResourceName>,
    /// The effect that was refused.
    pub effect: Option<Effect>,
    /// The policy statement that decided.
    pub policy: Option<Box<str>>,
    /// What the caller lacks.
    pub missing: Option<Box<str>>,
    /// What the caller, or its owner, can do about it.
    pub how_to_request: Option<Box<str>>,
    /// The approval that the command waits for, or waited for.
    pub approval: Option<ApprovalId>,
    /// When it makes sense to try again.
    pub retry_after: Option<Duration>,
    /// The trace and record to look for.
    pub trace_id: Option<TraceId>,
}

impl Refusal {
    /// Makes a refusal of a code, with everything else unknown.
    #[must_use]
    pub fn because(code: Code, message: impl Into<Box<str>>) -> Self {
        Self {
            code,
            message: message.into(),
            identity: None,
            connection: None,
            effect: None,
            policy: None,
            missing: None,
            how_to_request: None,
            approval: None,
            retry_after: None,
            trace_id: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_text() {
        let texts: std::collections::BTreeSet<_> = Code::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        assert!(texts.iter().all(|t| t.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }
}
