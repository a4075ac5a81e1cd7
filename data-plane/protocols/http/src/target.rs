//! The request target: one canonical form that is judged and forwarded.

use crate::escape::{MalformedTarget, Place, canonicalise};
use http::uri::PathAndQuery;

/// Longest target we accept, in bytes, before and after it is made canonical (RFC 9110 §4.1 asks for at least 8000).
pub const MAX_TARGET_BYTES: usize = 8 << 10;

/// A request target in the one form that is judged and forwarded: path, and the pairs of the query in their order.
///
/// A trailing slash is kept and is part of what is judged: `/orders/` and `/orders` are different paths with the
/// same segments, as they are to backends. A rule on `path` that means both says so; a rule on `segments` always does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// INVARIANT: `path` and `query` are what this decodes to; [`Target::canonical`] writes the three together.
    canonical: PathAndQuery,
    path: Box<str>,
    query: Vec<Pair>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Pair {
    key: Box<str>,
    value: Box<str>,
}

impl Target {
    /// Reads a path and query (RFC 3986 §3.3, §3.4) and brings it into canonical form.
    ///
    /// # Errors
    /// [`MalformedTarget`] for every target that two readers could read in two ways.
    pub fn canonical(path_and_query: &str) -> Result<Self, MalformedTarget> {
        if path_and_query.len() > MAX_TARGET_BYTES {
            return Err(MalformedTarget::TooLong);
        }
        let (raw_path, raw_query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        let mut canonical = String::with_capacity(path_and_query.len());
        let path = read_path(raw_path, &mut canonical)?;
        let query = match raw_query {
            Some(raw) => read_query(raw, &mut canonical)?,
            None => Vec::new(),
        };
        if canonical.len() > MAX_TARGET_BYTES {
            return Err(MalformedTarget::TooLong);
        }
        let canonical = PathAndQuery::from_maybe_shared(canonical.into_bytes());
        Ok(Self { canonical: canonical.map_err(|_| MalformedTarget::RawCharacter)?, path, query })
    }

    /// Returns what is forwarded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.canonical.as_str()
    }

    /// Returns what is forwarded without its query.
    #[must_use]
    pub fn canonical_path(&self) -> &str {
        self.canonical.path()
    }

    /// Returns the decoded path that policy sees.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the decoded segments of the path; none for `/`, and never an empty one.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter(|segment| !segment.is_empty())
    }

    /// Returns the decoded pairs of the query in their order. A key without `=` has the value `""`.
    pub fn query(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|pair| (&*pair.key, &*pair.value))
    }

    pub(crate) const fn path_and_query(&self) -> &PathAndQuery {
        &self.canonical
    }
}

fn read_path(raw: &str, canonical: &mut String) -> Result<Box<str>, MalformedTarget> {
    let below_root = raw.strip_prefix('/').ok_or(MalformedTarget::NotAPath)?;
    if below_root.is_empty() {
        canonical.push('/');
        return Ok("/".into());
    }
    let segments = below_root.strip_suffix('/').unwrap_or(below_root);
    let mut path = String::with_capacity(raw.len());
    for segment in segments.split('/') {
        canonical.push('/');
        path.push('/');
        match &*canonicalise(segment, Place::Segment, canonical)? {
            "" => return Err(MalformedTarget::EmptySegment),
            "." | ".." => return Err(MalformedTarget::DotSegment),
            decoded => path.push_str(decoded),
        }
    }
    if segments.len() < below_root.len() {
        canonical.push('/');
        path.push('/');
    }
    Ok(path.into())
}

fn read_query(raw: &str, canonical: &mut String) -> Result<Vec<Pair>, MalformedTarget> {
    let mut pairs = Vec::new();
    for pair in raw.split('&') {
        canonical.push(if pairs.is_empty() { '?' } else { '&' });
        let (raw_key, raw_value) = match pair.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (pair, None),
        };
        let key = canonicalise(raw_key, Place::Key, canonical)?;
        if key.is_empty() {
            return Err(MalformedTarget::AmbiguousQuery);
        }
        if overrides_method(&key) {
            return Err(MalformedTarget::MethodOverride);
        }
        let mut value = String::new();
        if let Some(raw_value) = raw_value {
            canonical.push('=');
            value = canonicalise(raw_value, Place::Value, canonical)?;
        }
        pairs.push(Pair { key: key.into(), value: value.into() });
    }
    Ok(pairs)
}

/// Returns whether a framework could read the key as one that replaces the method (HT-19).
fn overrides_method(key: &str) -> bool {
    matches!(
        as_frameworks_read(key).as_str(),
        "_method" | "_httpmethod" | "x_http_method" | "x_http_method_override" | "x_method_override"
    )
}

/// Returns the key as a lenient framework may read it: PHP drops leading spaces, cuts at `[`, and reads spaces and dots as
/// `_`; others do not tell cases apart.
pub(crate) fn as_frameworks_read(key: &str) -> String {
    let name = key.split('[').next().unwrap_or(key).trim();
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests;
