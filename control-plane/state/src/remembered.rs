//! Memory of requests: the same caller, key and request gets the same reply for a day.

use crate::{IdempotencyKey, Reply};
use hoop_model::{ContentHash, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long, in log time, a key is remembered.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 3600);
/// Most keys remembered of one caller. Above it a new key is rejected: forgetting one early could repeat a change.
pub const MAX_KEYS_PER_CALLER: usize = 10_000;
/// Most keys remembered in all.
pub const MAX_KEYS: usize = 20_000;

/// What is remembered of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// SHA-256 of what was asked.
    pub request: ContentHash,
    /// What was answered. Never a rejection.
    pub reply: Reply,
    /// When, in log time.
    pub at: UnixMillis,
}

/// The requests remembered, and the order they are forgotten in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Memory {
    callers: BTreeMap<Box<str>, BTreeMap<IdempotencyKey, Remembered>>,
    by_age: BTreeSet<(UnixMillis, Box<str>, IdempotencyKey)>,
}

impl Memory {
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, IdempotencyKey, &Remembered)> {
        self.callers.iter().flat_map(|(caller, keys)| keys.iter().map(|(key, known)| (&**caller, *key, known)))
    }

    pub(crate) fn recall(&self, caller: &str, key: IdempotencyKey) -> Option<&Remembered> {
        self.callers.get(caller)?.get(&key)
    }

    pub(crate) fn has_room_for(&self, caller: &str) -> bool {
        let of_caller = self.callers.get(caller).map_or(0, BTreeMap::len);
        of_caller < MAX_KEYS_PER_CALLER && self.by_age.len() < MAX_KEYS
    }

    /// Puts a memory in its place; returns whether the place was empty.
    /// INVARIANT: `by_age` has exactly the keys of `callers`; only this and `forget_before` change them.
    pub(crate) fn put(&mut self, caller: Box<str>, key: IdempotencyKey, remembered: Remembered) -> bool {
        self.by_age.insert((remembered.at, caller.clone(), key));
        self.callers.entry(caller).or_default().insert(key, remembered).is_none()
    }

    /// Forgets what is older than a day.
    pub(crate) fn forget_before(&mut self, now: UnixMillis) {
        while let Some((at, ..)) = self.by_age.first()
            && at.after(REMEMBERED_FOR) <= now
        {
            let Some((_, caller, key)) = self.by_age.pop_first() else { return };
            let Some(keys) = self.callers.get_mut(&caller) else { continue };
            keys.remove(&key);
            if keys.is_empty() {
                self.callers.remove(&caller);
            }
        }
    }
}
