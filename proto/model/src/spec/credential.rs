//! Credential: which secret a connection's commands are sent with, and how the backend gets it.

use super::{InvalidSpec, require};
use crate::ResourceName;

/// Longest user of `basic`, in bytes.
const MAX_USER_BYTES: usize = 255;
/// Longest name of a header field or of a query key, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// Which secret a connection's commands are sent with, and how.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// The Secret.
    pub secret: ResourceName,
    /// How the backend gets it.
    #[serde(rename = "as")]
    pub form: CredentialForm,
}

/// How a backend gets a credential.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialForm {
    /// `Authorization: Bearer VALUE` (RFC 6750 §2.1).
    Bearer,
    /// `Authorization: Basic …` (RFC 7617): the value is the password of this user.
    Basic(String),
    /// The value of a header field of this name.
    Header(String),
    /// The value of a parameter of this name in the query of the target.
    Query(String),
}

impl Credential {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`InvalidSpec`] for the first field that is wrong.
    pub fn check(&self) -> Result<(), InvalidSpec> {
        match &self.form {
            CredentialForm::Bearer => Ok(()),
            CredentialForm::Basic(user) => {
                let fits = (1..=MAX_USER_BYTES).contains(&user.len());
                let is_user = fits && !user.chars().any(|c| c == ':' || c.is_control());
                require(is_user, "credential.as.basic", "must be a user of 1 to 255 bytes without `:` and controls")
            }
            CredentialForm::Header(name) => check_header(name),
            CredentialForm::Query(name) => {
                let is_key = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
                let fits = (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_key);
                require(fits, "credential.as.query", "must be 1 to 64 letters, digits, `-`, `.`, `_` and `~`")
            }
        }
    }
}

/// A field that says how a message travels, where it goes or what the gateway vouches for cannot carry a credential: it
/// would be removed on the way, or change what was judged.
fn check_header(name: &str) -> Result<(), InvalidSpec> {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let fits = (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_name);
    require(fits, "credential.as.header", "must be 1 to 64 letters, digits, `-` and `_`")?;
    // CGI and its heirs read `_` in a name as `-` (RFC 3875 §4.1.18).
    let name = name.to_ascii_lowercase().replace('_', "-");
    require(!is_taken(&name), "credential.as.header", "is a field that the gateway itself writes or removes")
}

/// Framing and hop-by-hop fields (RFC 9112 §6, RFC 9110 §7.6.1), those the gateway writes, and those that change the
/// command.
fn is_taken(name: &str) -> bool {
    const PREFIXES: [&str; 9] = [
        "proxy-",
        "hoop-",
        "x-gw-",
        "x-forwarded-",
        "content-",
        "x-http-method",
        "x-method-override",
        "x-original-",
        "x-rewrite-",
    ];
    const NAMES: [&str; 16] = [
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "host",
        "expect",
        "via",
        "forwarded",
        "x-real-ip",
        "traceparent",
        "tracestate",
        "accept-encoding",
        "range",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str) -> Result<Credential, String> {
        let json = format!(r#"{{"secret":"react-api","as":{form}}}"#);
        let credential: Credential = serde_json::from_str(&json).map_err(|e| e.to_string())?;
        credential.check().map_err(|e| e.to_string())?;
        assert_eq!(serde_json::to_string(&credential).unwrap(), json);
        Ok(credential)
    }

    #[test]
    fn what_an_administrator_writes_is_read_and_written_alike() {
        for (json, form) in [
            (r#""bearer""#, CredentialForm::Bearer),
            (r#"{"basic":"svc-orders"}"#, CredentialForm::Basic("svc-orders".into())),
            (r#"{"header":"X-Api-Key"}"#, CredentialForm::Header("X-Api-Key".into())),
            (r#"{"header":"Authorization"}"#, CredentialForm::Header("Authorization".into())),
            (r#"{"query":"api_key"}"#, CredentialForm::Query("api_key".into())),
        ] {
            assert_eq!(read(json).unwrap().form, form);
        }
    }

    #[test]
    fn a_name_that_would_not_arrive_or_would_change_the_command_is_wrong() {
        let long = "x".repeat(65);
        let forms =
            ["Host", "host", "Content-Length", "Content-Type", "content_type", "Transfer-Encoding", "Connection"];
        let more = ["TE", "Upgrade", "Keep-Alive", "Proxy-Authorization", "Trailer", "Expect", "Via", "Forwarded"];
        let ours = ["X-Forwarded-For", "x_forwarded_for", "X-Real-IP", "Hoop-Identity", "Traceparent", "X-Gw-Id"];
        let overriding = ["X-HTTP-Method-Override", "X-Original-URL", "X-Rewrite-URL", "Accept-Encoding", "Range"];
        for name in forms.iter().chain(&more).chain(&ours).chain(&overriding) {
            assert!(read(&format!(r#"{{"header":"{name}"}}"#)).unwrap_err().contains("writes or removes"), "{name}");
        }
        for (form, says) in [
            (r#"{"header":""}"#.to_owned(), "letters, digits"),
            (r#"{"header":"X Key"}"#.to_owned(), "letters, digits"),
            (r#"{"header":"X-Key:"}"#.to_owned(), "letters, digits"),
            (r#"{"header":"X-Key\r\nA"}"#.to_owned(), "letters, digits"),
            (format!(r#"{{"header":"{long}"}}"#), "letters, digits"),
            (r#"{"query":""}"#.to_owned(), "letters, digits"),
            (r#"{"query":"a=b"}"#.to_owned(), "letters, digits"),
            (r#"{"query":"a&b"}"#.to_owned(), "letters, digits"),
            (r#"{"basic":""}"#.to_owned(), "without `:`"),
            (r#"{"basic":"a:b"}"#.to_owned(), "without `:`"),
            (r#"{"basic":"a\nb"}"#.to_owned(), "without `:`"),
            (r#""cookie""#.to_owned(), "unknown variant"),
            (r#"{"bearer":"a"}"#.to_owned(), "expected unit"),
        ] {
            let problem = read(&form).unwrap_err();
            assert!(problem.contains(says), "{form}: {problem}");
        }
    }
}
