//! Data class: a kind of sensitive data, how it is recognised and how it is transformed.

use super::{InvalidSpec, require};
use std::fmt;

/// Longest class name, in bytes, so that a masked value stays a short one.
const MAX_CLASS_BYTES: usize = 127;
/// Longest part of a class name, in bytes.
const MAX_PART_BYTES: usize = 63;
/// Most field names of a class.
const MAX_FIELDS: usize = 64;
/// Longest field name, in bytes.
const MAX_FIELD_BYTES: usize = 64;
/// Most characters that a transform may keep.
const MAX_KEPT: u8 = 4;

/// The class of the credentials that the gateway injects.
const INJECTED: &str = "secret.injected";

/// The name of a data class: parts of `[a-z0-9_-]{1,63}` joined by dots, 127 bytes at most.
///
/// It is not a [`crate::ResourceName`], which is a host label and so has no dots: a DataClass object has a name of its
/// own (`pii-card`) and says in its spec which class it declares (`pii.card`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClassName(Box<str>);

/// Says that a text is not the name of a data class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a data class: parts of `a-z`, `0-9`, `_` and `-`, joined by dots")]
pub struct InvalidClassName;

impl ClassName {
    /// Parses a name once, at the edge.
    ///
    /// # Errors
    /// [`InvalidClassName`] for an empty part, an over-long or a differently spelled text.
    pub fn parse(text: &str) -> Result<Self, InvalidClassName> {
        let is_spelled = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let is_part = |part: &str| (1..=MAX_PART_BYTES).contains(&part.len()) && part.bytes().all(is_spelled);
        let fits = text.len() <= MAX_CLASS_BYTES && text.split('.').all(is_part);
        if fits { Ok(Self(text.into())) } else { Err(InvalidClassName) }
    }

    /// Returns the class of the credentials that the gateway itself injects. It is always masked.
    #[must_use]
    pub fn injected() -> Self {
        Self(INJECTED.into())
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether this name, as a selector, means `class`: it is that class, or begins it up to a dot. `pii` covers
    /// `pii` and `pii.email`, but not `piiemail`.
    #[must_use]
    pub fn covers(&self, class: &Self) -> bool {
        class.0.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl fmt::Display for ClassName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClassName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

impl TryFrom<String> for ClassName {
    type Error = InvalidClassName;
    fn try_from(text: String) -> Result<Self, InvalidClassName> {
        Self::parse(&text)
    }
}

impl From<ClassName> for String {
    fn from(name: ClassName) -> Self {
        name.0.into()
    }
}

/// What the gateway recognises by content. Each is also a class that exists without being declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Builtin {
    /// An e-mail address (RFC 5321 §4.1.2, without quoted local parts and address literals).
    Email,
    /// A payment card number (ISO/IEC 7812-1): 13 to 19 digits, a known issuer, a right check digit.
    PaymentCard,
    /// A token that authenticates its bearer to a service.
    ApiKey,
    /// A JSON Web Token (RFC 7519) in compact form.
    Jwt,
    /// A PEM private key (RFC 7468).
    PrivateKey,
}

impl Builtin {
    /// Every one of them.
    pub const ALL: [Self; 5] = [Self::Email, Self::PaymentCard, Self::ApiKey, Self::Jwt, Self::PrivateKey];

    /// Returns the name of the class that exists without being declared.
    #[must_use]
    pub fn class(self) -> ClassName {
        ClassName(self.class_text().into())
    }

    const fn class_text(self) -> &'static str {
        match self {
            Self::Email => "pii.email",
            Self::PaymentCard => "pii.payment_card",
            Self::ApiKey => "secret.api_key",
            Self::Jwt => "secret.jwt",
            Self::PrivateKey => "secret.private_key",
        }
    }
}

/// How values of a class are recognised: by content, by the name of the field that holds them, or both.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recognise {
    /// What is recognised by content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builtin: Option<Builtin>,
    /// Names of fields whose whole value belongs to the class. Compared without regard to ASCII case, `_` and `-`:
    /// `card_number`, `Card-Number` and `cardNumber` are one name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

/// What stands in place of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Transform {
    /// `[masked:CLASS]`.
    Redact,
    /// Asterisks, then the last letters and digits: this many, 1 to 4, but never more than a quarter of them.
    KeepLast(u8),
    /// `CLASS:HEX16`, a keyed hash: equal values stay equal within a cluster.
    KeyedHash,
}

/// A kind of sensitive data.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataClass {
    /// The class that is declared. One of a built-in name takes the built-in's place.
    pub class: ClassName,
    /// How its values are recognised.
    pub recognise: Recognise,
    /// What stands in their place.
    pub transform: Transform,
}

impl DataClass {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`InvalidSpec`] for the first field that is wrong.
    pub fn check(&self) -> Result<(), InvalidSpec> {
        let Recognise { builtin, fields } = &self.recognise;
        require(builtin.is_some() || !fields.is_empty(), "recognise", "must say `builtin`, `fields` or both")?;
        require(fields.len() <= MAX_FIELDS, "recognise.fields", "must be at most 64")?;
        let is_name = |name: &String| name.len() <= MAX_FIELD_BYTES && name.bytes().any(|b| !matches!(b, b'_' | b'-'));
        require(self.class.0.as_ref() != INJECTED, "class", "must not be `secret.injected`: it always exists")?;
        require(fields.iter().all(is_name), "recognise.fields", "must be 1 to 64 bytes, and not only `_` and `-`")?;
        let keeps = match self.transform {
            Transform::Redact => return Ok(()),
            Transform::KeepLast(n) => (1..=MAX_KEPT).contains(&n),
            Transform::KeyedHash => true,
        };
        require(keeps, "transform.keepLast", "must be 1 to 4")?;
        // A key has no bound, and what is masked while it streams by can neither be hashed nor have an end to keep.
        require(*builtin != Some(Builtin::PrivateKey), "transform", "of private keys must be `redact`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(json: &str) -> Result<DataClass, String> {
        let class: DataClass = serde_json::from_str(json).map_err(|e| e.to_string())?;
        class.check().map_err(|e| e.to_string())?;
        Ok(class)
    }

    #[test]
    fn a_class_name_has_dotted_parts() {
        for good in ["pii", "pii.email", "secret.api_key", "a-b.c.0", &"x".repeat(63)] {
            assert_eq!(ClassName::parse(good).unwrap().as_str(), good);
        }
        let long = format!("{}.{}.x", "x".repeat(63), "x".repeat(62));
        for bad in ["", ".", "a.", ".a", "a..b", "A", "a b", "a/b", "а", "a\n", &"x".repeat(64), &long] {
            assert_eq!(ClassName::parse(bad), Err(InvalidClassName), "{bad:?}");
        }
    }

    #[test]
    fn a_selector_covers_whole_parts() {
        let name = |text| ClassName::parse(text).unwrap();
        for (selector, covered) in [("pii", "pii"), ("pii", "pii.email"), ("pii.email", "pii.email"), ("a", "a.b.c")] {
            assert!(name(selector).covers(&name(covered)), "{selector} {covered}");
        }
        for (selector, other) in [("pii", "piix"), ("pii", "pi"), ("pii.email", "pii"), ("pii.e", "pii.email")] {
            assert!(!name(selector).covers(&name(other)), "{selector} {other}");
        }
    }

    #[test]
    fn every_class_that_exists_undeclared_has_a_name_that_parses() {
        for class in Builtin::ALL.map(Builtin::class).into_iter().chain([ClassName::injected()]) {
            assert_eq!(ClassName::parse(class.as_str()), Ok(class));
        }
    }

    #[test]
    fn what_an_administrator_writes_is_read_and_written_alike() {
        let json = r#"{"class":"pii.card","recognise":{"builtin":"payment_card","fields":["card_number"]},"transform":{"keepLast":4}}"#;
        let read = class(json).unwrap();
        assert_eq!(read.recognise.builtin, Some(Builtin::PaymentCard));
        assert_eq!(read.transform, Transform::KeepLast(4));
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        let plain = class(r#"{"class":"pii.ssn","recognise":{"fields":["ssn"]},"transform":"keyedHash"}"#).unwrap();
        assert_eq!((plain.recognise.builtin, plain.transform), (None, Transform::KeyedHash));
    }

    #[test]
    fn a_class_that_says_nothing_or_too_much_is_wrong() {
        let spec = |recognise: &str, transform: &str| {
            class(&format!(r#"{{"class":"a","recognise":{recognise},"transform":{transform}}}"#)).unwrap_err()
        };
        let fields = r#"{"fields":["a"]}"#;
        let many = format!(r#"{{"fields":[{}"a"]}}"#, r#""a","#.repeat(64));
        for (recognise, transform, says) in [
            ("{}", r#""redact""#, "must say `builtin`, `fields` or both"),
            (r#"{"fields":[""]}"#, r#""redact""#, "must be 1 to 64 bytes"),
            (r#"{"fields":["_-"]}"#, r#""redact""#, "must be 1 to 64 bytes"),
            (many.as_str(), r#""redact""#, "must be at most 64"),
            (fields, r#"{"keepLast":0}"#, "must be 1 to 4"),
            (fields, r#"{"keepLast":5}"#, "must be 1 to 4"),
            (fields, r#"{"keepLast":-1}"#, "invalid value"),
            (fields, r#""keepLast""#, "newtype variant"),
            (fields, r#""encrypt""#, "unknown variant"),
            (r#"{"builtin":"private_key"}"#, r#"{"keepLast":4}"#, "must be `redact`"),
            (r#"{"builtin":"private_key"}"#, r#""keyedHash""#, "must be `redact`"),
            (r#"{"builtin":"iban"}"#, r#""redact""#, "unknown variant"),
            (r#"{"fields":["a"],"pattern":"x"}"#, r#""redact""#, "unknown field"),
        ] {
            let problem = spec(recognise, transform);
            assert!(problem.contains(says), "{recognise} {transform}: {problem}");
        }
        let injected = class(r#"{"class":"secret.injected","recognise":{"fields":["a"]},"transform":"redact"}"#);
        assert!(injected.unwrap_err().contains("always exists"));
    }
}
