//! YAML 1.2 (core schema, §10.3) as values that know where they stand.
//!
//! Configuration needs no anchors, aliases, tags, merge keys or duplicate keys; each is an error, because each is a way
//! for a reader and a machine to see different things.

use super::ManifestError;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;

const MAX_DEPTH: usize = 32;

/// A place in a document: the path of keys and indices, joined as `spec.claims.ref` or `spec.audiences[0]`.
pub(super) type Places = BTreeMap<String, (usize, usize)>;

/// One YAML document.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) value: Value,
    pub(super) places: Places,
}

/// Reads every document of a text.
pub(super) fn parse(text: &str) -> Result<Vec<Parsed>, ManifestError> {
    let mut reader = Reader { parser: Parser::new_from_str(text) };
    let mut documents = Vec::new();
    loop {
        let (event, at) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok(documents),
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
            content @ (Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_)) => {
                let mut places = Places::new();
                let value = reader.node(content, at, "", 0, &mut places)?;
                if value != Value::Null {
                    documents.push(Parsed { value, places });
                }
            }
            Event::SequenceEnd | Event::MappingEnd => return Err(error(at.start, "unexpected end of a collection")),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), ManifestError> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(scan)) => Err(error(*scan.marker(), scan.info())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(
        &mut self,
        event: Event<'a>,
        at: Span,
        path: &str,
        depth: usize,
        places: &mut Places,
    ) -> Result<Value, ManifestError> {
        places.insert(path.to_owned(), position(at.start));
        if depth > MAX_DEPTH {
            return Err(error(at.start, "nested too deeply"));
        }
        match event {
            Event::Scalar(text, style, 0, None) => Ok(scalar(&text, style)),
            Event::SequenceStart(0, None) => self.sequence(path, depth, places),
            Event::MappingStart(0, None) => self.mapping(path, depth, places),
            Event::Alias(_) | Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                Err(error(at.start, "anchors, aliases and tags are not supported"))
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => Err(error(at.start, "a value is missing")),
        }
    }

    fn sequence(&mut self, path: &str, depth: usize, places: &mut Places) -> Result<Value, ManifestError> {
        let mut elements = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::Array(elements));
            }
            let element = format!("{path}[{}]", elements.len());
            elements.push(self.node(event, at, &element, depth + 1, places)?);
        }
    }

    fn mapping(&mut self, path: &str, depth: usize, places: &mut Places) -> Result<Value, ManifestError> {
        let mut members = Map::new();
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Object(members));
            }
            let Event::Scalar(key, _, 0, None) = event else {
                return Err(error(at.start, "a key must be plain text"));
            };
            let key = key.into_owned();
            if members.contains_key(&key) {
                return Err(error(at.start, &format!("`{key}` is written twice")));
            }
            let member = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let (event, value_at) = self.next()?;
            let value = self.node(event, value_at, &member, depth + 1, places)?;
            places.insert(member, position(at.start));
            members.insert(key, value);
        }
    }
}

/// Resolves a scalar by the core schema; only plain scalars are anything but text.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

/// Reads an integer or a float; a float where text is wanted is then an error and not silently text.
fn number(text: &str) -> Option<Number> {
    if let Ok(integer) = text.parse::<i64>() {
        return Some(Number::from(integer));
    }
    let numeric = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    if numeric { text.parse::<f64>().ok().and_then(Number::from_f64) } else { None }
}

fn position(at: Marker) -> (usize, usize) {
    (at.line(), at.col() + 1)
}

fn error(at: Marker, problem: &str) -> ManifestError {
    let (line, column) = position(at);
    ManifestError { line, column, problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_readers_could_see_differently_is_an_error_with_its_place() {
        for (text, line, column, problem) in [
            ("a: 1\na: 2", 2, 1, "`a` is written twice"),
            ("a: &x 1\nb: *x", 1, 7, "anchors, aliases and tags are not supported"),
            ("a: !!str 1", 1, 10, "anchors, aliases and tags are not supported"),
            ("? [a]\n: 1", 1, 3, "a key must be plain text"),
        ] {
            let found = parse(text).unwrap_err();
            assert_eq!((found.line, found.problem.as_str()), (line, problem), "{text:?} column {column}");
        }
        assert!(parse("a: [1").is_err());
        assert!(parse(&"[".repeat(100)).is_err());
    }

    #[test]
    fn only_plain_scalars_are_not_text() {
        let documents = parse("a: 1\nb: '1'\nc: true\nd: \"true\"\ne: |\n  x\n---\nf: ~\n").unwrap();
        assert_eq!(documents[0].value, serde_json::json!({"a": 1, "b": "1", "c": true, "d": "true", "e": "x\n"}));
        assert_eq!(documents[1].value, serde_json::json!({"f": null}));
    }
}
