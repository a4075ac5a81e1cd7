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
//!   Intent ──Session::submit──▶ Decided ──after(Receipt)──▶ Step::Forward(Permit) | Step::Refuse(Refusal)
//!             policy judges      │ entry()                                 │
//!                                ▼                                         ▼ redeem(Authority, Now)
//!                        the shell records it            lease, identity, token: checked once more,
//!                                                        in the poll that writes the first byte
//!                                                                          │
//!                                                                          ▼
//!                                                             Cleared, consumed by the sender
//! ```
//!
//! | what goes wrong | the refusal's code |
//! |---|---|
//! | policy refuses | the one policy gave |
//! | policy holds | `approval_required` |
//! | an allow or a hold that names no statement | `policy_error` |
//! | the record was not written, or the receipt is of another record | `recorder_unavailable` |
//! | the lease ran out, or was never granted | `lease_expired` |
//! | the snapshot is older than the verdict | `not_ready` |
//! | the identity is suspended, expired, gone or changed | `identity_suspended`, `identity_expired`, `identity_none` |
//! | the token's `exp` and the grace after it are over | `token_expired` |

mod authority;
mod decided;
mod judging;
mod party;
mod permit;
mod session;

#[cfg(test)]
mod tests;

pub use authority::{Authority, BootMillis, LONGEST_GRANT, Lease, Now, Standing};
pub use decided::{Admission, Decided, Step};
pub use permit::{Cleared, Permit};
pub use session::{LONGEST_GRACE, OpenSession, Session};
