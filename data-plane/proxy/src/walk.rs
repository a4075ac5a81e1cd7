//! One request, from its head to its answer. Whatever goes wrong on the way is a refusal; nothing is forwarded then.
//!
//! ```text
//!   head ─► token ─► identity ─► session ─► verdict ─► record ─► Permit ─► connection ─► send ─► answer
//!     └───────┴─────────┴───────────┴──────────┴─────────┴──────────┴──────────┴─────────┴──► refusal
//! ```

pub(crate) mod session;
pub(crate) mod token;
mod trace;

use crate::front::reply::{self, Reply};
use crate::shard::Shard;
use crate::upstream::answer::Account;
use crate::upstream::connect::connect;
use crate::upstream::line::Line;
use crate::upstream::pool::PoolKey;
use crate::upstream::send::{Sending, send};
use crate::world::{Backend, World};
use hoop_audit::{CommandId, Entry, Outcome};
use hoop_gate::{Permit, Step};
use hoop_http::{RequestHead, Route, bearer, comes_back};
use hoop_model::{Code, Refusal};
use http::request::Parts;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use session::Held;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use token::Caller;
use trace::Trace;

/// How often a command is judged anew because the policy changed while its backend was being connected.
const MAX_JUDGED: usize = 3;

/// Answers one request.
pub(crate) async fn walk(shard: &Rc<Shard>, request: Request<Incoming>) -> Response<Reply> {
    let trace = Trace::of(request.headers());
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("", |path| path.as_str());
    let answered = match Route::of(path) {
        Route::Own(path) => own(shard, &head.method, path),
        Route::Connection { .. } | Route::Unknown => command(shard, head, body, trace).await,
    };
    answered.unwrap_or_else(|refusal| reply::refuse(refusal, trace.id))
}

/// Answers for the gateway itself. These say nothing that a caller without a token may not know.
fn own(shard: &Shard, method: &Method, path: &str) -> Result<Response<Reply>, Box<Refusal>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(refusal(Code::MethodNotSupported, "only GET and HEAD are answered here"));
    }
    match path {
        "/healthz" => Ok(reply::fine()),
        "/readyz" if shard.shared.is_draining() => Err(refusal(Code::Draining, "this node stops")),
        "/readyz" => shard.look(|_| reply::fine()),
        _ => Err(refusal(Code::ConnectionUnknown, "there is no such page")),
    }
}

async fn command(
    shard: &Rc<Shard>,
    head: Parts,
    body: Incoming,
    trace: Trace,
) -> Result<Response<Reply>, Box<Refusal>> {
    let request = RequestHead::read(&head.method, &head.uri, head.version, &head.headers)?;
    if comes_back(&head.headers, &shard.loop_token) {
        return Err(refusal(Code::UpstreamLoop, "the request has been through this node"));
    }
    for _ in 0..MAX_JUDGED {
        let mut world = shard.world()?;
        let caller = token::authenticate(shard, &mut world, bearer(&head.headers)?).await?;
        let backend = world.policy.backend(request.connection());
        let backend = backend.ok_or_else(|| refusal(Code::ConnectionUnknown, "there is no such connection here"))?;
        let held = session::session(shard, &world, &caller, backend, trace.id).await?;
        let (permit, mut account) = judge(shard, &world, &held, &request, trace).await?;
        let account = &mut account;

        let (line, key) = match line(shard, &caller, backend).await {
            Ok(line) => line,
            Err(refusal) => return Err(tell(account, about(refusal, &caller, backend))),
        };
        let current = shard.look(|world| world.policy.revision).map_err(|refusal| tell(account, refusal))?;
        if current != world.policy.revision {
            continue;
        }
        let mut to_backend = request
            .to_upstream(head.headers, &backend.spec.upstream, &shard.loop_token)
            .map_err(|refusal| tell(account, refusal))?;
        trace.write(&mut to_backend.headers);
        let response_timeout = backend.spec.response_timeout;
        let sending = Sending { head: to_backend, body, line, key, response_timeout };
        let sent = send(shard, permit, sending, account).await;
        return sent.map_err(|refusal| tell(account, about(refusal, &caller, backend)));
    }
    Err(refusal(Code::NotReady, "the policy keeps changing; send the command again"))
}

/// Judges the command and records the verdict; only then is there a permit.
async fn judge(
    shard: &Rc<Shard>,
    world: &World,
    held: &Rc<Held>,
    request: &RequestHead,
    trace: Trace,
) -> Result<(Permit, Option<Account>), Box<Refusal>> {
    let wall = hoop_node::clock::unix_now();
    let intent = request.intent();
    let decided = {
        let verdicts = &mut shard.verdicts.borrow_mut();
        held.session.borrow_mut().submit(&world.policy.rules, verdicts, intent, Some(trace.id), wall)
    };
    let Ok(written) = shard.record(decided.entry(), held.id) else { return Err(decided.unrecorded()) };
    // From here on the record says that the command may go: how it ends is recorded whatever comes.
    let mut account = allowed(decided.entry()).map(|command| Account::open(Rc::clone(shard), Rc::clone(held), command));
    let step = match shard.durable(written, decided.durability()).await {
        Ok(receipt) => decided.after(receipt),
        Err(_) => return Err(tell(&mut account, decided.unrecorded())),
    };
    match step {
        Step::Forward(permit) => Ok((permit, account)),
        Step::Hold(held) => Err(held.unopened()),
        Step::Refuse(refusal) => Err(tell(&mut account, refusal)),
    }
}

/// Returns the command that a verdict allows.
fn allowed(entry: &Entry) -> Option<CommandId> {
    match entry {
        Entry::Verdict(verdict) if verdict.judged.outcome == Outcome::Allow => Some(verdict.command),
        Entry::Verdict(_)
        | Entry::Opened(_)
        | Entry::NotOpened(_)
        | Entry::Forwarded(_)
        | Entry::Response(_)
        | Entry::Closed(_)
        | Entry::Approval(_) => None,
    }
}

/// Returns a connection to the backend that only this identity has used.
async fn line(shard: &Shard, caller: &Caller, backend: &Backend) -> Result<(Line, PoolKey), Box<Refusal>> {
    let key = PoolKey { connection: backend.uid, generation: backend.generation, identity: caller.identity.uid };
    let pooled = poll_fn(|cx| Poll::Ready(shard.pool.borrow_mut().take(key, cx))).await;
    if let Some(line) = pooled {
        return Ok((line, key));
    }
    let connected = connect(&backend.spec.upstream, backend.tls.as_ref()).await;
    let line = connected.map_err(|error| {
        let error = crate::control::chain(&error);
        tracing::warn!(connection = %backend.name, %error, "a backend cannot be reached");
        refusal(Code::UpstreamUnreachable, "the backend cannot be reached")
    })?;
    Ok((line, key))
}

/// Notes in a command's account what its caller is told.
fn tell(account: &mut Option<Account>, refusal: Box<Refusal>) -> Box<Refusal> {
    if let Some(account) = account {
        account.told(hoop_http::status(refusal.code));
    }
    refusal
}

/// Writes on a refusal whom it concerns.
fn about(mut refusal: Box<Refusal>, caller: &Caller, backend: &Backend) -> Box<Refusal> {
    refusal.identity.get_or_insert_with(|| caller.identity.name.clone());
    refusal.connection.get_or_insert_with(|| backend.name.clone());
    refusal
}

fn refusal(code: Code, sentence: &'static str) -> Box<Refusal> {
    Box::new(Refusal::because(code, sentence))
}
