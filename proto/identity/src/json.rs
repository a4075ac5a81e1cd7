//! JSON, read strictly: one object, no key twice at any depth, bounded nesting, integers kept apart from other numbers.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// Deepest nesting of arrays and objects, the outermost object counted.
const MAX_DEPTH: usize = 32;

/// The members of an object.
pub(crate) type Object = BTreeMap<Box<str>, Json>;

/// A JSON value (RFC 8259), without the numbers that nothing here may compare.
#[derive(Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// A number written without fraction and exponent, from -2^63 to 2^64 - 1.
    Integer(i128),
    /// Any other number.
    Inexact,
    Text(Box<str>),
    List(Vec<Json>),
    Object(Object),
}

/// Reads exactly one object. `None` for anything else; the bytes' owner learns no more than that.
pub(crate) fn parse_object(bytes: &[u8]) -> Option<Object> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Node { depth: 0 }.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    if let Json::Object(object) = value { Some(object) } else { None }
}

impl Json {
    /// Returns the text, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Returns the elements, if it is an array.
    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(elements) = self { Some(elements) } else { None }
    }
}

/// Reads one value that stands beneath `depth` arrays and objects.
#[derive(Clone, Copy)]
struct Node {
    depth: usize,
}

impl Node {
    fn beneath<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        if depth <= MAX_DEPTH { Ok(Self { depth }) } else { Err(E::custom("nests too deeply")) }
    }
}

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Json;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Json, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Inexact)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let node = self.beneath()?;
        let mut elements = Vec::new();
        while let Some(element) = from.next_element_seed(node)? {
            elements.push(element);
        }
        Ok(Json::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let node = self.beneath()?;
        let mut members = Object::new();
        while let Some(key) = from.next_key::<Box<str>>()? {
            let value = from.next_value_seed(node)?;
            if members.insert(key, value).is_some() {
                return Err(A::Error::custom("repeats a key"));
            }
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_one_object_without_repetition() {
        for good in ["{}", " {\"a\":[1,{\"b\":null}]} ", "{\"a\":{\"k\":1},\"b\":{\"k\":1}}"] {
            assert!(parse_object(good.as_bytes()).is_some(), "{good}");
        }
        for bad in [
            "",
            "null",
            "[]",
            "{} {}",
            "{}x",
            "{\"a\":1,\"a\":1}",
            "{\"a\":1,\"\\u0061\":1}",
            "{\"a\":[{\"b\":1,\"b\":2}]}",
            "{\"a\":1e400}",
            "{\"a\":01}",
            "{\"a\":NaN}",
            "{\"a\":\"\\ud800\"}",
            "{'a':1}",
            "{\"a\":1,}",
            "\u{feff}{}",
        ] {
            assert!(parse_object(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(parse_object(b"{\"a\":\"\xff\"}").is_none());
    }

    #[test]
    fn nesting_is_bounded_exactly() {
        let nested = |arrays: usize| format!("{{\"a\":{}{}}}", "[".repeat(arrays), "]".repeat(arrays));
        assert!(parse_object(nested(MAX_DEPTH - 1).as_bytes()).is_some());
        for arrays in [MAX_DEPTH, 127, 128, 100_000] {
            assert!(parse_object(nested(arrays).as_bytes()).is_none(), "{arrays}");
        }
    }

    #[test]
    fn only_plain_integers_are_integers() {
        let read = |number: &str| parse_object(format!("{{\"a\":{number}}}").as_bytes()).unwrap().remove("a").unwrap();
        for (text, value) in [("0", 0), ("-1", -1), ("18446744073709551615", i128::from(u64::MAX))] {
            assert!(matches!(read(text), Json::Integer(n) if n == value), "{text}");
        }
        for text in ["1.0", "1e3", "-0", "18446744073709551616", "0.5"] {
            assert!(matches!(read(text), Json::Inexact), "{text}");
        }
    }
}
