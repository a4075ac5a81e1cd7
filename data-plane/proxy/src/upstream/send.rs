//! Sending one command: the permit is redeemed in the poll that writes the first byte.

use super::answer::{Account, Answer};
use super::showing::Showing;
use super::upload::{Payload, Progress, Upload};
use crate::credential::supply::unavailable;
use crate::front::reply::Reply;
use crate::shard::{self, Shard};
use crate::walk::checkout::Checkout;
use crate::world::{Backend, World};
use hoop_gate::{Authority, Permit};
use hoop_http::mask::Uninspectable;
use hoop_model::{Code, Refusal};
use hoop_policy::mask::MaskPlan;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::unconstrained;
use tokio::time::timeout_at;

/// What goes to a backend, and over what.
pub(crate) struct Sending<'a> {
    pub(crate) head: Parts,
    pub(crate) body: Payload,
    pub(crate) over: Checkout,
    /// The backend as it was when the command was judged.
    pub(crate) backend: &'a Backend,
}

/// Sends a command and returns the answer, which streams.
///
/// On any error the connection is dropped, and with it whatever the backend still says.
pub(crate) async fn send(
    shard: &Shard,
    permit: Permit,
    sending: Sending<'_>,
    account: &mut Option<Account>,
) -> Result<Response<Reply>, Box<Refusal>> {
    let Sending { mut head, body, over: Checkout { mut line, key }, backend } = sending;
    // INVARIANT (I10): from here to the first write there is no point where this task could be suspended.
    let now = shard::now();
    let plan = shard.look_stale(|world| sign_in(&mut head, backend, world))??;
    let method = head.method.clone();
    let (upload, progress) = Upload::new(body, &plan, &head.headers);
    let request = Request::from_parts(head, upload);
    let response_timeout = backend.spec.response_timeout;
    let cleared = shard.look_stale(|world| {
        let standing = |identity| world.policy.standing(identity, now.wall.to_seconds());
        let lease = **shard.shared.lease.load();
        let stale = world.policy.stale(backend.uid, backend.generation);
        permit.redeem(&Authority { lease, stale, applied: world.policy.revision, standing: &standing }, now)
    })??;
    if let Some(account) = account {
        account.sending(&progress)?;
    }
    // Unconstrained: the runtime's budget must not put the first write off to a later poll.
    let exchanged = unconstrained(within(response_timeout, &progress, line.exchange(cleared, request))).await;

    let response = match exchanged {
        Some(Ok(response)) => response,
        Some(Err(error)) => return Err(failed(error.as_ref(), &progress)),
        None => return Err(refusal(Code::UpstreamTimeout, "the backend did not answer in time")),
    };
    if let Some(account) = account {
        account.answered();
    }
    let (head, incoming) = response.into_parts();
    let is_about_us = matches!(head.status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED);
    if is_about_us && backend.supply.is_some() {
        // Whatever it says is about the gateway's credential, which is not the caller's business.
        tracing::warn!(connection = %backend.name, status = head.status.as_u16(), "a backend rejects the credential");
        return Err(refusal(Code::CredentialRejected, "the backend does not accept the gateway's credential"));
    }
    let mut headers = head.headers;
    hoop_http::from_upstream(head.status, &mut headers)?;
    let view = account.as_ref().and_then(|account| account.view(backend, &plan));
    let showing = view.map(|view| Showing::begin(view, &plan, &method, (head.status, &headers)).map(Box::new));
    let showing = showing.transpose().map_err(uninspectable)?;
    let seen_by = showing.as_ref().map_or(&plan, |showing| showing.view());
    let masked = hoop_http::mask::response(seen_by, &method, head.status, &mut headers).map_err(uninspectable)?;
    let Some(mut account) = account.take() else {
        return Err(refusal(Code::RecorderUnavailable, "the answer could not be accounted for"));
    };
    account.told(head.status);
    let answer = Answer::new(incoming, (line, key), progress, account, (plan, masked, showing));
    let mut response = Response::new(Reply::Backend(Box::new(answer)));
    *response.status_mut() = head.status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Signs in to the backend: the last thing that is written on a head. A command that waited for people is sent with the
/// credential there is by now, and with none that is for another upstream. Returns what is to be masked in the answer, by
/// the newest word on it.
fn sign_in(head: &mut Parts, judged: &Backend, world: &World) -> Result<Arc<MaskPlan>, Box<Refusal>> {
    let now = world.policy.backend(&judged.name);
    let now = now.filter(|now| now.uid == judged.uid && now.generation == judged.generation);
    match (&judged.supply, now.map(|now| &now.supply)) {
        (None, _) => {
            let plan = now.map_or(&judged.plan, |now| &now.plan);
            hoop_http::mask::request(plan, &head.method, &mut head.headers)?;
            Ok(Arc::clone(plan))
        }
        (Some(_), Some(Some(supply))) => supply.inject(head),
        (Some(_), Some(None) | None) => Err(unavailable()),
    }
}

/// Waits for an answer until `limit` after the last byte of the upload went on: a long upload is not a slow backend, and
/// one that a backend does not take is.
async fn within<F: Future>(limit: Duration, progress: &Progress, answer: F) -> Option<F::Output> {
    let mut answer = pin!(answer);
    loop {
        let deadline = progress.moved() + limit;
        match timeout_at(deadline, answer.as_mut()).await {
            Ok(answer) => return Some(answer),
            Err(_) if progress.moved() + limit <= deadline => return None,
            Err(_) => {}
        }
    }
}

fn failed(error: Option<&hyper::Error>, progress: &Rc<Progress>) -> Box<Refusal> {
    if progress.is_broken() {
        return refusal(Code::MalformedRequest, "the request's body stopped coming");
    }
    tracing::debug!(error = error.map(tracing::field::display), "a backend did not answer");
    let sentence = match error {
        Some(error) if error.is_parse() => "the backend's answer is not HTTP",
        Some(_) | None => "the backend closed the connection before it answered",
    };
    refusal(Code::UpstreamMisbehaved, sentence)
}

fn uninspectable(error: Uninspectable) -> Box<Refusal> {
    refusal(Code::UpstreamUninspectable, error.to_string())
}

fn refusal(code: Code, sentence: impl Into<Box<str>>) -> Box<Refusal> {
    Box::new(Refusal::because(code, sentence))
}
