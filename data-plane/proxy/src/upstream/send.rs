//! Sending one command: the permit is redeemed in the poll that writes the first byte.

use super::answer::{Account, Answer};
use super::upload::{Payload, Progress, Upload};
use crate::front::reply::Reply;
use crate::shard::{self, Shard};
use crate::walk::checkout::Checkout;
use hoop_gate::{Authority, Permit};
use hoop_model::{Code, Refusal};
use http::request::Parts;
use http::{Request, Response};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::unconstrained;
use tokio::time::timeout_at;

/// What goes to a backend, and over what.
pub(crate) struct Sending {
    pub(crate) head: Parts,
    pub(crate) body: Payload,
    pub(crate) over: Checkout,
    /// How long the backend may take until its response head is there.
    pub(crate) response_timeout: Duration,
}

/// Sends a command and returns the answer, which streams.
///
/// On any error the connection is dropped, and with it whatever the backend still says.
pub(crate) async fn send(
    shard: &Shard,
    permit: Permit,
    sending: Sending,
    account: &mut Option<Account>,
) -> Result<Response<Reply>, Box<Refusal>> {
    let Sending { head, body, over: Checkout { mut line, key }, response_timeout } = sending;
    let (upload, progress) = Upload::new(body);
    let request = Request::from_parts(head, upload);

    // INVARIANT (I10): from here to the first write there is no point where this task could be suspended.
    let now = shard::now();
    let cleared = shard.look(|world| {
        let standing = |identity| world.policy.standing(identity, now.wall.to_seconds());
        let lease = **shard.shared.lease.load();
        permit.redeem(&Authority { lease, applied: world.policy.revision, standing: &standing }, now)
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
    let mut headers = head.headers;
    hoop_http::from_upstream(head.status, &mut headers)?;
    let Some(mut account) = account.take() else {
        return Err(refusal(Code::RecorderUnavailable, "the answer could not be accounted for"));
    };
    account.told(head.status);
    let answer = Answer::new(incoming, line, key, progress, account);
    let mut response = Response::new(Reply::Backend(Box::new(answer)));
    *response.status_mut() = head.status;
    *response.headers_mut() = headers;
    Ok(response)
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

fn refusal(code: Code, sentence: &'static str) -> Box<Refusal> {
    Box::new(Refusal::because(code, sentence))
}
