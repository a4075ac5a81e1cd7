//! The life of a session: intents in, steps out; permits and records.
//!
//! Here lives the one path on which a command may reach a backend. Each arrow is a type that is used up by the next,
//! and there is no other way to make it: to forward is to own a [`Cleared`], and who owns one had a verdict, had it
//! recorded, and had authority when the first byte was about to go. What must not live here: any protocol, any IO, any
//! clock; the judging itself (hoop-policy) and the record's form (hoop-audit).
//!
//! ```text
//!   OpenSession ──Session::open──▶ Admission ──after(Receipt)──▶ Session | Refusal
//!
//!   Intent ──Session::submit──▶ Decided ──after(Receipt)──▶ Step::Forward(Permit) | Hold(Held) | Refuse(Refusal)
//!             policy judges      │ entry()                                 │
//!                                ▼                                         ▼ redeem(Authority, Now)
//!                        the shell records it            lease, identity, token: checked once more,
//!                                                        in the poll that writes the first byte
//!                                                                          │
//!                                                                          ▼
//!                                                             Cleared, consumed by the sender
//! ```
//!
//! A command that people must release is captured before it is recorded ([`Decided::captured`]), and then walks on. It
//! is the captured command that runs, never what is sent later.
//!
//! ```text
//!   Held ──request()──▶ open ──opened(HoldAnswer)──▶ Waiting ◀───────────────────────┐
//!                                                      │  ▲ told(HoldAnswer)         │
//!                                                      │  └──── the control plane    │
//!                                released, or the      │                             │
//!                                policy moved on       ▼                             │
//!                                       rejudge(Current, Now) ──────────────────────▶┤ votes are missing
//!                                                      │                             │
//!                            the shell records it      ▼                             │
//!                        Claiming ◀──after(Receipt)── Intended                       │
//!                            └──request()──▶ claim ──answered(HoldAnswer, Kept)──────┘
//!                                                      │ claimed, by this process
//!                                                      ▼
//!                                         Released: Permit, to be redeemed as above; Spent, to be accounted for
//!
//!   every other way ends in Over: the refusal, its record, and what the control plane is told
//! ```
//!
//! | what goes wrong | the refusal's code |
//! |---|---|
//! | policy refuses | the one policy gave |
//! | policy holds, and nobody has released it yet | `approval_required` |
//! | an allow or a hold that names no statement | `policy_error` |
//! | no record was written, or the receipt is of another or a less durable one | `recorder_unavailable` |
//! | the lease ran out, or was never granted | `lease_expired` |
//! | the snapshot is older than the verdict | `not_ready` |
//! | the identity is suspended, expired or gone | `identity_suspended`, `identity_expired`, `identity_none` |
//! | the identity is not what it was when the session opened | `identity_changed` |
//! | the token's `exp` and the grace after it are over | `token_expired` |
//! | a person refused, or nobody released it in time | `approval_denied`, `approval_expired` |
//! | the policy refuses it by now, or the connection is another | `approval_voided` |
//! | the approval was used, or may have been | `approval_spent`, `not_ready` |
//! | the approval is for something else, or another request has it | `approval_mismatch` |
//! | it cannot be held | `too_many_pending`, `too_large_to_review` |

mod answer;
mod authority;
mod claim;
mod decided;
mod digest;
mod hold;
mod judging;
mod kept;
mod party;
mod permit;
mod session;
mod waiting;

#[cfg(test)]
mod tests;

pub use answer::{HoldAnswer, HoldState, Unfit};
pub use authority::{Authority, BootMillis, LONGEST_GRANT, Lease, Now, Reach, Standing};
pub use claim::{ClaimRequest, Claimed, Claiming, Intended, Released};
pub use decided::{Admission, Capture, Decided, Step};
pub use digest::{Addressed, DigestKey, Digesting, InvalidDigestKey, Streaming};
pub use hold::{COME_BACK_AFTER, Held, HoldRequest, Opened};
pub use kept::{Kept, Spent};
pub use permit::{Cleared, Permit};
pub use session::{LONGEST_GRACE, OpenSession, Session};
pub use waiting::{Current, MAX_REJUDGED, Over, Rejudged, Rejudgement, Tell, Turn, Waiting};
