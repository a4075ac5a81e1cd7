//! JSON values as YAML 1.2 in block style.

use super::text::deceives;
use serde_json::Value;
use std::fmt::Write;

/// Writes a value as one YAML document. Text is quoted unless every reader takes it for text.
pub(crate) fn yaml(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Array(items) if !items.is_empty() => sequence(items, 0, &mut text),
        Value::Object(members) if !members.is_empty() => mapping(members, 0, &mut text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            text.push_str(&scalar(value));
            text.push('\n');
        }
    }
    text
}

fn sequence(items: &[Value], indent: usize, to: &mut String) {
    for item in items {
        let _ = write!(to, "{:indent$}-", "");
        match item {
            // The first member stands behind the dash, the others below it.
            Value::Object(members) if !members.is_empty() => {
                let mut below = String::new();
                mapping(members, indent + 2, &mut below);
                let _ = write!(to, " {}", below.trim_start_matches(' '));
            }
            Value::Array(items) if !items.is_empty() => {
                to.push('\n');
                sequence(items, indent + 2, to);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                let _ = writeln!(to, " {}", scalar(item));
            }
        }
    }
}

fn mapping(members: &serde_json::Map<String, Value>, indent: usize, to: &mut String) {
    for (key, value) in members {
        let _ = write!(to, "{:indent$}{}:", "", quoted(key));
        match value {
            Value::Object(members) if !members.is_empty() => {
                to.push('\n');
                mapping(members, indent + 2, to);
            }
            Value::Array(items) if !items.is_empty() => {
                to.push('\n');
                sequence(items, indent, to);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                let _ = writeln!(to, " {}", scalar(value));
            }
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Writes text plainly where it begins with a letter, has nothing that means something to YAML, and is none of the
/// words that YAML 1.1 takes for something else; and in double quotes (YAML 1.2.2 §7.3.1) everywhere else.
fn quoted(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.'))
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    if plain {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            character if deceives(character) => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(character));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn block_style_reads_as_people_write_it() {
        let value = json!([
            {"apiVersion": "hoop/v1", "metadata": {"generation": 1, "name": "react"}, "spec": {"for": ["https://a:1"], "none": {}}},
            {"list": [[1, 2], "no", "12", ""], "off": null}
        ]);
        let written = "\
- apiVersion: hoop/v1
  metadata:
    generation: 1
    name: react
  spec:
    for:
    - \"https://a:1\"
    none: {}
- list:
  -
    - 1
    - 2
  - \"no\"
  - \"12\"
  - \"\"
  \"off\": null
";
        assert_eq!(yaml(&value), written);
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_value() {
        let value = json!({
            "cedar": "permit (\n  principal,\n\taction\r\n);\n", "deceives": "\u{1b}[2J\u{202e}\u{e0041}\u{85}\\ \"x\" 'y'",
            "numbers": [0, -1, i64::MAX, true, null], "words": ["true", "~", "- a", "a: b", "#", "1h", "é", " a "],
            "empty": [[], {}, ""], "a key: of sorts": [{"a": [{"b": {}}]}],
        });
        let read = crate::manifest::parse_value(&yaml(&value));
        assert_eq!(read, value);
    }
}
