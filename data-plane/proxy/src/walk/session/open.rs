//! Opening a session: `connect` is judged and recorded before there is one.

use super::sweep::{end, sweep};
use super::{Held, Key, MAX_SESSIONS};
use crate::shard::Shard;
use crate::walk::token::{Caller, unidentified};
use crate::world::{Backend, World};
use hoop_audit::{CloseReason, Durability, Entry, Named};
use hoop_gate::{OpenSession, Session};
use hoop_model::spec::Recording;
use hoop_model::{Code, Refusal, SessionId, TraceId};
use hoop_policy::Subject;
use std::rc::Rc;
use std::sync::Arc;
use tokio::time::Instant;

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
    let held = Rc::new(Held::opened(id, key, session));
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
