//! What the HTTP library would not show us: bare line feeds, a repeated `Content-Length`, and one beside a
//! `Transfer-Encoding`.
//!
//! The library mends all of them silently, so the gateway and whoever stands before it could read the same bytes differently
//! (HT-01, HT-02). The scanner follows the framing of every message on a connection, so that it knows what is a head;
//! it is never more lenient than the library, so both always agree on where the next head begins.

/// Longest line of a head or of a chunk's framing that is kept; the library's own limit on whole heads is the same.
const MAX_LINE_BYTES: usize = 64 << 10;
/// Longest chunk-size line with its extensions (RFC 9112 §7.1.1): nobody needs any.
const MAX_CHUNK_LINE_BYTES: usize = 256;

/// Follows the bytes of one connection.
#[derive(Debug)]
pub(crate) struct Scanner {
    place: Place,
    line: Vec<u8>,
    head: Head,
}

/// What to do with the bytes that were scanned.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Scanned {
    /// Hand all of them on.
    Pass,
    /// Hand on the first `good`, then a byte that no head may contain: the library answers 400 and closes.
    Poison { good: usize },
    /// Hand on the first `good` and read no further: what follows has no agreed meaning.
    Deaf { good: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Head,
    Body { left: u64 },
    ChunkSize,
    Chunk { left: u64 },
    ChunkEnd,
    Trailer,
    Deaf,
}

#[derive(Debug, Default)]
struct Head {
    lines: u32,
    length: Option<u64>,
    chunked: bool,
    /// A framing field that the head's reader refuses with its own reason.
    unclear: bool,
}

/// What is wrong with a line.
enum Wrong {
    Poison,
    Deaf,
}

impl Scanner {
    /// Starts at the first byte of a connection.
    pub(crate) fn new() -> Self {
        Self { place: Place::Head, line: Vec::new(), head: Head::default() }
    }

    /// Returns whether the first byte of a head has come and its last has not.
    pub(crate) fn is_mid_head(&self) -> bool {
        self.place == Place::Head && (self.head.lines > 0 || !self.line.is_empty())
    }

    /// Returns whether nothing more may be read.
    pub(crate) fn is_deaf(&self) -> bool {
        self.place == Place::Deaf
    }

    /// Follows the next bytes of the connection.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> Scanned {
        let mut rest = bytes;
        while !rest.is_empty() {
            let good = bytes.len() - rest.len();
            let taken = match &mut self.place {
                Place::Deaf => return Scanned::Deaf { good },
                Place::Body { left } => {
                    let taken = at_most(rest, *left);
                    *left -= taken as u64;
                    if *left == 0 {
                        self.place = Place::Head;
                    }
                    taken
                }
                Place::Chunk { left } => {
                    let taken = at_most(rest, *left);
                    *left -= taken as u64;
                    if *left == 0 {
                        self.place = Place::ChunkEnd;
                    }
                    taken
                }
                Place::Head | Place::ChunkSize | Place::ChunkEnd | Place::Trailer => match self.take_line(rest) {
                    Ok(taken) => taken,
                    Err(wrong) => {
                        self.place = Place::Deaf;
                        return match wrong {
                            Wrong::Poison => Scanned::Poison { good },
                            Wrong::Deaf => Scanned::Deaf { good },
                        };
                    }
                },
            };
            rest = rest.get(taken..).unwrap_or(&[]);
        }
        Scanned::Pass
    }

    /// Takes bytes up to and with the next line feed.
    fn take_line(&mut self, rest: &[u8]) -> Result<usize, Wrong> {
        let in_head = self.place == Place::Head;
        let limit = if in_head || self.place == Place::Trailer { MAX_LINE_BYTES } else { MAX_CHUNK_LINE_BYTES };
        let end = rest.iter().position(|&b| b == b'\n');
        let taken = end.map_or(rest.len(), |at| at + 1);
        if self.line.len() + taken > limit {
            return Err(if in_head { Wrong::Poison } else { Wrong::Deaf });
        }
        self.line.extend_from_slice(rest.get(..taken).unwrap_or(rest));
        if end.is_some() {
            let mut line = std::mem::take(&mut self.line);
            let outcome = self.end_line(&line);
            line.clear();
            // Heads of ordinary length keep their buffer; a long one gives its memory back.
            if line.capacity() <= 1024 {
                self.line = line;
            }
            outcome?;
        }
        Ok(taken)
    }

    fn end_line(&mut self, line: &[u8]) -> Result<(), Wrong> {
        let in_head = self.place == Place::Head;
        let Some(line) = line.strip_suffix(b"\r\n") else {
            return Err(if in_head { Wrong::Poison } else { Wrong::Deaf });
        };
        match self.place {
            Place::Head if line.is_empty() && self.head.lines == 0 => Ok(()),
            Place::Head if line.is_empty() => self.end_head(),
            Place::Head => self.head.read_line(line),
            Place::ChunkSize => {
                let size = chunk_size(line).ok_or(Wrong::Deaf)?;
                self.place = if size == 0 { Place::Trailer } else { Place::Chunk { left: size } };
                Ok(())
            }
            Place::ChunkEnd if line.is_empty() => {
                self.place = Place::ChunkSize;
                Ok(())
            }
            Place::ChunkEnd => Err(Wrong::Deaf),
            Place::Trailer => {
                if line.is_empty() {
                    self.place = Place::Head;
                }
                Ok(())
            }
            Place::Body { .. } | Place::Chunk { .. } | Place::Deaf => Err(Wrong::Deaf),
        }
    }

    fn end_head(&mut self) -> Result<(), Wrong> {
        let head = std::mem::take(&mut self.head);
        self.place = match (head.unclear, head.chunked, head.length) {
            (true, ..) => Place::Deaf,
            (false, true, _) => Place::ChunkSize,
            (false, false, None | Some(0)) => Place::Head,
            (false, false, Some(left)) => Place::Body { left },
        };
        Ok(())
    }
}

impl Head {
    fn read_line(&mut self, line: &[u8]) -> Result<(), Wrong> {
        self.lines = self.lines.saturating_add(1);
        if self.lines == 1 {
            return Ok(());
        }
        let Some(colon) = line.iter().position(|&b| b == b':') else { return Ok(()) };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or(&[]).trim_ascii();
        let name = name.trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            // The library takes the same length twice for one.
            if self.length.is_some() {
                return Err(Wrong::Poison);
            }
            match number(value, 10) {
                Some(length) => self.length = Some(length),
                None => {
                    self.length = Some(0);
                    self.unclear = true;
                }
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.unclear |= self.chunked || value != b"chunked";
            self.chunked = true;
        }
        if self.chunked && self.length.is_some() { Err(Wrong::Poison) } else { Ok(()) }
    }
}

fn at_most(rest: &[u8], left: u64) -> usize {
    usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()))
}

/// RFC 9112 §7.1: hexadecimal digits, then nothing or an extension.
fn chunk_size(line: &[u8]) -> Option<u64> {
    number(line.split(|&b| b == b';').next()?, 16)
}

fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok().filter(|t| t.chars().all(|c| c.is_digit(radix)))?;
    u64::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scans in one piece and byte by byte; both must agree on how many bytes are good.
    fn scan(text: &str) -> (Scanned, Scanner) {
        let mut whole = Scanner::new();
        let scanned = whole.scan(text.as_bytes());
        let mut slow = Scanner::new();
        let stopped = text.bytes().position(|b| slow.scan(&[b]) != Scanned::Pass);
        match &scanned {
            Scanned::Pass => assert_eq!(stopped, None, "{text:?}"),
            Scanned::Poison { good } | Scanned::Deaf { good } => assert!(stopped >= Some(*good), "{text:?}"),
        }
        (scanned, whole)
    }

    fn poisons(text: &str) -> bool {
        matches!(scan(text).0, Scanned::Poison { .. })
    }

    #[test]
    fn a_bare_line_feed_in_a_head_is_poison() {
        assert!(poisons("GET / HTTP/1.1\nHost: a\r\n\r\n"));
        assert!(poisons("GET / HTTP/1.1\r\nHost: a\n\r\n"));
        assert!(poisons("GET / HTTP/1.1\r\nHost: a\r\n\n"));
        assert!(poisons("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\n"));
    }

    #[test]
    fn ht_01_length_beside_coding_is_poison_before_the_head_ends() {
        let te = "Transfer-Encoding: chunked\r\n";
        for text in [
            format!("POST / HTTP/1.1\r\ncontent-LENGTH: 3\r\n{te}\r\nabc"),
            format!("POST / HTTP/1.1\r\n{te}X: y\r\nContent-Length :3\r\n\r\n"),
        ] {
            let (Scanned::Poison { good }, _) = scan(&text) else { panic!("{text:?}") };
            assert!(good < text.find("\r\n\r\n").unwrap());
        }
    }

    #[test]
    fn bodies_are_followed_to_the_next_head() {
        let next = "GET / HTTP/1.1\nX: y\r\n\r\n";
        for before in [
            "POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\na\nb\nc\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\nb\r\n1;x=y\r\n\n\r\n0\r\nT: u\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        ] {
            let (scanned, scanner) = scan(before);
            assert_eq!(scanned, Scanned::Pass, "{before:?}");
            assert!(!scanner.is_mid_head() && !scanner.is_deaf());
            assert_eq!(scan(&format!("{before}{next}")).0, Scanned::Poison { good: before.len() });
        }
    }

    #[test]
    fn ht_01_a_second_content_length_is_poisoned_also_when_it_says_the_same() {
        let first = "POST / HTTP/1.1\r\nContent-Length: 3\r\n";
        for second in ["Content-Length: 3\r\n", "content-length:4\r\n", "Content-Length: \r\n"] {
            assert_eq!(scan(&format!("{first}{second}\r\nabc")).0, Scanned::Poison { good: first.len() }, "{second:?}");
        }
    }

    #[test]
    fn what_has_no_agreed_length_ends_the_connection() {
        for head in [
            "POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert_eq!(scan(&format!("{head}abc")).0, Scanned::Deaf { good: head.len() }, "{head:?}");
        }
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for body in ["3 \r\nabc", "0x3\r\nabc", "\r\n", "3\nabc", "1\r\nab\r\n", "ffffffffffffffff0\r\n"] {
            assert!(matches!(scan(&format!("{chunked}{body}")).0, Scanned::Deaf { .. }), "{body:?}");
        }
        assert!(scan("GET / HTTP").1.is_mid_head());
    }
}
