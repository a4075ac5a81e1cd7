//! The gateway's own credential: it takes the place where the backend expects it, after everything else.
//!
//! ```text
//!   Connection.credential.as ──► Place ──clear()──► nothing of the caller's is where the credential goes
//!                                  │                (before the request is judged, captured or shown to anybody)
//!   the secret's value ────fill()──┴► Credential ──inject()──► the head that is sent, and no other
//! ```

use crate::RequestHead;
use crate::target::as_frameworks_read;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hoop_model::spec::{CredentialForm, SecretValue};
use hoop_model::{Code, Redacted, Refusal};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use std::fmt;

/// Where a connection's credential goes in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(Form);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Bearer,
    /// The password of this user.
    Basic(Box<str>),
    Field(HeaderName),
    Query {
        key: Box<str>,
        /// The key as a lenient framework reads it.
        read: Box<str>,
    },
}

/// Says that a credential has no place, or does not fit it. It never quotes the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the credential does not fit the place where it is to go")]
pub struct Unfit;

impl Place {
    /// Prepares the place that a connection names.
    ///
    /// # Errors
    /// [`Unfit`] for a name that no field can have; one that passed its check has a place.
    pub fn of(form: &CredentialForm) -> Result<Self, Unfit> {
        Ok(Self(match form {
            CredentialForm::Bearer => Form::Bearer,
            CredentialForm::Basic(user) => Form::Basic(user.as_str().into()),
            CredentialForm::Header(name) => Form::Field(HeaderName::from_bytes(name.as_bytes()).map_err(|_| Unfit)?),
            CredentialForm::Query(key) => {
                Form::Query { key: key.as_str().into(), read: as_frameworks_read(key).into() }
            }
        }))
    }

    /// Clears the place of what the caller put there: fields of that name are dropped, also in spellings that a backend
    /// may take for it (RFC 3875 §4.1.18). `headers` must be those that the head was read from.
    ///
    /// # Errors
    /// [`Code::MalformedTarget`] where the query has that key already: which of two a backend reads is anybody's guess.
    pub fn clear(&self, request: &RequestHead, headers: &mut HeaderMap) -> Result<(), Box<Refusal>> {
        match &self.0 {
            // Nobody's but the gateway's anyway.
            Form::Bearer | Form::Basic(_) => Ok(()),
            Form::Field(name) => {
                while let Some(theirs) = headers.keys().find(|theirs| is_same_field(theirs, name)).cloned() {
                    headers.remove(&theirs);
                }
                Ok(())
            }
            Form::Query { read, .. } => {
                let mut keys = request.target.query().map(|(key, _)| as_frameworks_read(key));
                if keys.any(|key| *key == **read) {
                    let sentence = "the query has the key with which the gateway itself signs in to the backend";
                    return Err(Box::new(Refusal::because(Code::MalformedTarget, sentence)));
                }
                Ok(())
            }
        }
    }

    /// Prepares a value to be sent.
    ///
    /// # Errors
    /// [`Unfit`] for a value that the place cannot hold; none that is a [`SecretValue`] is.
    pub fn fill(&self, value: &SecretValue) -> Result<Credential, Unfit> {
        let field = |name, parts: &[&[u8]]| Ok(Filled::Field { name, value: sensitive(parts.concat())? });
        let mut written = vec![Redacted::new(value.reveal().to_vec())];
        let filled = match &self.0 {
            Form::Bearer => field(header::AUTHORIZATION, &[b"Bearer ", value.reveal()])?,
            Form::Basic(user) => {
                let pair = Redacted::new([user.as_bytes(), b":", value.reveal()].concat());
                let encoded = Redacted::new(STANDARD.encode(pair.reveal()).into_bytes());
                let filled = field(header::AUTHORIZATION, &[b"Basic ", encoded.reveal()])?;
                written.push(encoded);
                filled
            }
            Form::Field(name) => field(name.clone(), &[value.reveal()])?,
            Form::Query { key, .. } => {
                Filled::Pair(Redacted::new(format!("{key}={}", percent_encoded(value.reveal()))))
            }
        };
        Ok(Credential { filled, written })
    }
}

/// A credential, prepared: to send it costs no more than to write a field.
pub struct Credential {
    filled: Filled,
    written: Vec<Redacted<Vec<u8>>>,
}

enum Filled {
    Field { name: HeaderName, value: HeaderValue },
    Pair(Redacted<String>),
}

impl Credential {
    /// Writes the credential on a head that is sent at once. Nothing that has it is judged, recorded or shown.
    ///
    /// # Errors
    /// [`Code::MalformedRequest`] where there are more fields than a head can hold, [`Code::MalformedTarget`] where the
    /// target would be longer than any can be.
    pub fn inject(&self, head: &mut Parts) -> Result<(), Box<Refusal>> {
        let refuse = |code, sentence| Box::new(Refusal::because(code, sentence));
        match &self.filled {
            Filled::Field { name, value } => match head.headers.try_insert(name.clone(), value.clone()) {
                Ok(_) => Ok(()),
                Err(_) => Err(refuse(Code::MalformedRequest, "the request has too many header fields")),
            },
            Filled::Pair(pair) => {
                let target = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
                let separator = if head.uri.query().is_some() { "&" } else { "?" };
                let with = Bytes::from([target, separator, pair.reveal()].concat());
                let with = PathAndQuery::from_maybe_shared(with);
                head.uri = Uri::from(with.map_err(|_| refuse(Code::MalformedTarget, "the target is too long"))?);
                Ok(())
            }
        }
    }

    /// Returns the texts that a response must not have, in any encoding: the value, and what it becomes when it is sent.
    pub fn written(&self) -> impl Iterator<Item = &[u8]> {
        self.written.iter().map(|text| text.reveal().as_slice())
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential([redacted])")
    }
}

/// Makes a field's value whose memory is cleared when the last copy of it is gone.
fn sensitive(value: Vec<u8>) -> Result<HeaderValue, Unfit> {
    struct Kept(Redacted<Vec<u8>>);
    impl AsRef<[u8]> for Kept {
        fn as_ref(&self) -> &[u8] {
            self.0.reveal()
        }
    }
    let shared = Bytes::from_owner(Kept(Redacted::new(value)));
    let mut value = HeaderValue::from_maybe_shared(shared).map_err(|_| Unfit)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether a backend may take one name for the other. `ours` is in lower case, as every [`HeaderName`].
fn is_same_field(theirs: &HeaderName, ours: &HeaderName) -> bool {
    let (theirs, ours) = (theirs.as_str().as_bytes(), ours.as_str().as_bytes());
    let read = |byte: &u8| if byte.is_ascii_alphanumeric() { *byte } else { b'-' };
    theirs.len() == ours.len() && theirs.iter().map(read).eq(ours.iter().map(read))
}

/// RFC 3986 §2.1, of everything but the unreserved.
fn percent_encoded(value: &[u8]) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(*byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
