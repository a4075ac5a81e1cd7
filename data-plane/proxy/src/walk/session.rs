//! A shard's open sessions.

use super::token::{Caller, unidentified};
use crate::front::severance::Severance;
use crate::shard::Shard;
use crate::upstream::upload::Progress;
use crate::world::{Backend, World};
use hoop_audit::{CloseReason, Durability, Entry, Named};
use hoop_gate::{OpenSession, Reach, Session, Standing};
use hoop_model::spec::Recording;
use hoop_model::{Code, ContentHash, Refusal, Revision, SessionId, TraceId, Uid, UnixMillis};
use hoop_policy::Subject;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::Deref;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Most sessions a shard has.
const MAX_SESSIONS: usize = 10_000;
/// Most sessions one identity has in a shard. One more closes its oldest, so that a job with a new token for every request
/// uses up nothing that others need.
const MAX_SESSIONS_PER_IDENTITY: usize = 256;
/// How many of them are looked at for one that is not in use.
const MAX_LOOKS: usize = 8;
/// How long a session may be unused before it is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// How long a command of a session that is over may take to be refused, if it exchanges nothing yet: it may wait for people,
/// or for its backend to be connected. Nothing of it can be sent.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// How long an exchange that is cut may take to end by itself.
const ENDS_WITHIN: Duration = Duration::from_millis(200);

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

/// An open session. Whoever holds a clone uses it.
pub(crate) struct Held {
    pub(crate) session: RefCell<Session>,
    pub(crate) id: SessionId,
    key: Key,
    used: Cell<Instant>,
    /// What it is exchanging with its backend; also some that are over.
    exchanges: RefCell<Vec<Weak<Progress>>>,
    /// The callers' connections whose commands use it.
    callers: RefCell<Slots<Severance>>,
    /// When it was cut for the first time.
    cut_at: Cell<Option<Instant>>,
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
    fn cut(&self, over: Over) {
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
enum Over {
    /// The session: nothing of it may go on.
    Session,
    /// The node's authority: who waits is answered.
    Authority,
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

/// Returns the caller's session, opening it if need be: `connect` is judged and recorded before there is one.
pub(crate) async fn session(
    shard: &Shard,
    world: &World,
    caller: &Caller,
    backend: &Backend,
    trace: TraceId,
) -> Result<Rc<Held>, Box<Refusal>> {
    let key = Key {
        token: caller.token,
        identity: caller.identity.uid,
        changed: caller.changed,
        connection: backend.uid,
        generation: backend.generation,
    };
    let opening = match Opening::wait(shard, key).await {
        Ok(opening) => opening,
        Err(held) => return Ok(held),
    };
    let is_full = || shard.sessions.borrow().open.len() >= MAX_SESSIONS;
    if is_full() {
        sweep(shard);
        if is_full() {
            return Err(Box::new(Refusal::because(Code::TooMany, "too many sessions are open")));
        }
    }
    let id = SessionId::mint(u128::from_be_bytes(hoop_node::random()));
    let session = open(shard, world, caller, backend, (id, trace)).await?;
    tracing::info!(
        session = %id,
        identity = %caller.identity.name,
        connection = %backend.name,
        revision = %world.policy.revision,
        "session opened"
    );
    let held = Rc::new(Held {
        session: RefCell::new(session),
        id,
        key,
        used: Cell::new(Instant::now()),
        exchanges: RefCell::default(),
        callers: RefCell::default(),
        cut_at: Cell::new(None),
    });
    let displaced = shard.sessions.borrow_mut().insert(key, Rc::clone(&held));
    shard.meter.sessions.set(shard.sessions.borrow().open.len());
    drop(opening);
    if let Some(displaced) = displaced {
        end(shard, displaced.id, CloseReason::Displaced);
    }
    Ok(held)
}

async fn open(
    shard: &Shard,
    world: &World,
    caller: &Caller,
    backend: &Backend,
    (id, trace): (SessionId, TraceId),
) -> Result<Session, Box<Refusal>> {
    let identity = &caller.identity;
    let run = identity.run(&caller.claims).map_err(|error| unidentified(&error))?;
    let request = OpenSession {
        id,
        subject: Subject {
            name: identity.name.clone(),
            uid: identity.uid,
            groups: identity.groups.clone(),
            environment: identity.environment.clone(),
            tags: Arc::new(caller.claims.tags().clone()),
        },
        identity_revision: caller.changed,
        connection: Named { uid: backend.uid, name: backend.name.clone() },
        run,
        issuer: caller.claims.iss().into(),
        token_expires: caller.claims.exp(),
        grace: backend.spec.session_grace,
        durability: durability(backend.spec.recording),
        trace: Some(trace),
    };
    let now = hoop_node::clock::unix_now();
    let admission = Session::open(request, &world.policy.rules, &mut shard.verdicts.borrow_mut(), now);
    let Ok(written) = shard.record(admission.entry(), id) else { return Err(admission.unrecorded()) };
    let unfinished = Unfinished { shard, id: matches!(admission.entry(), Entry::Opened(_)).then_some(id) };
    match shard.durable(written, admission.durability()).await {
        Ok(receipt) => {
            let session = admission.after(receipt)?;
            unfinished.finish();
            Ok(session)
        }
        Err(_) => Err(admission.unrecorded()),
    }
}

/// A session whose opening is recorded and that nobody can use yet. Whatever keeps it from being used closes it.
struct Unfinished<'a> {
    shard: &'a Shard,
    id: Option<SessionId>,
}

impl Unfinished<'_> {
    fn finish(mut self) {
        self.id = None;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            end(self.shard, id, CloseReason::Unknown);
        }
    }
}

/// Keeps every other request from opening the same session meanwhile.
struct Opening<'a> {
    shard: &'a Shard,
    key: Key,
}

impl<'a> Opening<'a> {
    /// Waits for its turn; `Err` with the session if another request has opened it by then.
    async fn wait(shard: &'a Shard, key: Key) -> Result<Self, Rc<Held>> {
        loop {
            let settled = {
                let mut sessions = shard.sessions.borrow_mut();
                if let Some(held) = sessions.open.get(&key) {
                    held.used.set(Instant::now());
                    return Err(Rc::clone(held));
                }
                if sessions.opening.insert(key) {
                    return Ok(Self { shard, key });
                }
                Rc::clone(&sessions.settled)
            };
            settled.notified().await;
        }
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        let mut sessions = self.shard.sessions.borrow_mut();
        sessions.opening.remove(&self.key);
        sessions.settled.notify_waiters();
    }
}

const fn durability(recording: Recording) -> Durability {
    match recording {
        Recording::Standard => Durability::Written,
        Recording::Strict => Durability::Synchronised,
    }
}

/// Closes what is over: expired, revoked, or unused for long. What such a session is still exchanging is cut, and the
/// session closed by the next sweep. A node without a lease cuts everything: it cannot know who was revoked (I10).
///
/// Returns whether all that is over has ended, and nothing of it is about to begin.
pub(crate) fn sweep(shard: &Shard) -> bool {
    let now = hoop_node::clock::unix_now();
    let world = shard.shared.world.load_full();
    let (lease, boot) = (**shard.shared.lease.load(), crate::shard::now().boot);
    let has_lease = lease.is_live(boot);
    // Whatever goes on in a session where reads go on is a read.
    let goes_on = |held: &Held| {
        let served = |world: &Arc<World>| world.policy.stale(held.key.connection, held.key.generation);
        has_lease || lease.reach(boot, world.as_ref().map_or(Duration::ZERO, served)) != Reach::Nothing
    };
    for held in shard.sessions.borrow().open.values() {
        let over = match reason_to_close(held, world.as_deref(), now) {
            Some(CloseReason::Expired | CloseReason::Revoked) => true,
            Some(
                CloseReason::Finished
                | CloseReason::Idle
                | CloseReason::Draining
                | CloseReason::Unknown
                | CloseReason::Displaced,
            )
            | None => false,
        };
        match (over, goes_on(held)) {
            (true, _) => held.cut(Over::Session),
            (false, false) => held.cut(Over::Authority),
            (false, true) => held.cut_at.set(None),
        }
    }
    close(shard, |held| reason_to_close(held, world.as_deref(), now));
    shard.meter.sessions.set(shard.sessions.borrow().open.len());
    let Some(world) = world else { return false };
    let is_live = |key: &Key| world.policy.standing(key.identity, now.to_seconds()) == Standing::Live(key.changed);
    let is_settled = {
        let sessions = shard.sessions.borrow();
        sessions.open.keys().chain(&sessions.opening).all(is_live)
    };
    if is_settled {
        shard.place.settled(world.policy.revision);
    }
    is_settled
}

/// Closes every session, because the node stops.
pub(crate) fn close_all(shard: &Shard) {
    close(shard, |_| Some(CloseReason::Draining));
}

fn reason_to_close(held: &Held, world: Option<&World>, now: UnixMillis) -> Option<CloseReason> {
    let live = Standing::Live(held.key.changed);
    let standing = world.map(|world| world.policy.standing(held.key.identity, now.to_seconds()));
    if now >= held.session.borrow().ends_at() {
        Some(CloseReason::Expired)
    } else if standing.is_some_and(|standing| standing != live) {
        Some(CloseReason::Revoked)
    } else {
        (held.used.get().elapsed() >= IDLE_TIMEOUT).then_some(CloseReason::Idle)
    }
}

fn close(shard: &Shard, reason: impl Fn(&Held) -> Option<CloseReason>) {
    let mut closing = Vec::new();
    shard.sessions.borrow_mut().open.retain(|_, held| {
        let reason = if Rc::strong_count(held) == 1 { reason(held) } else { None };
        closing.extend(reason.map(|reason| (held.id, held.key.identity, reason)));
        reason.is_none()
    });
    for (id, identity, reason) in closing {
        end(shard, id, reason);
        if reason == CloseReason::Revoked
            && let Some(world) = &*shard.shared.world.load()
        {
            shard.place.closed(world.policy.revision, identity);
        }
    }
}

fn end(shard: &Shard, id: SessionId, reason: CloseReason) {
    shard.note(&Entry::Closed(reason), id);
    tracing::info!(session = %id, reason = %reason, "session closed");
}
