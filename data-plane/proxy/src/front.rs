//! The callers' side: listeners, TLS, and HTTP/1.1 with its limits.

pub(crate) mod guard;
pub(crate) mod listen;
pub(crate) mod raw_head;
pub(crate) mod reply;
pub(crate) mod serve;
pub(crate) mod severance;
