//! Policy text: statements, positions, and a bound on nesting.
//!
//! The text is cut into statements before Cedar sees it, so that each keeps its position and parses alone. The cut
//! follows the tokens of Cedar 4 (`parser/grammar.lalrpop`): a string ends at the next `"` that no `\` precedes, a
//! comment runs from `//` to the end of the line (CR or LF), and `;` occurs nowhere else but at a statement's end.

use hoop_model::ResourceName;

/// Deepest nesting of brackets. Cedar descends recursively and looks at the stack in its evaluator and type-checker
/// only; a level of brackets costs its parser some 15 KiB of stack in a debug build.
const MAX_DEPTH: usize = 16;
/// Most operators and opening brackets in one statement: `a || b || c` is a tree as deep as it is long, at some 3 KiB
/// of stack for each. Comparisons do not chain and are not counted. Long lists belong in a set, which is flat.
const MAX_OPERATORS: usize = 256;

/// Says where a policy text is wrong, in the administrator's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy `{policy}`, line {line}, column {column}: {message}")]
pub struct CompileError {
    /// The Policy object.
    pub policy: ResourceName,
    /// The line in its text, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// A mistake at a byte of the text.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    pub(crate) at: usize,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    /// Reads the position and the words off one of Cedar's errors.
    pub(crate) fn of_cedar(error: &dyn miette::Diagnostic) -> Self {
        let at = error.labels().and_then(|mut labels| labels.next()).map_or(0, |label| label.offset());
        let message = match error.help() {
            Some(help) => format!("{error}: {help}"),
            None => error.to_string(),
        };
        Self { at, message }
    }

    /// Places a mistake of one statement in the text as a whole.
    pub(crate) fn within(mut self, piece: &Piece<'_>) -> Self {
        self.at += piece.start;
        self
    }

    pub(crate) fn in_policy(self, policy: &ResourceName, text: &str) -> CompileError {
        let (line, column) = self.position(text);
        CompileError { policy: policy.clone(), line, column, message: self.message }
    }

    /// Returns the line and the column in characters, both from 1.
    pub(crate) fn position(&self, text: &str) -> (usize, usize) {
        let before = text.get(..self.at).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        (line, column)
    }
}

/// One statement's text, without what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    /// Where it begins in the text as a whole.
    pub(crate) start: usize,
}

enum Inside {
    Code,
    String,
    Comment,
}

/// Cuts a text into its statements.
pub(crate) fn split(text: &str) -> Result<Vec<Piece<'_>>, Problem> {
    let mut pieces = Vec::new();
    let mut inside = Inside::Code;
    let mut open = Open::default();
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        match (&inside, byte) {
            (Inside::String, b'\\') => drop(bytes.next()),
            (Inside::String, b'"') | (Inside::Comment, b'\n' | b'\r') => inside = Inside::Code,
            (Inside::String | Inside::Comment, _) => {}
            (Inside::Code, b'/') if bytes.peek().is_some_and(|&(_, next)| next == b'/') => inside = Inside::Comment,
            (Inside::Code, b';') => {
                let start = open.start.unwrap_or(at);
                pieces.extend(text.get(start..=at).map(|text| Piece { text, start }));
                open = Open::default();
            }
            (Inside::Code, _) if byte.is_ascii_whitespace() => open.word = false,
            (Inside::Code, _) => {
                open.start.get_or_insert(at);
                open.see(text, at, byte)?;
                if byte == b'"' {
                    inside = Inside::String;
                }
            }
        }
    }
    match (open.start, pieces.is_empty()) {
        (Some(at), _) => Err(Problem::new(at, "this statement does not end with `;`")),
        (None, true) => Err(Problem::new(0, "there is no statement in this text")),
        (None, false) => Ok(pieces),
    }
}

/// The statement being read.
#[derive(Default)]
struct Open {
    start: Option<usize>,
    depth: usize,
    /// Operators and opening brackets, each counted twice: `&&` is two bytes.
    halves: usize,
    /// Whether the last byte belongs to a word.
    word: bool,
}

impl Open {
    fn see(&mut self, text: &str, at: usize, byte: u8) -> Result<(), Problem> {
        let is_word = byte.is_ascii_alphanumeric() || byte == b'_';
        let starts_word = is_word && !self.word;
        self.word = is_word;
        match byte {
            b'(' | b'[' | b'{' => self.depth += 1,
            b')' | b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.halves += match byte {
            b'(' | b'[' | b'{' | b'!' | b'.' | b'+' | b'-' | b'*' => 2,
            b'&' | b'|' => 1,
            // `if … else if …` nests without any punctuation.
            b'i' if starts_word && text.get(at..).is_some_and(|rest| rest.starts_with("if")) => 2,
            _ => 0,
        };
        if self.depth > MAX_DEPTH {
            return Err(Problem::new(at, format!("brackets are nested more than {MAX_DEPTH} deep")));
        }
        if self.halves > 2 * MAX_OPERATORS {
            let message = format!("this statement has more than {MAX_OPERATORS} operators: split it");
            return Err(Problem::new(at, message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        split(text).unwrap().into_iter().map(|p| p.text).collect()
    }

    #[test]
    fn a_semicolon_in_a_string_or_a_comment_ends_nothing() {
        let text = "// a; b\r@message(\"x;\\\";//\")\nforbid(principal,\n// ;\n action, resource); permit(a);\n// end;";
        let first = "@message(\"x;\\\";//\")\nforbid(principal,\n// ;\n action, resource);";
        assert_eq!(texts(text), [first, "permit(a);"]);
    }

    #[test]
    fn a_text_without_a_finished_statement_is_wrong() {
        assert_eq!(split(" // nothing; here").unwrap_err(), Problem::new(0, "there is no statement in this text"));
        assert_eq!(split("permit(a);\n x \";").unwrap_err().at, 12);
    }

    #[test]
    fn a_position_counts_characters() {
        let error = Problem::new(9, "x").in_policy(&ResourceName::parse("p").unwrap(), "a\n\"é\u{1F980}\"!");
        assert_eq!((error.line, error.column), (2, 4));
    }

    #[test]
    fn nesting_is_bounded_however_it_is_written() {
        for deep in ["(", "[", "{"] {
            let problem = split(&deep.repeat(MAX_DEPTH + 1)).unwrap_err();
            assert_eq!(problem.message, "brackets are nested more than 16 deep");
        }
        for long in ["a||", "a.", "a+", "if a then a else ", "!", "-"] {
            let problem = split(&long.repeat(MAX_OPERATORS + 1)).unwrap_err();
            assert!(problem.message.ends_with("split it"), "{long}: {}", problem.message);
        }
    }
}
