//! Commands that wait for people: captured, held, judged again, and sent once if they are released.
//!
//! What may happen in which order is hoop-gate's; here is what it needs of the world.
//!
//! ```text
//!   walk ──▶ capture ──▶ (verdict recorded) ──▶ drive ──▶ Permit, Spending ──▶ walk sends exactly what was captured
//!            body whole,                          │  ▲
//!            room reserved         asks, tells    │  │ answers, and what is pushed
//!                                                 ▼  │
//!   shards' threads                               desk, board
//!   ──────────────────────────────────────────────┼──▲──────────────────────────────────
//!   control thread             control/holds: asks│  │control/link: HoldChanged
//!                                                 ▼  │
//!                                            control plane
//! ```
//!
//! INVARIANT: whoever owns an approval across a wait is a guard: if the caller goes away, the approval is left, and one
//! that may be spent is accounted for.

pub(crate) mod board;
pub(crate) mod capture;
pub(crate) mod desk;
pub(crate) mod drive;
mod guard;
pub(crate) mod holding;
pub(crate) mod spending;
pub(crate) mod wire;
