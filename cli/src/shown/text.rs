//! Text from elsewhere on a terminal: what it cannot show as itself, it must not get.

use std::borrow::Cow;
use std::fmt::Write;

/// Writes out every character that would move the cursor, reorder the text around it or not be seen, as `\u{202e}`; and
/// the backslash as `\\`, so that no text can pretend to be escaped.
pub(crate) fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\\' {
            shown.push_str("\\\\");
        } else if deceives(character) {
            // `String` takes everything that is written to it.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Does the same to lines that are about to be printed, whoever put them together: line breaks and tabs stay, and so does
/// the backslash, which may be of something that is escaped already.
pub(crate) fn printable(lines: &str) -> Cow<'_, str> {
    let acts = |character: char| deceives(character) && !matches!(character, '\n' | '\t');
    if !lines.contains(acts) {
        return Cow::Borrowed(lines);
    }
    let mut shown = String::with_capacity(lines.len());
    for character in lines.chars() {
        if acts(character) {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Does the same to a JSON text, whose value stays the same: outside its strings there are no such characters.
pub(crate) fn escape_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if deceives(character) && character != '\n' {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Returns whether a character acts on a terminal, or on how other characters are seen, instead of being seen itself:
/// the general categories Cc, Zl, Zp and Cf of the Unicode Standard 16.0 (where the bidirectional controls are, UAX #9
/// §2), the fillers that show nothing, and what is no character.
pub(super) fn deceives(character: char) -> bool {
    let format = matches!(character,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}');
    let filler = matches!(character, '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}');
    let none = matches!(u32::from(character) & 0xffff, 0xfffe | 0xffff) || matches!(character, '\u{fdd0}'..='\u{fdef}');
    character.is_control() || format || filler || none
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_written_out() {
        for (text, shown) in [
            ("GET /orders/é 订单", "GET /orders/é 订单"),
            ("\u{1b}[2J\u{7}", r"\u{1b}[2J\u{7}"),
            ("a\nb\r\tc\u{7f}", r"a\u{a}b\u{d}\u{9}c\u{7f}"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("x\u{202e}gnp.exe\u{2066}\u{2069}", r"x\u{202e}gnp.exe\u{2066}\u{2069}"),
            ("a\u{200b}b\u{feff}\u{e0041}\u{2028}\u{3164}", r"a\u{200b}b\u{feff}\u{e0041}\u{2028}\u{3164}"),
            (r"\u{1b}", r"\\u{1b}"),
        ] {
            assert_eq!(escape(text), shown, "{text:?}");
            assert!(!escape(text).chars().any(deceives));
        }
    }

    #[test]
    fn lines_stay_lines_and_nothing_else_acts() {
        for (lines, shown) in [
            ("a\tb\n  \\u{1b} é", "a\tb\n  \\u{1b} é"),
            ("VERSION\n\u{1b}]0;owned\u{7}\r1.0", "VERSION\n\\u{1b}]0;owned\\u{7}\\u{d}1.0"),
            ("\u{9b}2J\u{202e}x", "\\u{9b}2J\\u{202e}x"),
        ] {
            assert_eq!(printable(lines), shown, "{lines:?}");
        }
    }

    #[test]
    fn an_escaped_json_text_has_the_same_value() {
        let value = serde_json::json!({"summary": "\u{1b}[2J \u{202e} \u{7f} \u{e0041} \\ é", "n": [1, null]});
        for json in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let shown = escape_json(&json);
            assert!(!shown.chars().any(|character| deceives(character) && character != '\n'), "{shown:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }
}
