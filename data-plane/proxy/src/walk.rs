//! One request, from its head to its answer. Whatever goes wrong on the way is a refusal; nothing is forwarded then.
//!
//! ```text
//!   head ─► token ─► identity ─► session ─► verdict ─► record ─► Permit ─► connection ─► send ─► answer
//!     │       │         │           │          │         │          │          │         │
//!     │       │         │           │          └► capture ─► record ─► hold ─► Permit ───┘ people released it
//!     └───────┴─────────┴───────────┴──────────┴─────────┴──────────┴──────────┴─────────┴──► refusal
//! ```

pub(crate) mod checkout;
mod held;
pub(crate) mod session;
mod standing;
pub(crate) mod token;
mod trace;

use crate::front::reply::{self, Reply};
use crate::front::severance::Severance;
use crate::hold::capture::Captive;
use crate::meter::Tally;
use crate::shard::Shard;
use crate::upstream::answer::Account;
use crate::upstream::send::{Sending, send};
use crate::upstream::upload::Payload;
use crate::world::{Backend, World};
use checkout::checkout;
use hoop_audit::{CommandId, Entry, Outcome};
use hoop_gate::{Permit, Step};
use hoop_http::{RequestHead, Route, bearer, comes_back};
use hoop_model::{Code, Refusal};
use hoop_node::telemetry::spans::{Noted, Span};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use session::Using;
use std::rc::Rc;
use token::Caller;
use trace::Trace;

/// How often a command is judged anew because the policy changed while its backend was being connected.
const MAX_JUDGED: usize = 3;

/// Answers one request.
pub(crate) async fn walk(shard: &Rc<Shard>, request: Request<Incoming>, severance: Severance) -> Response<Reply> {
    let (trace, mut root) = Trace::of(request.headers(), shard.shared.spans.get());
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("", |path| path.as_str());
    match Route::of(path) {
        Route::Own(path) => {
            let answered = own(shard, &head, path).await;
            return answered.unwrap_or_else(|refusal| reply::refuse(refusal, trace.id));
        }
        Route::Connection { .. } | Route::Unknown => {}
    }
    let mut tally = Tally::begin(shard);
    let answered = command(shard, (head, body), (trace, severance), (&mut tally, &mut root)).await;
    let mut response = answered.unwrap_or_else(|refusal| {
        tally.refused(refusal.code);
        note(&mut root, "hoop.code", || refusal.code.as_str());
        reply::refuse(refusal, trace.id)
    });
    let status = response.status();
    note(&mut root, "http.response.status_code", || i64::from(status.as_u16()));
    if let Some(root) = root.as_mut().filter(|_| status.is_server_error()) {
        root.failed();
    }
    match response.body_mut() {
        Reply::Backend(answer) => answer.counts(tally, status),
        Reply::Own(_) => tally.told(status),
    }
    response
}

/// Answers for the gateway itself. Without a token nothing is said that nobody may know.
async fn own(shard: &Rc<Shard>, head: &Parts, path: &str) -> Result<Response<Reply>, Box<Refusal>> {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return Err(refusal(Code::MethodNotSupported, "only GET and HEAD are answered here"));
    }
    match path {
        "/healthz" => Ok(reply::fine()),
        "/readyz" if shard.shared.is_leaving() => Err(refusal(Code::Draining, "this node stops")),
        "/readyz" if shard.shared.clock_is_off() => {
            Err(refusal(Code::NotReady, "this node's clock is off by more than 5 s"))
        }
        "/readyz" => shard.look(|_| reply::fine()),
        _ => match path.strip_prefix("/approvals/") {
            Some(id) => Box::pin(standing::standing(shard, &head.headers, id)).await,
            None => Err(refusal(Code::ConnectionUnknown, "there is no such page")),
        },
    }
}

async fn command(
    shard: &Rc<Shard>,
    (head, body): (Parts, Incoming),
    (trace, severance): (Trace, Severance),
    (tally, root): (&mut Tally, &mut Option<Span>),
) -> Result<Response<Reply>, Box<Refusal>> {
    note(root, "http.request.method", || known(&head.method));
    let request = RequestHead::read(&head.method, &head.uri, head.version, &head.headers)?;
    if comes_back(&head.headers, &shard.loop_token) {
        return Err(refusal(Code::UpstreamLoop, "the request has been through this node"));
    }
    let (headers, load) = (head.headers, Load::Streaming(body));
    let mut command = Command { shard, request, headers, load, trace, severance, tally, root };
    for _ in 0..MAX_JUDGED {
        if let Some(response) = command.walk().await? {
            return Ok(response);
        }
    }
    Err(refusal(Code::NotReady, "the policy keeps changing; send the command again"))
}

/// A command on its way.
pub(crate) struct Command<'a> {
    shard: &'a Rc<Shard>,
    request: RequestHead,
    headers: HeaderMap,
    load: Load,
    trace: Trace,
    severance: Severance,
    tally: &'a mut Tally,
    root: &'a mut Option<Span>,
}

/// A command's body.
enum Load {
    /// It streams.
    Streaming(Incoming),
    /// The command was captured with it.
    Captured(Box<Captive>),
    /// It is gone.
    Gone,
}

/// What a verdict comes to, once it is recorded.
#[expect(clippy::large_enum_variant, reason = "most commands are allowed, and each of them would pay for a box")]
enum Judged {
    Allowed(Permit, Option<Account>),
    Held(hoop_gate::Held),
}

impl Command<'_> {
    /// Walks once; `None` if the policy changed on the way, so that the command must be judged anew.
    async fn walk(&mut self) -> Result<Option<Response<Reply>>, Box<Refusal>> {
        let shard = self.shard;
        let mut world = shard.world()?;
        let caller = token::authenticate(shard, &mut world, bearer(&self.headers)?).await?;
        let backend = world.policy.backend(self.request.connection());
        let backend = backend.ok_or_else(|| refusal(Code::ConnectionUnknown, "there is no such connection here"))?;
        shard.may_serve(&world, backend)?;
        self.tally.of(shard, &world, backend);
        note(self.root, "hoop.connection", || backend.name.to_string());
        note(self.root, "hoop.identity", || caller.identity.name.to_string());
        if let Some(supply) = &backend.supply {
            let cleared = supply.check().and_then(|()| supply.clear(&self.request, &mut self.headers));
            cleared.map_err(|refusal| about(refusal, &caller, backend))?;
        }
        let conditions = hoop_http::mask::conditions(&backend.plan, self.request.method(), &self.headers);
        conditions.map_err(|refusal| about(refusal, &caller, backend))?;
        let held = session::session(shard, &world, &caller, backend, self.trace.id).await?;
        let held = held.used_over(&self.severance);
        match self.judge(&world, &held, backend).await? {
            Judged::Allowed(permit, mut account) => {
                let forwarded = self.forward(permit, &mut account, &caller, backend).await;
                forwarded.map_err(|refusal| tell(&mut account, about(refusal, &caller, backend)))
            }
            Judged::Held(hold) => Box::pin(self.hold(hold, &held, &caller, backend)).await,
        }
    }

    /// Judges the command and records the verdict; only then is there a permit.
    async fn judge(&mut self, world: &World, held: &Rc<Using>, backend: &Backend) -> Result<Judged, Box<Refusal>> {
        let shard = self.shard;
        let wall = hoop_node::clock::unix_now();
        let intent = self.request.intent();
        let decided = {
            let verdicts = &mut shard.verdicts.borrow_mut();
            held.session.borrow_mut().submit(&world.policy.rules, verdicts, intent, Some(self.trace.id), wall)
        };
        // Boxed, as what follows a hold: most commands pass by.
        let (decided, instead) = if self.is_to_be_captured(&decided) {
            Box::pin(self.captured(decided, world, backend)).await
        } else {
            (decided, None)
        };
        self.tally.judged(decided.entry());
        note(self.root, "hoop.verdict", || word(decided.entry()));
        note(self.root, "hoop.revision", || world.policy.revision.to_string());
        let Ok(written) = shard.record(decided.entry(), held.id) else { return Err(decided.unrecorded()) };
        // From here on the record says that the command may go: how it ends is recorded whatever comes.
        let command = allowed(decided.entry());
        let mut account = command.map(|command| Account::open(Rc::clone(shard), Rc::clone(held), command, None));
        let step = match shard.durable(written, decided.durability()).await {
            Ok(receipt) => decided.after(receipt),
            Err(_) => return Err(tell(&mut account, decided.unrecorded())),
        };
        match step {
            Step::Forward(permit) => Ok(Judged::Allowed(permit, account)),
            Step::Hold(held) => Ok(Judged::Held(held)),
            Step::Refuse(refusal) => Err(tell(&mut account, instead.unwrap_or(refusal))),
        }
    }

    /// Sends what policy allows; `None` if the policy changed meanwhile.
    async fn forward(
        &mut self,
        permit: Permit,
        account: &mut Option<Account>,
        caller: &Caller,
        backend: &Backend,
    ) -> Result<Option<Response<Reply>>, Box<Refusal>> {
        let over = self.tally.waits_for(checkout(self.shard, caller, backend)).await?;
        if self.shard.look_stale(|world| world.policy.revision)? != permit.revision() {
            return Ok(None);
        }
        let (head, body) = match std::mem::replace(&mut self.load, Load::Gone) {
            Load::Streaming(body) => {
                let headers = std::mem::take(&mut self.headers);
                (self.request.forwarded(headers), Payload::Streaming(body))
            }
            Load::Captured(captive) => (captive.forwarded, Payload::Captured(Full::new(captive.body))),
            // INVARIANT: a body goes with the answer that ends the walk.
            Load::Gone => return Err(refusal(Code::MalformedRequest, "the request's body is gone")),
        };
        let mut head = head.to_upstream(&backend.spec.upstream, &self.shard.loop_token)?;
        let mut call = self.trace.call(self.shard.shared.spans.get(), "upstream");
        self.trace.write(&mut head.headers, call.as_ref());
        let sending = Sending { head, body, over, backend };
        let sent = send(self.shard, permit, sending, account).await;
        answered(&mut call, &sent);
        sent.map(Some)
    }
}

/// Notes something of a request whose trace is sampled; of another it is not even written.
fn note<V: Into<Noted>>(span: &mut Option<Span>, key: &'static str, value: impl FnOnce() -> V) {
    if let Some(span) = span {
        span.note(key, value());
    }
}

/// Notes what the backend's part came to.
fn answered(call: &mut Option<Span>, sent: &Result<Response<Reply>, Box<Refusal>>) {
    match sent {
        Ok(response) => note(call, "http.response.status_code", || i64::from(response.status().as_u16())),
        Err(refusal) => {
            note(call, "hoop.code", || refusal.code.as_str());
            if let Some(call) = call {
                call.failed();
            }
        }
    }
}

/// Returns the one word of a verdict.
const fn word(entry: &Entry) -> &'static str {
    match entry {
        Entry::Verdict(verdict) => verdict.judged.outcome.word(),
        Entry::Opened(_)
        | Entry::NotOpened(_)
        | Entry::Forwarded(_)
        | Entry::Response(_)
        | Entry::Closed(_)
        | Entry::Approval(_) => "",
    }
}

/// Returns the method if it is one of those that are spoken here; what others send is theirs.
fn known(method: &Method) -> &'static str {
    let all = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];
    all.into_iter().find(|known| method == known).unwrap_or("_OTHER")
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
