//! Backends' credentials on this node: where their values come from, and what of them is ready to be sent.
//!
//! ```text
//!   control plane's snapshot (sealed secrets) ─┐
//!   source: file beneath a directory, variable ┴▶ Supply ──▶ upstream/send: the last thing written on a head
//!   watch: files and variables, every 2 s ───────▲
//! ```

pub(crate) mod source;
pub(crate) mod supply;
pub(crate) mod watch;
