//! One pass for everything that begins with fixed bytes: prefixes of tokens, keys, and credentials.

use super::bytes::{Reading, Window};
use super::jwt::{self, Tries};
use super::pem::{self, Begins};
use super::plan::{ClassId, InvalidPlan};
use super::scan::Findings;
use super::token::{self, BASIC, BEARER, PREFIXES, Prefix};
use aho_corasick::{AhoCorasick, Input, MatchKind};
use hoop_model::spec::Builtin;
use std::fmt;

/// Shortest value that a prefix leads to, in bytes.
const MIN_TOKEN_BYTES: usize = 14;
/// How far base64 around a credential may hold bits of it, in characters.
const EDGE: usize = 3;

/// What begins with fixed bytes.
#[derive(Debug, Clone, Copy)]
enum Anchor {
    Credential,
    Prefixed(&'static Prefix),
    Bearer(&'static str),
    Basic(&'static str),
    Jwt,
    PrivateKey,
}

/// The automaton of one plan.
pub(super) struct Machine {
    automaton: AhoCorasick,
    /// What a pattern of the automaton stands for, and the class of what is found.
    anchors: Vec<(Anchor, ClassId)>,
    /// The spellings of credentials, longest first; they are the first patterns.
    credentials: Vec<Vec<u8>>,
    shortest: usize,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Machine({} anchors)", self.anchors.len())
    }
}

impl Machine {
    /// Builds the automaton, with the spellings of credentials, longest first; `None` where there is nothing to look for.
    pub(super) fn build(
        class_of: impl Fn(Builtin) -> Option<ClassId>,
        spelled: Vec<Vec<u8>>,
        injected: ClassId,
    ) -> Result<Option<Self>, InvalidPlan> {
        let mut anchors = vec![(Anchor::Credential, injected); spelled.len()];
        let mut patterns = spelled.clone();
        let mut add = |text: &str, anchor, class| {
            patterns.push(text.as_bytes().to_vec());
            anchors.push((anchor, class));
        };
        if let Some(class) = class_of(Builtin::ApiKey) {
            PREFIXES.iter().for_each(|prefix| add(prefix.text, Anchor::Prefixed(prefix), class));
            BEARER.into_iter().for_each(|scheme| add(scheme, Anchor::Bearer(scheme), class));
            BASIC.into_iter().for_each(|scheme| add(scheme, Anchor::Basic(scheme), class));
        }
        if let Some(class) = class_of(Builtin::Jwt) {
            add(jwt::START, Anchor::Jwt, class);
        }
        if let Some(class) = class_of(Builtin::PrivateKey) {
            add(pem::START, Anchor::PrivateKey, class);
        }
        if anchors.is_empty() {
            return Ok(None);
        }
        let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(&patterns);
        let automaton = automaton.map_err(|_| InvalidPlan::TooLarge)?;
        let shortest = spelled.last().map_or(MIN_TOKEN_BYTES, |least| least.len().min(MIN_TOKEN_BYTES));
        Ok(Some(Self { automaton, anchors, credentials: spelled, shortest }))
    }

    /// Returns whether a text of this length can have anything in it.
    pub(super) const fn can_be_in(&self, bytes: usize) -> bool {
        bytes >= self.shortest
    }

    /// Returns the spellings of credentials that it looks for, longest first.
    pub(super) fn credentials(&self) -> Vec<Vec<u8>> {
        self.credentials.clone()
    }

    /// Returns whether it looks for credentials.
    pub(super) const fn has_credentials(&self) -> bool {
        !self.credentials.is_empty()
    }

    /// Returns where the next thing begins that may be a token, a key or a credential; the end where there is none.
    pub(super) fn next_anchor(&self, text: &[u8], from: usize) -> usize {
        self.automaton.find(Input::new(text).range(from..)).map_or(text.len(), |hit| hit.start())
    }

    /// Finds everything in a window.
    pub(super) fn find(&self, window: Window<'_>, findings: &mut Findings) {
        let mut tries = Tries::default();
        let (mut from, mut covered) = (0, 0);
        while let Some(hit) = self.automaton.find(Input::new(window.text).range(from..)) {
            from = hit.start() + 1;
            let Some((anchor, class)) = self.anchors.get(hit.pattern().as_usize()) else {
                continue;
            };
            // Inside a token that was found only a credential says more.
            if hit.start() < covered && !matches!(anchor, Anchor::Credential) {
                continue;
            }
            let reading = match anchor {
                Anchor::Credential => with_edges(window, hit.start(), hit.end()),
                Anchor::Prefixed(prefix) => token::prefixed(window, hit.start(), prefix),
                Anchor::Bearer(scheme) => token::bearer(window, hit.start(), scheme),
                Anchor::Basic(scheme) => token::basic(window, hit.start(), scheme),
                Anchor::Jwt => tries.at(window, hit.start()),
                Anchor::PrivateKey => private_key(window, hit.start(), findings),
            };
            let is_open = findings.opens.is_some() || matches!(reading, Reading::Unfinished(_));
            if let Reading::Value(range) = &reading {
                covered = covered.max(range.end);
            }
            findings.note(*class, reading);
            // What is behind it is searched again with what follows.
            if is_open {
                return;
            }
        }
    }

    /// Returns the first position from `from` on where a credential may begin that is not here in full.
    pub(super) fn unfinished_from(&self, text: &[u8], from: usize) -> usize {
        let longest = self.credentials.first().map_or(0, Vec::len);
        let first = text.len().saturating_sub(longest.saturating_sub(1)).max(from);
        let may_begin = |at: &usize| {
            let rest = text.get(*at..).unwrap_or_default();
            self.credentials.iter().any(|credential| credential.starts_with(rest))
        };
        (first..text.len()).find(may_begin).unwrap_or(text.len())
    }
}

fn private_key(window: Window<'_>, at: usize, findings: &mut Findings) -> Reading {
    match pem::begins(window, at) {
        Begins::Nothing => Reading::Nothing,
        Begins::Unfinished => Reading::Unfinished(at),
        Begins::Key(contents) => match pem::end(window, contents) {
            Some(end) => Reading::Value(at..end),
            // A key without an end has everything that follows.
            None if window.whole => Reading::Value(at..window.text.len()),
            None => {
                findings.opens = Some(at);
                Reading::Nothing
            }
        },
    }
}

/// What surrounds a credential in base64 shares characters with it.
fn with_edges(window: Window<'_>, start: usize, end: usize) -> Reading {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    if !window.slice(start..end).iter().all(|byte| is_base64(*byte)) {
        return Reading::Value(start..end);
    }
    let (start, behind) = (window.run_back(start, EDGE, is_base64), window.run(end, EDGE, is_base64));
    if window.is_cut_at(behind) && behind < end + EDGE {
        return Reading::Unfinished(start);
    }
    Reading::Value(start..behind)
}
