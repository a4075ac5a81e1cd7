//! People: whose token a call shows, and that they signed in.
//!
//! ```text
//!   token ─▶ recognise   the state's issuers and persons, the issuers' keys  ─▶ Recognised   (waits for nothing)
//!               └ a key is missing ─▶ asked for; the guard waits for that, and looks again
//!   Recognised ─▶ enter  recognised again in a fresh state, a sign-in that is not old ─▶ Entered
//! ```

mod enter;
mod recognise;

pub(crate) use enter::{Entered, enter};
pub(crate) use recognise::{People, Recognised, Unrecognised, keep_keys};
