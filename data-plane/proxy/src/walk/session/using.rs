//! One open session, and who uses it: what is over is cut.

use super::Key;
use crate::front::severance::Severance;
use crate::shard::Shard;
use crate::upstream::upload::Progress;
use crate::world::{Backend, World};
use hoop_gate::Session;
use hoop_model::SessionId;
use hoop_policy::mask::MaskPlan;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a command of a session that is over may take to be refused, if it exchanges nothing yet: it may wait for people,
/// or for its backend to be connected. Nothing of it can be sent.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// How long an exchange that is cut may take to end by itself.
const ENDS_WITHIN: Duration = Duration::from_millis(200);

/// An open session. Whoever holds a clone uses it.
pub(crate) struct Held {
    pub(crate) session: RefCell<Session>,
    pub(crate) id: SessionId,
    pub(super) key: Key,
    pub(super) used: Cell<Instant>,
    /// What it is exchanging with its backend; also some that are over.
    exchanges: RefCell<Vec<Weak<Progress>>>,
    /// The callers' connections whose commands use it.
    callers: RefCell<Slots<Severance>>,
    /// When it was cut for the first time.
    pub(super) cut_at: Cell<Option<Instant>>,
}

/// Values in numbered places, which are given back.
#[derive(Debug)]
struct Slots<T> {
    taken: BTreeMap<u64, T>,
    next: u64,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { taken: BTreeMap::new(), next: 0 }
    }
}

/// One command's use of a session, over its caller's connection.
pub(crate) struct Using {
    held: Rc<Held>,
    slot: u64,
}

impl Deref for Using {
    type Target = Held;

    fn deref(&self) -> &Held {
        &self.held
    }
}

impl Drop for Using {
    fn drop(&mut self) {
        self.held.callers.borrow_mut().taken.remove(&self.slot);
    }
}

impl Held {
    /// Returns the plan by which the session is answered, if policy shows it some of what `plan` masks of this backend.
    pub(crate) fn view(
        &self,
        shard: &Shard,
        world: &World,
        backend: &Backend,
        plan: &Arc<MaskPlan>,
    ) -> Option<Arc<MaskPlan>> {
        let now = world.policy.backend(&backend.name)?;
        if (now.uid, now.generation) != (backend.uid, backend.generation) {
            return None;
        }
        let standing = world.policy.standing(self.key.identity, hoop_node::clock::unix_now().to_seconds());
        let verdicts = &mut shard.verdicts.borrow_mut();
        self.session.borrow_mut().view(&world.policy.rules, verdicts, plan, standing)
    }

    /// A session that was opened, and that nobody uses yet.
    pub(super) fn opened(id: SessionId, key: Key, session: Session) -> Self {
        Self {
            session: RefCell::new(session),
            id,
            key,
            used: Cell::new(Instant::now()),
            exchanges: RefCell::default(),
            callers: RefCell::default(),
            cut_at: Cell::new(None),
        }
    }

    /// Notes that an exchange with the backend began.
    pub(crate) fn began(&self, exchange: &Rc<Progress>) {
        let mut exchanges = self.exchanges.borrow_mut();
        // Only when it would grow: what is over costs one look per doubling.
        if exchanges.len() == exchanges.capacity() {
            exchanges.retain(|exchange| exchange.strong_count() > 0);
        }
        exchanges.push(Rc::downgrade(exchange));
    }

    /// Notes that a command uses it, for as long as what is returned lives.
    pub(crate) fn used_over(self: &Rc<Self>, caller: &Severance) -> Rc<Using> {
        let mut callers = self.callers.borrow_mut();
        callers.next = callers.next.wrapping_add(1);
        let slot = callers.next;
        callers.taken.insert(slot, caller.clone());
        Rc::new(Using { held: Rc::clone(self), slot })
    }

    /// Cuts everything it is exchanging. What has not ended a moment later has its caller's connection ended. A command that
    /// exchanges nothing has longer to be refused, and without a lease as long as it takes.
    pub(super) fn cut(&self, over: Over) {
        let is_exchanging = self.exchanges.borrow().iter().filter_map(Weak::upgrade).inspect(|e| e.cut()).count() > 0;
        let since = self.cut_at.get().unwrap_or_else(Instant::now);
        self.cut_at.set(Some(since));
        let is_late = match (is_exchanging, over) {
            (true, Over::Session | Over::Authority) => since.elapsed() >= ENDS_WITHIN,
            (false, Over::Session) => since.elapsed() >= ANSWERED_WITHIN,
            (false, Over::Authority) => false,
        };
        if is_late {
            self.callers.borrow().taken.values().for_each(Severance::sever);
        }
    }
}

/// What is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The session: nothing of it may go on.
    Session,
    /// The node's authority: who waits is answered.
    Authority,
}
