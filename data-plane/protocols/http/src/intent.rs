//! What a request asks, in the words policy judges.

use crate::{Framing, RequestHead};
use hoop_model::{Context, Effect, Intent, Target as Touched, Value};
use std::collections::BTreeSet;

impl RequestHead {
    /// Returns the request as an intent: one effect `http:METHOD` on the connection, and what policy may read.
    ///
    /// `bodyBytes` of a body whose length is not said beforehand is the largest there is, so that no rule about length is
    /// escaped by not saying it. `contentType` is absent where the head has none. A key without a value is `key=` in `query`. The summary names the query's keys and leaves out their values.
    #[must_use]
    pub fn intent(&self) -> Intent {
        let effect = Effect { action: self.action.into(), target: Touched::Connection };
        Intent { effects: vec![effect], context: self.context(), summary: self.summary() }
    }

    /// INVARIANT: sorted by name, as [`Context`] demands.
    fn context(&self) -> Context {
        let body_bytes = match self.framing {
            Framing::Unsaid => 0,
            Framing::Length(length) => i64::try_from(length).unwrap_or(i64::MAX),
            Framing::Chunked => i64::MAX,
        };
        let pairs = self.target.query().map(|(key, value)| format!("{key}={value}").into());
        let mut context = Context::with_capacity(7);
        context.push(("bodyBytes".into(), Value::Long(body_bytes)));
        context.extend(self.content_type.iter().map(|kind| ("contentType".into(), Value::Text(kind.clone()))));
        context.push(("method".into(), Value::Text(self.method.as_str().into())));
        context.push(("path".into(), Value::Text(self.target.path().into())));
        context.push(("query".into(), set(pairs)));
        context.push(("queryKeys".into(), set(self.target.query().map(|(key, _)| key.into()))));
        context.push(("segments".into(), set(self.target.segments().map(Into::into))));
        context
    }

    /// The canonical form is escaped already: printable ASCII without spaces, so one line whatever came in.
    fn summary(&self) -> Box<str> {
        let mut summary = format!("{} {}", self.method, self.target.canonical_path());
        if let Some(query) = self.target.path_and_query().query() {
            for (position, pair) in query.split('&').enumerate() {
                summary.push(if position == 0 { '?' } else { '&' });
                summary.push_str(pair.split('=').next().unwrap_or(pair));
            }
        }
        summary.into()
    }
}

fn set(texts: impl Iterator<Item = Box<str>>) -> Value {
    let unique: BTreeSet<Box<str>> = texts.collect();
    Value::Set(unique.into_iter().map(Value::Text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

    fn intent(method: Method, uri: &str, fields: &[(&'static str, &'static str)]) -> Intent {
        let fields = fields.iter().chain(&[("host", "gw.example")]);
        let headers: HeaderMap =
            fields.map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        RequestHead::read(&method, &uri.parse().unwrap(), Version::HTTP_11, &headers).unwrap().intent()
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn an_intent_says_everything_policy_may_read() {
        let fields = [("content-length", "12"), ("content-type", "text/plain;x=1")];
        let intent = intent(Method::POST, "/c/react/orders/%c3%a9/orders?id=7&%69d=8&f&id=7&q=a+b", &fields);
        assert_eq!(
            intent,
            Intent {
                effects: vec![Effect { action: "http:POST".into(), target: Touched::Connection }],
                context: vec![
                    ("bodyBytes".into(), Value::Long(12)),
                    ("contentType".into(), text("text/plain")),
                    ("method".into(), text("POST")),
                    ("path".into(), text("/orders/é/orders")),
                    ("query".into(), Value::Set(vec![text("f="), text("id=7"), text("id=8"), text("q=a b")])),
                    ("queryKeys".into(), Value::Set(vec![text("f"), text("id"), text("q")])),
                    ("segments".into(), Value::Set(vec![text("orders"), text("é")])),
                ],
                summary: "POST /orders/%C3%A9/orders?id&id&f&id&q".into(),
            }
        );
        assert!(intent.context.is_sorted_by(|(a, _), (b, _)| a < b));
    }

    #[test]
    fn a_body_of_unsaid_length_is_judged_as_the_longest() {
        let has = |fields: &[_]| intent(Method::PUT, "/c/react/", fields).context.first().cloned().unwrap();
        assert_eq!(has(&[]), ("bodyBytes".into(), Value::Long(0)));
        assert_eq!(has(&[("transfer-encoding", "chunked")]), ("bodyBytes".into(), Value::Long(i64::MAX)));
    }

    #[test]
    fn a_summary_is_one_printable_line_without_values() {
        let intent = intent(Method::GET, "/c/react/a%20b?token=CANARY&n=%0a", &[]);
        assert_eq!(&*intent.summary, "GET /a%20b?token&n");
    }
}
