//! A refusal as HTTP tells it: problem details (RFC 9457) under the status of whose fault it is.

use crate::Patience;
use bytes::Bytes;
use hoop_model::{Code, Effect, Fault, Refusal, Target};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value};
use std::time::Duration;

/// The field that marks the gateway's own refusals with their code. Responses of backends never have it, because
/// [`from_upstream`](crate::from_upstream) removes it: a backend cannot pass for the gateway.
pub const REFUSAL_FIELD: HeaderName = HeaderName::from_static("hoop-refusal");

/// RFC 7240 §3.
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Returns the status of a code; the one place that maps them.
#[must_use]
pub const fn status(code: Code) -> StatusCode {
    match code.fault() {
        Fault::Malformed => StatusCode::BAD_REQUEST,
        Fault::Oversized => StatusCode::PAYLOAD_TOO_LARGE,
        Fault::Unauthenticated => StatusCode::UNAUTHORIZED,
        Fault::Forbidden => StatusCode::FORBIDDEN,
        Fault::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        Fault::Missing => StatusCode::NOT_FOUND,
        Fault::NeedsApproval => StatusCode::PRECONDITION_REQUIRED,
        Fault::Precondition => StatusCode::PRECONDITION_FAILED,
        Fault::Conflict => StatusCode::CONFLICT,
        Fault::Overloaded => StatusCode::TOO_MANY_REQUESTS,
        Fault::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Fault::Upstream => StatusCode::BAD_GATEWAY,
        Fault::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// Renders a refusal. A response with `Connection: close` must end its connection: what the peer sends next has no
/// agreed start. One that waits for people says where.
#[must_use]
pub fn problem(refusal: &Refusal) -> Response<Bytes> {
    render(refusal, status(refusal.code))
}

/// Renders the end of a hold as seen by its caller: like any refusal, but for one that may still be released and whose
/// caller said `Prefer: respond-async`. That is 202 with the same object (RFC 7240 §4.1); nothing else is ever a 2xx.
#[must_use]
pub fn held(refusal: &Refusal, patience: Patience) -> Response<Bytes> {
    if !patience.respond_async || waits_at(refusal).is_none() {
        return problem(refusal);
    }
    let mut response = render(refusal, StatusCode::ACCEPTED);
    response.headers_mut().insert(PREFERENCE_APPLIED, HeaderValue::from_static("respond-async"));
    response
}

fn render(refusal: &Refusal, status: StatusCode) -> Response<Bytes> {
    let retry_after = retry_after_seconds(refusal);
    let body = object(refusal, status, retry_after).to_string();

    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFUSAL_FIELD, HeaderValue::from_static(refusal.code.as_str()));
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(location) = waits_at(refusal) {
        headers.insert(header::LOCATION, location);
    }
    match refusal.code.fault() {
        Fault::Malformed | Fault::Oversized => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Fault::Unauthenticated => {
            headers.insert(header::WWW_AUTHENTICATE, challenge(refusal.code));
        }
        Fault::Forbidden
        | Fault::Misdirected
        | Fault::Missing
        | Fault::NeedsApproval
        | Fault::Precondition
        | Fault::Conflict
        | Fault::Overloaded
        | Fault::Unavailable
        | Fault::Upstream
        | Fault::UpstreamTimeout => {}
    }
    response
}

/// Returns where a command waits that may still be released.
fn waits_at(refusal: &Refusal) -> Option<HeaderValue> {
    let approval = refusal.approval.filter(|_| refusal.code == Code::ApprovalRequired)?;
    HeaderValue::try_from(format!("/.hoop/approvals/{approval}")).ok()
}

/// RFC 6750 §3: a request without a token learns the scheme only, one with a bad token that it is bad.
fn challenge(code: Code) -> HeaderValue {
    HeaderValue::from_static(if code == Code::TokenMissing { "Bearer" } else { "Bearer error=\"invalid_token\"" })
}

/// Whole seconds, rounded up (RFC 9110 §10.2.3). Whoever sends too much is always told to wait.
fn retry_after_seconds(refusal: &Refusal) -> Option<u64> {
    let rounded_up = |wait: Duration| wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    let overloaded = refusal.code.fault() == Fault::Overloaded;
    refusal.retry_after.map(rounded_up).map(|seconds| seconds.max(u64::from(overloaded))).or(overloaded.then_some(1))
}

fn object(refusal: &Refusal, status: StatusCode, retry_after: Option<u64>) -> Value {
    let code = refusal.code.as_str();
    let members: [(&str, Option<Value>); 14] = [
        ("type", Some(format!("urn:hoop:refusal:{code}").into())),
        ("title", Some(code.replace('_', " ").into())),
        ("status", Some(status.as_u16().into())),
        ("detail", Some(text(&refusal.message))),
        ("code", Some(code.into())),
        ("identity", refusal.identity.as_ref().map(|name| text(name.as_str()))),
        ("connection", refusal.connection.as_ref().map(|name| text(name.as_str()))),
        ("effect", refusal.effect.as_ref().map(effect)),
        ("policy", refusal.policy.as_deref().map(text)),
        ("missing", refusal.missing.as_deref().map(text)),
        ("how_to_request", refusal.how_to_request.as_deref().map(text)),
        ("approval", refusal.approval.map(|id| id.to_string().into())),
        ("retry_after", retry_after.map(Value::from)),
        ("trace_id", refusal.trace_id.map(|id| id.to_string().into())),
    ];
    let present = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(present.collect::<Map<_, _>>())
}

fn effect(effect: &Effect) -> Value {
    let mut members = Map::from_iter([("action".to_owned(), text(&effect.action))]);
    match &effect.target {
        Target::Connection => {}
        Target::Route(name) => {
            members.insert("route".to_owned(), text(name.as_str()));
        }
    }
    Value::Object(members)
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[cfg(test)]
mod tests;
