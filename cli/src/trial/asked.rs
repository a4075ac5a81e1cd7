//! A command that is asked about.

use hoop_http::RequestHead;
use hoop_model::spec::{ClaimCondition, Identity};
use hoop_model::{Context, Intent, Object, Refusal, ResourceName, Value};
use hoop_policy::{Subject, Tags};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use std::collections::BTreeMap;

/// A command that is asked about: who, where, and the head of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) identity: ResourceName,
    pub(crate) connection: ResourceName,
    pub(crate) method: Method,
    /// Path and query, as the backend knows them.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    /// Claims beside those that the Identity asks for.
    pub(crate) claims: Vec<(String, String)>,
}

/// Says that a text is no header field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a field is `NAME: VALUE`")]
pub(crate) struct InvalidField;

impl Asked {
    /// Reads a header field.
    pub(crate) fn field(text: &str) -> Result<(HeaderName, HeaderValue), InvalidField> {
        let (name, value) = text.split_once(':').ok_or(InvalidField)?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| InvalidField)?;
        Ok((name, HeaderValue::from_str(value.trim()).map_err(|_| InvalidField)?))
    }

    /// Returns the command in one line, as it was asked.
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// Reads the request as a node does; also returns it in one line, in canonical form.
    pub(super) fn intent(&self) -> Result<(String, Intent), Box<Refusal>> {
        let malformed = || {
            Box::new(Refusal::because(hoop_model::Code::MalformedTarget, "the target is no path that begins with `/`"))
        };
        if !self.target.starts_with('/') {
            return Err(malformed());
        }
        let uri: Uri = format!("/c/{}{}", self.connection, self.target).parse().map_err(|_| malformed())?;
        let mut headers = self.headers.clone();
        headers.insert(http::header::HOST, HeaderValue::from_static("gateway"));
        let intent = RequestHead::read(&self.method, &uri, Version::HTTP_11, &headers)?.intent();
        Ok((intent.summary.to_string(), intent))
    }

    /// Returns who asks: the claims are those that the Identity asks for, and those that are given.
    pub(super) fn subject(&self, object: &Object, identity: &Identity) -> Subject {
        let mut tags = Tags::new();
        for (claim, condition) in &identity.claims {
            let value = match condition {
                ClaimCondition::Equals(text) => text.clone(),
                ClaimCondition::Integer(is) => is.integer.to_string(),
                ClaimCondition::Contains(element) => element.contains.clone(),
            };
            tags.entry(claim.as_str().into()).or_default().insert(value.into());
        }
        let mut given: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (claim, value) in &self.claims {
            given.entry(claim).or_default().push(value);
        }
        for (claim, values) in given {
            tags.insert(claim.into(), values.into_iter().map(Into::into).collect());
        }
        Subject {
            name: object.metadata.name.clone(),
            uid: object.metadata.uid,
            groups: identity.groups.clone(),
            environment: identity.environment.clone(),
            tags: tags.into(),
        }
    }
}

/// Shows a context as policy reads it.
pub(super) fn shown(context: &Context) -> Vec<(String, String)> {
    context.iter().map(|(name, value)| (name.to_string(), value_shown(value))).collect()
}

fn value_shown(value: &Value) -> String {
    match value {
        Value::Bool(is) => is.to_string(),
        Value::Long(number) => number.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Set(values) => format!("[{}]", values.iter().map(value_shown).collect::<Vec<_>>().join(", ")),
        Value::Record(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name}: {}", value_shown(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}
