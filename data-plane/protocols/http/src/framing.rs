//! How long a message's body is: one reading, or none.

use crate::fields::at_most_one;
use http::{HeaderMap, header};

/// What a head says about its body (RFC 9112 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Nothing: a request has no body, a response ends with the connection.
    Unsaid,
    /// `Content-Length`, in bytes.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

impl Framing {
    /// Reads the framing fields; the error is a sentence fit for the peer.
    ///
    /// Stricter than RFC 9112 §6.3: both fields together, a repeated field even with equal values, and any coding
    /// but exactly `chunked` have no reading, because peers are known to disagree on each of them.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, &'static str> {
        let length = at_most_one(headers, &header::CONTENT_LENGTH).map_err(|_| "`Content-Length` is repeated")?;
        let coding = at_most_one(headers, &header::TRANSFER_ENCODING).map_err(|_| "`Transfer-Encoding` is repeated")?;
        match (length, coding) {
            (None, None) => Ok(Self::Unsaid),
            (Some(length), None) => {
                parse_length(length.as_bytes()).map(Self::Length).ok_or("`Content-Length` is not one number")
            }
            (None, Some(coding)) if coding.as_bytes() == b"chunked" => Ok(Self::Chunked),
            (None, Some(_)) => Err("`Transfer-Encoding` is not exactly `chunked`"),
            (Some(_), Some(_)) => Err("`Content-Length` and `Transfer-Encoding` contradict each other"),
        }
    }
}

/// Digits only (RFC 9110 §8.6), and at most `i64::MAX`, the largest number policy knows.
fn parse_length(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value).ok().filter(|v| v.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok().filter(|&length| i64::try_from(length).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(fields: &[(&str, &[u8])]) -> Result<Framing, &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(http::HeaderName::try_from(*name).unwrap(), http::HeaderValue::from_bytes(value).unwrap());
        }
        Framing::of(&headers)
    }

    #[test]
    fn ht_01_length_and_coding_together_have_no_reading() {
        let cl: (&str, &[u8]) = ("content-length", b"6");
        let te: (&str, &[u8]) = ("transfer-encoding", b"chunked");
        assert!(framing(&[cl, te]).is_err());
        assert!(framing(&[te, cl]).is_err());
        assert_eq!(framing(&[cl]), Ok(Framing::Length(6)));
        assert_eq!(framing(&[te]), Ok(Framing::Chunked));
        assert_eq!(framing(&[]), Ok(Framing::Unsaid));
    }

    #[test]
    fn ht_02_a_coding_is_exactly_chunked_once() {
        let bad: [&[u8]; 11] = [
            b"xchunked",
            b": chunked",
            b"chunked\t",
            b" chunked",
            b"chunked, identity",
            b"identity, chunked",
            b"gzip, chunked",
            b"chunked,",
            b"Chunked",
            b"identity",
            b"",
        ];
        for value in bad {
            assert!(framing(&[("transfer-encoding", value)]).is_err(), "{value:?}");
        }
        assert!(framing(&[("transfer-encoding", b"chunked"), ("transfer-encoding", b"chunked")]).is_err());
    }

    #[test]
    fn ht_01_a_length_is_one_number() {
        let bad: [&[u8]; 12] = [
            b"",
            b"+6",
            b"-1",
            b"6, 6",
            b"6,",
            b"0x6",
            b"6 ",
            b" 6",
            b"6.0",
            b"1e3",
            b"9223372036854775808",
            "６".as_bytes(),
        ];
        for value in bad {
            assert!(framing(&[("content-length", value)]).is_err(), "{value:?}");
        }
        assert!(framing(&[("content-length", b"6"), ("content-length", b"6")]).is_err());
        assert_eq!(framing(&[("content-length", b"9223372036854775807")]), Ok(Framing::Length(i64::MAX as u64)));
        assert_eq!(framing(&[("content-length", b"007")]), Ok(Framing::Length(7)));
    }
}
