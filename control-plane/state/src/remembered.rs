//! Memory of requests: the same caller, key and request gets the same reply for a day, or a node for an hour.

use crate::{IdempotencyKey, Reply};
use hoop_model::{ContentHash, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long, in log time, a key is remembered.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 3600);
/// How long a node's is: a process asks again for a minute, and what it opens after that releases nothing by itself.
pub const NODES_REMEMBERED_FOR: Duration = Duration::from_secs(3600);
/// Most keys remembered of one caller. Above it a new key is rejected: forgetting one early could repeat a change.
pub const MAX_KEYS_PER_CALLER: usize = 10_000;
/// Most keys remembered in all: of the nodes, of the people, and of everybody else, so that none of them shuts the others out.
pub const MAX_KEYS: usize = 20_000;

/// Callers that share what is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pool {
    /// Who holds commands: `node/NAME`.
    Nodes,
    /// Who votes: `person/UID`.
    People,
    /// Administrators, and the control plane itself.
    Others,
}

impl Pool {
    fn of(caller: &str) -> Self {
        if caller.starts_with("node/") {
            Self::Nodes
        } else if caller.starts_with("person/") {
            Self::People
        } else {
            Self::Others
        }
    }

    const fn remembers_for(self) -> Duration {
        match self {
            Self::Nodes => NODES_REMEMBERED_FOR,
            Self::People | Self::Others => REMEMBERED_FOR,
        }
    }
}

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
    by_age: BTreeMap<Pool, BTreeSet<(UnixMillis, Box<str>, IdempotencyKey)>>,
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
        let of_pool = self.by_age.get(&Pool::of(caller)).map_or(0, BTreeSet::len);
        of_caller < MAX_KEYS_PER_CALLER && of_pool < MAX_KEYS
    }

    /// Puts a memory in its place; returns whether the place was empty.
    /// INVARIANT: `by_age` has exactly the keys of `callers`; only this and `forget_before` change them.
    pub(crate) fn put(&mut self, caller: Box<str>, key: IdempotencyKey, remembered: Remembered) -> bool {
        self.by_age.entry(Pool::of(&caller)).or_default().insert((remembered.at, caller.clone(), key));
        self.callers.entry(caller).or_default().insert(key, remembered).is_none()
    }

    /// Forgets what is older than its pool remembers.
    pub(crate) fn forget_before(&mut self, now: UnixMillis) {
        for (pool, by_age) in &mut self.by_age {
            while let Some((at, ..)) = by_age.first()
                && at.after(pool.remembers_for()) <= now
            {
                let Some((_, caller, key)) = by_age.pop_first() else { break };
                let Some(keys) = self.callers.get_mut(&caller) else { continue };
                keys.remove(&key);
                if keys.is_empty() {
                    self.callers.remove(&caller);
                }
            }
        }
        self.by_age.retain(|_, by_age| !by_age.is_empty());
    }
}
