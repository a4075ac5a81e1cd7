//! How a caller wants to wait for people.

use crate::fields::at_most_one;
use hoop_model::{ApprovalId, Code, Refusal};
use http::{HeaderMap, HeaderName};
use std::borrow::Cow;
use std::time::Duration;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const HOOP_APPROVAL: HeaderName = HeaderName::from_static("hoop-approval");

/// How a caller wants to wait where its command must be released.
///
/// `Prefer` goes on to the backend as it came: a proxy must forward it (RFC 7240 §2), and backends read these
/// preferences, too. `Hoop-Approval` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Patience {
    /// `Prefer: wait=SECONDS` (RFC 7240 §4.3): how long it would wait; the connection's limit bounds it. `None` also
    /// for a `wait` that says no number, as some backends know it.
    pub wait: Option<Duration>,
    /// `Prefer: respond-async` (RFC 7240 §4.1): whether an unfinished hold may be answered by 202.
    pub respond_async: bool,
    /// `Hoop-Approval: ID`: the approval it wants to use.
    pub approval: Option<ApprovalId>,
}

impl Patience {
    /// Reads it, strictly: what cannot be read in one way only is refused.
    ///
    /// # Errors
    /// [`Code::MalformedHeader`] for a `Prefer` without a reading, one of the two preferences with a value that it does
    /// not have, either of them twice (RFC 7240 §2 has the first count, which not everybody does), and for a
    /// `Hoop-Approval` that is not one approval's id.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Box<Refusal>> {
        let refuse = |sentence| Box::new(Refusal::because(Code::MalformedHeader, sentence));
        let mut patience = Self::default();
        let (mut waits, mut responds) = (0, 0);
        for line in headers.get_all(PREFER) {
            for preference in
                preferences(line.as_bytes()).ok_or_else(|| refuse("`Prefer` is not a list of preferences"))?
            {
                match preference.about {
                    About::Wait => {
                        patience.wait = wait(preference.value).map_err(refuse)?;
                        waits += 1;
                    }
                    About::RespondAsync if preference.value.is_empty() => {
                        patience.respond_async = true;
                        responds += 1;
                    }
                    About::RespondAsync => return Err(refuse("`Prefer: respond-async` has no value")),
                    About::Other => {}
                }
            }
        }
        if waits > 1 || responds > 1 {
            return Err(refuse("a preference about waiting is repeated"));
        }
        let approval = at_most_one(headers, &HOOP_APPROVAL).map_err(|_| refuse("`Hoop-Approval` is repeated"))?;
        let id = |value: &http::HeaderValue| value.to_str().ok().and_then(|text| text.parse().ok());
        patience.approval = match approval {
            None => None,
            Some(value) => Some(id(value).ok_or_else(|| refuse("`Hoop-Approval` is not the id of an approval"))?),
        };
        Ok(patience)
    }
}

/// Returns a line of `Prefer` without the preferences about waiting; `None` if nothing is left of it. A line without a
/// reading is left as it is.
pub(crate) fn without(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some(preferences) = preferences(line) else { return Some(line.into()) };
    if preferences.iter().all(|preference| preference.about == About::Other) {
        return Some(line.into());
    }
    let others = preferences.iter().filter(|preference| preference.about == About::Other);
    let others: Vec<_> = others.map(|preference| preference.text).collect();
    (!others.is_empty()).then(|| others.join(&b", "[..]).into())
}

/// One element of `Prefer`.
struct Preference<'a> {
    about: About,
    /// What is between the name and the parameters.
    value: &'a [u8],
    /// The whole of it.
    text: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Wait,
    RespondAsync,
    Other,
}

/// Reads a line (RFC 7240 §2); `None` where a quoted text does not end or an element begins with no name. Values are
/// not read further: backends know more of them than the grammar does.
fn preferences(line: &[u8]) -> Option<Vec<Preference<'_>>> {
    let elements = split(line, b',')?.into_iter().map(<[u8]>::trim_ascii).filter(|element| !element.is_empty());
    elements.map(preference).collect()
}

fn preference(text: &[u8]) -> Option<Preference<'_>> {
    let said = split(text, b';')?.first().copied().unwrap_or_default();
    let in_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let (name, behind) = said.split_at(said.iter().take_while(|b| in_token(b)).count());
    if name.is_empty() || behind.first().is_some_and(|b| !b"= \t".contains(b)) {
        return None;
    }
    // Names do not depend on case (RFC 7240 §2).
    let about = if name.eq_ignore_ascii_case(b"wait") {
        About::Wait
    } else if name.eq_ignore_ascii_case(b"respond-async") {
        About::RespondAsync
    } else {
        About::Other
    };
    Some(Preference { about, value: behind.trim_ascii(), text })
}

/// Splits at a byte outside of quoted texts (RFC 9110 §5.6.4); `None` if one of them does not end.
fn split(text: &[u8], at: u8) -> Option<Vec<&[u8]>> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = text.split(|&byte| {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ => return byte == at && !is_quoted,
        }
        false
    });
    let parts = parts.collect();
    (!is_quoted).then_some(parts)
}

/// Reads `=SECONDS`. A number too large to be one is the largest there is (RFC 9110 §1.2.2).
fn wait(value: &[u8]) -> Result<Option<Duration>, &'static str> {
    if value.is_empty() {
        return Ok(None);
    }
    let digits = value.strip_prefix(b"=").map(<[u8]>::trim_ascii);
    let digits = digits.filter(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit));
    let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
    let digits = digits.ok_or("`Prefer: wait` is not a number of seconds")?;
    Ok(Some(Duration::from_secs(digits.parse().unwrap_or(u64::MAX))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(fields: &[(&HeaderName, &str)]) -> Result<Patience, Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Patience::read(&headers).map_err(|refusal| refusal.code)
    }

    fn waiting(seconds: u64) -> Patience {
        Patience { wait: Some(Duration::from_secs(seconds)), ..Patience::default() }
    }

    #[test]
    fn a_caller_says_how_long_it_waits() {
        let asynchronous = Patience { respond_async: true, ..Patience::default() };
        let both = Patience { respond_async: true, ..waiting(10) };
        for (line, expected) in [
            ("", Patience::default()),
            ("return=minimal", Patience::default()),
            ("handling=lenient; a=\"wait=5, respond-async\"", Patience::default()),
            ("x=\"\\\", wait=5\"", Patience::default()),
            ("wait=0", waiting(0)),
            ("WAIT = 20 ; why=\"so\"", waiting(20)),
            ("wait=99999999999999999999999", waiting(u64::MAX)),
            ("wait", Patience::default()),
            ("respond-async", asynchronous),
            (" , Respond-Async;a ,, timezone=America/Lima", asynchronous),
            ("respond-async, wait=10", both),
        ] {
            assert_eq!(read(&[(&PREFER, line)]), Ok(expected), "{line}");
        }
        assert_eq!(read(&[]), Ok(Patience::default()));
        assert_eq!(read(&[(&PREFER, "respond-async"), (&PREFER, "a,wait=10")]), Ok(both));
    }

    #[test]
    fn what_has_two_readings_or_none_is_refused() {
        for line in [
            "wait=",
            "wait=-1",
            "wait=+1",
            "wait=1.5",
            "wait=5s",
            "wait=\"5\"",
            "wait 5",
            "wait=5 6",
            "wait=5, wait=5",
            "respond-async, respond-async",
            "respond-async=1",
            "a=\"b",
            "a=\"b\\\"",
            "=5",
            "\"wait\"=5",
            "wait@5",
            ";wait=5",
        ] {
            assert_eq!(read(&[(&PREFER, line)]), Err(Code::MalformedHeader), "{line}");
        }
        assert_eq!(read(&[(&PREFER, "wait=5"), (&PREFER, "wait=6")]), Err(Code::MalformedHeader));
    }

    #[test]
    fn an_approval_is_named_once_in_its_one_spelling() {
        let id = "0000000000000000000000000000ab00";
        let named = Patience { approval: Some(ApprovalId::mint(0xab00)), ..Patience::default() };
        assert_eq!(read(&[(&HOOP_APPROVAL, id)]), Ok(named));
        for other in ["", "ab00", "0000000000000000000000000000AB00", &format!("{id} "), &format!("{id},{id}"), "é"] {
            assert_eq!(read(&[(&HOOP_APPROVAL, other)]), Err(Code::MalformedHeader), "{other:?}");
        }
        assert_eq!(read(&[(&HOOP_APPROVAL, id), (&HOOP_APPROVAL, id)]), Err(Code::MalformedHeader));
    }

    #[test]
    fn what_is_said_about_waiting_can_be_taken_out() {
        for (line, left) in [
            ("return=minimal", Some("return=minimal")),
            ("return=minimal,x=\"a,b\"", Some("return=minimal,x=\"a,b\"")),
            ("wait=5", None),
            ("Wait=5 , respond-async;q", None),
            ("a , wait=5,b;c=\"d,wait=1\"", Some("a, b;c=\"d,wait=1\"")),
            ("a=\"wait=5", Some("a=\"wait=5")),
        ] {
            assert_eq!(without(line.as_bytes()).as_deref(), left.map(str::as_bytes), "{line}");
        }
    }
}
