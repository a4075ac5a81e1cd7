//! Private keys in PEM (RFC 7468 §2, and the `PRIVATE KEY BLOCK` of RFC 9580 §6.2): everything from `BEGIN` to `END`.

use super::bytes::Window;

/// How such a key begins, before its label.
pub(super) const START: &str = "-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// Longest label, in bytes: `ENCRYPTED PRIVATE KEY` and the like.
const MAX_LABEL_BYTES: usize = 40;
/// No `END` line is longer, in bytes.
pub(super) const MAX_END_BYTES: usize = END.len() + MAX_LABEL_BYTES + DASHES.len();

/// What is at a place that [`START`] is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    /// No private key.
    Nothing,
    /// A private key, whose contents begin here.
    Key(usize),
    /// The window ends too early to tell.
    Unfinished,
}

/// Reads the `BEGIN` line.
pub(super) fn begins(window: Window<'_>, at: usize) -> Begins {
    match label(window, at + START.len()) {
        Label::PrivateKey(end) => Begins::Key(end),
        Label::Other => Begins::Nothing,
        Label::Unfinished => Begins::Unfinished,
    }
}

/// Returns where the first `END` line of a private key ends, looking from `from` on.
pub(super) fn end(window: Window<'_>, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = window.text.get(at..)?;
        let dashes = rest.windows(END.len()).position(|here| here == END)?;
        at += dashes + END.len();
        if let Label::PrivateKey(end) = label(window, at) {
            return Some(end);
        }
    }
}

enum Label {
    PrivateKey(usize),
    Other,
    Unfinished,
}

fn label(window: Window<'_>, from: usize) -> Label {
    let end = window.run(from, MAX_LABEL_BYTES, |byte| byte.is_ascii_uppercase() || matches!(byte, b' ' | b'0'..=b'9'));
    let closes = window.slice(end..window.text.len().min(end + DASHES.len()));
    if DASHES.starts_with(closes) && window.is_cut_at(end + closes.len()) {
        return Label::Unfinished;
    }
    let is_key = window.slice(from..end).windows(11).any(|words| words == b"PRIVATE KEY");
    if is_key && closes == DASHES { Label::PrivateKey(end + closes.len()) } else { Label::Other }
}
