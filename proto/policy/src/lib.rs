//! Policy text becomes a compiled, sliced set; the set and a request become a verdict with reasons.
//!
//! Here live the Cedar schema, the closed vocabulary of annotations, the checks an apply runs, and the judge. This is
//! the only crate that knows Cedar, and no Cedar type leaves it. [`mask`] finds sensitive values in what comes back and
//! replaces them. What must not live here: bytes of any protocol, the forwarding of anything, IO, clocks, randomness and
//! locks.
//!
//! ```text
//!   Policy objects ──► text (statements, positions) ──► statement (scope, annotations, reads)
//!        │                                                 │
//!        ▼                                                 ▼
//!   check: types, literals, warnings              rules: index by scope, reuse what is unchanged
//!   lint: forbids that are easily passed by       (every node, at each revision)
//!   (server and CLI, before a change)                      │
//!                                                          ▼
//!   subject + intent ──► cache ──► slice ──► settle ──► Judgement
//!   person + approval ───────────► slice ──► settle ──► may approve, or Refusal
//!   subject + mask plan ─────────► slice ──► settle ──► the plan with what is shown left clear
//! ```
//!
//! One effect is settled like this: an error in any enforced forbid refuses; then a satisfied forbid without `@hold`
//! refuses; then the absence of a satisfied permit refuses; then each satisfied `@hold` forbid adds a requirement; what
//! is left is allowed. A command gets the worst of its effects. Statements in `@mode("shadow")` never contribute.

mod approve;
mod cache;
mod check;
mod judge;
mod lint;
pub mod mask;
mod reveal;
mod rules;
mod settle;
mod slice;
mod statement;
mod subject;
mod text;
mod vocabulary;
mod world;

pub use approve::{ApprovalSubject, PersonSubject};
pub use cache::{Counts, VerdictCache};
pub use check::{check, references, validate, validate_in};
pub use judge::{Explained, MAX_EFFECTS};
pub use lint::{Warning, lint};
pub use reveal::Shown;
pub use rules::{Rules, content_hash};
pub use slice::Ending;
pub use statement::{Mode, Role};
pub use subject::{Subject, Tags};
pub use text::CompileError;
pub use vocabulary::{SCHEMA, only_reads};
pub use world::{Reference, World};
