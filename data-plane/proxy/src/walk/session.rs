//! A shard's open sessions. `open` opens them, `using` is one in use, `sweep` closes what is over.

mod open;
mod sweep;
mod using;

pub(crate) use open::session;
pub(crate) use sweep::{close_all, sweep};
pub(crate) use using::{Held, Using};

use hoop_model::{ContentHash, Revision, Uid};
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use tokio::sync::Notify;

/// Most sessions a shard has.
const MAX_SESSIONS: usize = 10_000;
/// Most sessions one identity has in a shard. One more closes its oldest, so that a job with a new token for every request
/// uses up nothing that others need.
const MAX_SESSIONS_PER_IDENTITY: usize = 256;
/// How many of them are looked at for one that is not in use.
const MAX_LOOKS: usize = 8;

/// What one session is for. A token names one run, so another run is another session; so is a renewed token of the same
/// run, because a session is judged by the claims it was opened with, and ends with the token that opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    token: ContentHash,
    identity: Uid,
    /// An identity that changed must match again.
    changed: Revision,
    connection: Uid,
    /// Another grace or another backend is another session.
    generation: u64,
}

/// A shard's open sessions.
#[derive(Default)]
pub(crate) struct Sessions {
    open: HashMap<Key, Rc<Held>>,
    /// Each identity's sessions, oldest first; also some that are closed by now. No longer than an identity's share and
    /// the sessions it has in use.
    opened: HashMap<Uid, VecDeque<Key>>,
    /// What is being opened: recorded, and not yet as durable as it must be.
    opening: HashSet<Key>,
    /// Wakes those who wait for one of them.
    settled: Rc<Notify>,
}

impl Sessions {
    /// Adds a session; returns the one that has to make room. One that is in use does not: it must be found to be cut.
    fn insert(&mut self, key: Key, held: Rc<Held>) -> Option<Rc<Held>> {
        self.open.insert(key, held);
        let opened = self.opened.entry(key.identity).or_default();
        opened.push_back(key);
        if opened.len() <= MAX_SESSIONS_PER_IDENTITY {
            return None;
        }
        for _ in 0..MAX_LOOKS {
            let oldest = opened.pop_front()?;
            match self.open.get(&oldest) {
                None => return None,
                Some(held) if Rc::strong_count(held) == 1 => return self.open.remove(&oldest),
                Some(_) => opened.push_back(oldest),
            }
        }
        None
    }
}
