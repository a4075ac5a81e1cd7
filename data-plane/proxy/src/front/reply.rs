//! What goes back to a caller: a backend's answer, or words of our own. The only place that makes text for callers.

use crate::upstream::answer::{Answer, Broken};
use bytes::Bytes;
use hoop_http::Patience;
use hoop_model::{Refusal, TraceId};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A response's body.
pub(crate) enum Reply {
    /// The gateway's own.
    Own(Full<Bytes>),
    /// A backend's.
    Backend(Box<Answer>),
}

/// Renders a refusal, with the trace it belongs to.
pub(crate) fn refuse(mut refusal: Box<Refusal>, trace: TraceId) -> Response<Reply> {
    refusal.trace_id.get_or_insert(trace);
    tracing::debug!(trace_id = %trace, code = refusal.code.as_str(), "refused");
    own(hoop_http::problem(&refusal))
}

/// Renders the end of a hold, which may still be released.
pub(crate) fn held(mut refusal: Box<Refusal>, patience: Patience, trace: TraceId) -> Response<Reply> {
    refusal.trace_id.get_or_insert(trace);
    tracing::debug!(trace_id = %trace, code = refusal.code.as_str(), "not released");
    own(hoop_http::held(&refusal, patience))
}

fn own(response: Response<Bytes>) -> Response<Reply> {
    response.map(|body| Reply::Own(Full::new(body)))
}

/// Tells something of the gateway's own, and after how many seconds it may be something else.
pub(crate) fn json(object: &serde_json::Value, retry_after: Option<u64>) -> Response<Reply> {
    let mut response = own(Response::new(Bytes::from(object.to_string())));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Says that all is well.
pub(crate) fn fine() -> Response<Reply> {
    let mut response = Response::new(Reply::Own(Full::new(Bytes::from_static(b"ok\n"))));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut *self {
            Self::Own(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Backend(answer) => Pin::new(answer.as_mut()).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::Backend(answer) => answer.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => body.size_hint(),
            Self::Backend(answer) => answer.size_hint(),
        }
    }
}
