//! The trace a request belongs to (W3C Trace Context, Level 1).

use hoop_model::TraceId;
use hoop_node::telemetry::spans::{Place, Span, Spans};
use http::{HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// A request's trace: the caller's, or a new one where the caller named none that is valid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trace {
    pub(crate) id: TraceId,
    /// Where the parts of this request belong: beneath its own span where there is one.
    place: Place,
    sampled: bool,
    /// Whether the id is the caller's, so that its `tracestate` still means something.
    continued: bool,
}

impl Trace {
    /// Reads `traceparent` (§3.2), once and of version 00, and begins the request's own span if the trace is sampled: as the
    /// caller says, or as is drawn where it says nothing.
    pub(crate) fn of(headers: &HeaderMap, spans: Option<&Spans>) -> (Self, Option<Span>) {
        let mut values = headers.get_all(&TRACEPARENT).iter();
        let parent = match (values.next(), values.next()) {
            (Some(value), None) => Place::parse(value.as_bytes()),
            (None | Some(_), _) => None,
        };
        let (place, sampled) = parent.unwrap_or_else(|| {
            let trace = TraceId::mint(u128::from_be_bytes(hoop_node::random_id()));
            (Place { trace, span: 0 }, spans.is_some_and(|spans| spans.samples(trace)))
        });
        let span = spans.filter(|_| sampled).map(|spans| spans.begin(place, "request"));
        let own = span.as_ref().map_or(place, Span::place);
        (Self { id: place.trace, place: own, sampled, continued: parent.is_some() }, span)
    }

    /// Begins a part of the request.
    pub(crate) fn part(self, spans: Option<&Spans>, name: &'static str) -> Option<Span> {
        spans.filter(|_| self.sampled).map(|spans| spans.part(self.place, name))
    }

    /// Begins a part in which somebody else is waited for.
    pub(crate) fn call(self, spans: Option<&Spans>, name: &'static str) -> Option<Span> {
        spans.filter(|_| self.sampled).map(|spans| spans.call(self.place, name))
    }

    /// Writes the trace, with this hop's span, on what goes to the backend.
    pub(crate) fn write(self, headers: &mut HeaderMap, call: Option<&Span>) {
        let span = call.map_or_else(|| u64::from_be_bytes(hoop_node::random_id()).max(1), |call| call.place().span);
        let place = Place { trace: self.id, span };
        if let Ok(value) = HeaderValue::try_from(place.write(self.sampled)) {
            headers.insert(TRACEPARENT, value);
        }
        if !self.continued {
            headers.remove(TRACESTATE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(parent: &[&'static str]) -> (Trace, HeaderMap) {
        let mut headers = HeaderMap::new();
        for value in parent {
            headers.append(TRACEPARENT, HeaderValue::from_static(value));
        }
        headers.insert(TRACESTATE, HeaderValue::from_static("a=b"));
        let (trace, span) = Trace::of(&headers, None);
        assert!(span.is_none(), "nobody wants it");
        trace.write(&mut headers, None);
        (trace, headers)
    }

    #[test]
    fn a_valid_trace_goes_on_with_a_new_span() {
        let (trace, headers) = round(&["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]);
        assert_eq!(trace.id.to_string(), "0af7651916cd43dd8448eb211c80319c");
        let sent = headers[&TRACEPARENT].to_str().unwrap();
        assert!(sent.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && sent.ends_with("-01"));
        assert!(!sent.contains("b7ad6b7169203331"));
        assert!(headers.contains_key(TRACESTATE));
    }

    #[test]
    fn anything_else_starts_a_new_trace() {
        let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for parent in [
            &[][..],
            &[valid, valid],
            &["00-00000000000000000000000000000000-b7ad6b7169203331-01"],
            &["00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"],
            &["00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"],
            &["01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
            &["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x"],
        ] {
            let (trace, headers) = round(parent);
            assert_ne!(trace.id.to_string(), "0af7651916cd43dd8448eb211c80319c", "{parent:?}");
            assert_eq!(headers.get_all(&TRACEPARENT).iter().count(), 1);
            assert!(!headers.contains_key(TRACESTATE));
        }
    }
}
