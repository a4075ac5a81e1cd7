//! What an evidence record is, how records chain, and how anyone verifies all of it.
//!
//! Here live the record ([`Entry`]), the chain that turns entries into frames ([`Chain`]), the proof that a frame was
//! written ([`Receipt`]), the segments that leave a node ([`seal`], [`read_segment`], [`recover`]), the log that anchors
//! them ([`encode_log_entry`], [`Tree`], [`Checkpoint`]), and the verification of one chain ([`verify_chain`]) or of a
//! whole store ([`Auditor`]). Nothing here touches a file, reads a clock or draws random bits: the shell hands them in.
//! Nothing here decides anything.
//!
//! ```text
//!   Entry ──append──▶ Frame ──write(2) by the shell──▶ written ──▶ Receipt      (opens the gate, hoop-gate)
//!                       │
//!                       ▼ bytes
//!   open file: frame, frame, frame …   ──records──▶ Record                      (for display)
//!       │              │               ──verify_chain──▶ ChainSummary | Broken
//!       │seal          └─ its writer died ──recover──▶ Leftover ──resume──▶ Chain ──seal─┐
//!       ▼                                                                                │
//!   segment ◀──────────────────────────────────────────────────────────────────────────┘
//!       │  SegmentRoot ──▶ LogEntry ──push──▶ Tree ──sign──▶ Checkpoint          (the cluster's evidence log)
//!       ▼                     ▼                                  ▼
//!   Auditor ◀────────────── log/entries ◀──────────────── log/checkpoint ──▶ Report
//! ```
//!
//! `FORMAT.md` beside this crate describes every byte, and what each check proves and cannot prove.
//!
//! # One frame, byte by byte
//!
//! Integers of the frame are little-endian; header and payload are protobuf (proto3, fields in the order listed).
//!
//! ```text
//!   offset      bytes   what
//!   0           4       u32 T: how many bytes follow in this frame, at most MAX_FRAME_BYTES
//!   4           4       u32 H: how many bytes the header has
//!   8           H       header: 1 format=1  2 node  3 incarnation(16)  4 shard  5 sequence(from 1)
//!                               6 previous(32)  7 time ms  8 session(16)  9 kind  10 payload hash(32)
//!   8+H         32      salt
//!   40+H        T-36-H  payload: the protobuf message of the kind
//! ```
//!
//! ```text
//!   payload hash = SHA-256(salt ‖ payload)
//!   hash(n)      = SHA-256("hoop-chain-v1" ‖ header(n))
//!   previous(1)  = 32 zero bytes          previous(n+1) = hash(n)
//! ```
//!
//! There is one chain per (node, incarnation, shard). Because the chain covers headers only, a payload can be erased
//! together with its salt and every hash still holds; because every header names its sequence and what came before,
//! a chain can be cut into files at any record, and `hash(n)` serves as the leaf of a tree over them.
//!
//! # What a file alone cannot prove
//!
//! Whoever can write the file can drop its end, rewrite its last record, or make up another chain. That is found only
//! against a [`Head`] that was kept elsewhere: hand it to [`verify_chain`] as [`Expected::head`], or let the log keep it
//! and an [`Auditor`] compare.

mod auditor;
mod chain;
mod codec;
mod crypto;
mod entry;
mod judged;
mod log;
mod open;
mod record;
mod segment;
mod verify;
mod wire;

#[cfg(test)]
mod tests;

pub use auditor::{AuditFailed, Auditor, ChainReport, Fault, Pending, Place, Problem, Report, Unanchored};
pub use chain::{Chain, Durability, Frame, Receipt, Unrecordable};
pub use crypto::{InvalidSeed, SigningKey, VerifyingKey};
pub use entry::{AnswerEnd, CloseReason, CommandId, CommandVerdict, Content, Entry, HoldStage, HoldStep, Kind};
pub use entry::{MAX_KEPT_BYTES, Named, Opening, Response};
pub use hoop_model::Head;
pub use judged::{Judged, Outcome, Release};
pub use log::{
    Checkpoint, InvalidVerifierKey, LogFile, MAX_LOG_ENTRY_BYTES, NotACheckpoint, NotALogEntry, Tree, Unframed,
    VerifierKey, decode_log_entry, encode_log_entry,
};
pub use open::{NO_SESSION, OpenSessions};
pub use record::{Broken, MAX_FRAME_BYTES, Record, Records, What, records};
pub use segment::{
    FlawedSeal, Leftover, MAX_SEGMENT_BYTES, Rest, Sealed, Sealing, Segment, SegmentSummary, read_segment, recover,
    seal, segment_path,
};
pub use verify::{ChainSummary, Expected, SessionSummary, verify_chain};
