//! Origins: scheme, host and port (RFC 6454 §4), in one spelling.

use std::fmt;

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Plaintext.
    Http,
    /// TLS with a verified certificate.
    Https,
}

/// A scheme, host and port. The host is a lower-case DNS name, an IPv4 address or a bracketed IPv6 address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin {
    /// Whether it is encrypted.
    pub scheme: Scheme,
    /// The host as a URL has it.
    pub host: Box<str>,
    /// The port, 1 to 65535.
    pub port: u16,
}

/// Says that a text is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an origin: `http://` or `https://`, a lower-case host, and optionally a port")]
pub struct InvalidOrigin;

impl Origin {
    /// Parses `https://host[:port]`, with nothing behind it.
    ///
    /// # Errors
    /// [`InvalidOrigin`] for user information, a path, an upper-case host, or port 0.
    pub fn parse(text: &str) -> Result<Self, InvalidOrigin> {
        let (scheme, authority) = split_scheme(text)?;
        Self::of_authority(scheme, authority)
    }

    /// Parses the origin of an absolute URL and disregards its path.
    ///
    /// # Errors
    /// As [`Origin::parse`].
    pub fn of_url(text: &str) -> Result<Self, InvalidOrigin> {
        let (scheme, rest) = split_scheme(text)?;
        let authority = rest.split(['/', '?', '#']).next().ok_or(InvalidOrigin)?;
        Self::of_authority(scheme, authority)
    }

    fn of_authority(scheme: Scheme, authority: &str) -> Result<Self, InvalidOrigin> {
        let host_end = match authority.strip_prefix('[') {
            Some(rest) => rest.find(']').ok_or(InvalidOrigin)? + 2,
            None => authority.find(':').unwrap_or(authority.len()),
        };
        let (host, rest) = authority.split_at_checked(host_end).ok_or(InvalidOrigin)?;
        let port = match (rest.strip_prefix(':'), scheme) {
            (Some(digits), _) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| InvalidOrigin)?
            }
            (None, Scheme::Http) if rest.is_empty() => 80,
            (None, Scheme::Https) if rest.is_empty() => 443,
            _ => return Err(InvalidOrigin),
        };
        if port == 0 || !is_host(host) {
            return Err(InvalidOrigin);
        }
        Ok(Self { scheme, host: host.into(), port })
    }

    /// Returns the host without the brackets of an IPv6 address, as a resolver wants it.
    #[must_use]
    pub fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Returns whether the host is a loopback address or `localhost`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.bare_host();
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Returns the `Host` header value for this origin (RFC 9110 §7.2): the port only where it is not the scheme's own.
    #[must_use]
    pub fn host_header(&self) -> String {
        match (self.scheme, self.port) {
            (Scheme::Http, 80) | (Scheme::Https, 443) => self.host.to_string(),
            (Scheme::Http | Scheme::Https, port) => format!("{}:{port}", self.host),
        }
    }
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), InvalidOrigin> {
    if let Some(rest) = text.strip_prefix("https://") {
        return Ok((Scheme::Https, rest));
    }
    text.strip_prefix("http://").map(|rest| (Scheme::Http, rest)).ok_or(InvalidOrigin)
}

fn is_host(host: &str) -> bool {
    if let Some(v6) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return v6.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label = |l: &str| {
        (1..=63).contains(&l.len()) && l.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
    };
    let numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    host.len() <= 253 && host.split('.').all(label) && (!numeric || host.parse::<std::net::Ipv4Addr>().is_ok())
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}", self.host_header())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl TryFrom<String> for Origin {
    type Error = InvalidOrigin;
    fn try_from(text: String) -> Result<Self, InvalidOrigin> {
        Self::parse(&text)
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_spelling() {
        for good in ["http://a.example", "https://127.0.0.1:8443", "http://[::1]:8080", "https://a_b.internal"] {
            assert_eq!(Origin::parse(good).unwrap().to_string(), good);
        }
        assert_eq!(Origin::parse("https://a:443").unwrap().to_string(), "https://a");
    }

    #[test]
    fn anything_but_an_origin_is_refused() {
        for bad in [
            "",
            "a",
            "ftp://a",
            "HTTPS://a",
            "https://",
            "https://A",
            "https://a/",
            "https://a?x",
            "https://u@a",
            "https://a:0",
            "https://a:",
            "https://a:+1",
            "https://a:99999",
            "https://a..b",
            "https://[::1",
            "https://[x]",
            "https://256.1.1.1",
            "https://0177.1",
            "https://a b",
            "https://а",
        ] {
            assert_eq!(Origin::parse(bad), Err(InvalidOrigin), "{bad:?}");
        }
    }
}
