//! The trace a request belongs to (W3C Trace Context, Level 1).

use hoop_model::TraceId;
use http::{HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// A request's trace: the caller's, or a new one where the caller named none that is valid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trace {
    pub(crate) id: TraceId,
    flags: u8,
    /// Whether the id is the caller's, so that its `tracestate` still means something.
    continued: bool,
}

impl Trace {
    /// Reads `traceparent` (§3.2), once and of version 00.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(&TRACEPARENT).iter();
        let parent = match (values.next(), values.next()) {
            (Some(value), None) => parse(value.as_bytes()),
            (None | Some(_), _) => None,
        };
        match parent {
            Some((id, flags)) => Self { id, flags, continued: true },
            None => Self { id: TraceId::mint(u128::from_be_bytes(hoop_node::random())), flags: 0, continued: false },
        }
    }

    /// Writes the trace, with a span of this hop, on what goes to the backend.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        let span = u64::from_be_bytes(hoop_node::random()).max(1);
        if let Ok(value) = HeaderValue::try_from(format!("00-{}-{span:016x}-{:02x}", self.id, self.flags)) {
            headers.insert(TRACEPARENT, value);
        }
        if !self.continued {
            headers.remove(TRACESTATE);
        }
    }
}

fn parse(value: &[u8]) -> Option<(TraceId, u8)> {
    let text = std::str::from_utf8(value).ok()?;
    let mut parts = text.split('-');
    let (Some("00"), Some(id), Some(span), Some(flags), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let id: TraceId = id.parse().ok()?;
    let lower_hex = |text: &str, digits| {
        text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let valid = lower_hex(span, 16) && lower_hex(flags, 2) && id != TraceId::mint(0) && span.bytes().any(|b| b != b'0');
    valid.then_some((id, u8::from_str_radix(flags, 16).ok()?))
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
        let trace = Trace::of(&headers);
        trace.write(&mut headers);
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
