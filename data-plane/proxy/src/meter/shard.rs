//! What one shard counts.

use super::connection::{ConnectionMeter, Sum};
use crate::world::{Backend, World};
use hoop_model::{ResourceName, Uid};
use hoop_node::telemetry::metrics::{Counter, Gauge, Histogram};
use hoop_policy::Counts;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// What the shards count, for whoever reads it.
#[derive(Default)]
pub(crate) struct Meters {
    shards: Mutex<Vec<Arc<Meter>>>,
    /// What bringing evidence to the disk takes; the syncers' threads change it.
    pub(crate) synchronised: Histogram,
}

/// One shard's cells. INVARIANT: only that shard changes them.
#[derive(Default)]
pub(crate) struct Meter {
    /// Commands that came to no connection.
    astray: Arc<ConnectionMeter>,
    /// Locked when the shard meets a connection for the first time, and when somebody reads.
    connections: Mutex<Vec<(ResourceName, Arc<ConnectionMeter>)>>,
    pub(crate) callers: Gauge,
    pub(crate) sessions: Gauge,
    pub(crate) held: Gauge,
    pub(crate) records: Counter,
    pub(crate) tokens_remembered: Counter,
    pub(crate) tokens_good: Counter,
    pub(crate) tokens_bad: Counter,
    pub(crate) verdicts_remembered: Counter,
    pub(crate) verdicts_judged: Counter,
}

/// The shard's own end of its cells.
pub(crate) struct ShardMeter {
    cells: Arc<Meter>,
    known: RefCell<HashMap<Uid, Arc<ConnectionMeter>>>,
}

impl std::ops::Deref for ShardMeter {
    type Target = Meter;

    fn deref(&self) -> &Meter {
        &self.cells
    }
}

impl Meters {
    /// Gives one more shard its cells.
    pub(crate) fn enrol(&self) -> ShardMeter {
        let cells = Arc::<Meter>::default();
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&cells));
        ShardMeter { cells, known: RefCell::default() }
    }

    /// Returns the cells of every shard.
    pub(super) fn shards(&self) -> Vec<Arc<Meter>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ShardMeter {
    /// Returns the cells of commands that come to no connection.
    pub(super) fn astray(&self) -> Arc<ConnectionMeter> {
        Arc::clone(&self.cells.astray)
    }

    /// Adds how verdicts were come by.
    pub(crate) fn verdicts(&self, counts: Counts) {
        self.verdicts_remembered.add(counts.remembered);
        self.verdicts_judged.add(counts.judged);
    }

    /// Returns a connection's cells. Meeting one for the first time, it forgets those that the policy does not have any more: there
    /// are never more than it has, and one.
    pub(super) fn connection(&self, backend: &Backend, world: &World) -> Arc<ConnectionMeter> {
        let mut known = self.known.borrow_mut();
        if let Some(cells) = known.get(&backend.uid) {
            return Arc::clone(cells);
        }
        let is_there = |name: &ResourceName, uid: &Uid| world.policy.backend(name).is_some_and(|b| b.uid == *uid);
        let mut connections = self.cells.connections.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|uid, cells| {
            connections.iter().any(|(name, of_name)| Arc::ptr_eq(of_name, cells) && is_there(name, uid))
        });
        connections.retain(|(_, cells)| known.values().any(|known| Arc::ptr_eq(known, cells)));
        let cells = Arc::<ConnectionMeter>::default();
        connections.push((backend.name.clone(), Arc::clone(&cells)));
        known.insert(backend.uid, Arc::clone(&cells));
        cells
    }
}

/// Sums what shards counted, by the connection's name; those that came to none have none.
pub(super) fn sums<'a>(shards: impl Iterator<Item = &'a Arc<Meter>>) -> BTreeMap<Option<ResourceName>, Sum> {
    let mut sums = BTreeMap::<_, Sum>::new();
    for shard in shards {
        shard.astray.add_to(sums.entry(None).or_default());
        for (name, cells) in shard.connections.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            cells.add_to(sums.entry(Some(name.clone())).or_default());
        }
    }
    sums
}
