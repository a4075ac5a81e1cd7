//! Bytes on a socket: a client that sends exactly what it is told, and reads answers strictly.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a peer must be silent until it is taken to have nothing more to say.
const SILENCE: Duration = Duration::from_millis(700);

/// An HTTP answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The fields, names in lower case.
    pub fields: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the only value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Reads the body as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// Returns the code of a refusal, which must be a whole problem object (RFC 9457).
    ///
    /// # Panics
    /// When the answer is not one.
    #[must_use]
    pub fn refusal(&self) -> String {
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "not a refusal: {self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        let code = problem["code"].as_str().unwrap_or_else(|| panic!("no code: {problem}"));
        assert_eq!(self.field("hoop-refusal"), Some(code));
        code.to_owned()
    }
}

/// One keep-alive connection.
pub struct Client {
    reader: BufReader<TcpStream>,
    host: String,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// As the system says.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { reader: BufReader::new(stream), host: address.to_string() })
    }

    /// Returns the port of its own end.
    ///
    /// # Errors
    /// As the system says.
    pub fn port(&self) -> io::Result<u16> {
        self.reader.get_ref().local_addr().map(|address| address.port())
    }

    /// Sends one request and reads its whole answer.
    ///
    /// # Errors
    /// When the connection ends before the answer does, or the answer is not HTTP/1.
    pub fn request(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> io::Result<Answer> {
        let mut message = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.host).into_bytes();
        for (name, value) in fields {
            message.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if let Some(body) = body {
            message.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        message.extend_from_slice(b"\r\n");
        message.extend_from_slice(body.unwrap_or_default());
        self.reader.get_mut().write_all(&message)?;
        read_answer(&mut self.reader, method == "HEAD")
    }

    /// Sends a request with a bearer token and no body.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn send(&mut self, method: &str, target: &str, token: &str) -> io::Result<Answer> {
        self.request(method, target, &[("Authorization", &format!("Bearer {token}"))], None)
    }
}

/// Sends one request on a connection of its own.
///
/// # Errors
/// As [`Client::request`].
pub fn once(address: SocketAddr, method: &str, target: &str, token: &str) -> io::Result<Answer> {
    Client::connect(address)?.send(method, target, token)
}

/// Sends exactly these bytes, keeps its side open, and returns what comes back until the peer closes or is silent.
#[must_use]
pub fn raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    // A peer that refuses may close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut back = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        back.extend_from_slice(&buffer[..count]);
    }
    back
}

/// Returns the answers in what came back, and what is left over and is none.
#[must_use]
pub fn answers(mut bytes: &[u8]) -> (Vec<Answer>, Vec<u8>) {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let mut reader = bytes;
        let Ok(answer) = read_answer(&mut reader, false) else { break };
        found.push(answer);
        bytes = reader;
    }
    (found, bytes.to_vec())
}

fn read_answer(reader: &mut impl BufRead, is_head: bool) -> io::Result<Answer> {
    let status_line = read_line(reader)?;
    // The version is the server's; a request of HTTP/1.0 may be answered in kind.
    let rest = status_line.strip_prefix("HTTP/1.1 ").or_else(|| status_line.strip_prefix("HTTP/1.0 "));
    let status = rest.and_then(|rest| rest.get(..3)?.parse().ok());
    let Some(status) = status else { return Err(broken(&format!("status line {status_line:?}"))) };
    let mut fields = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| broken(&format!("field {line:?}")))?;
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, fields, body: Vec::new() };
    if is_head || status == 204 || status == 304 {
        return Ok(answer);
    }
    if answer.field("transfer-encoding") == Some("chunked") {
        read_chunks(reader, &mut answer.body)?;
    } else {
        let length = answer.field("content-length").and_then(|length| length.parse().ok());
        answer.body = vec![0; length.ok_or_else(|| broken("no length"))?];
        reader.read_exact(&mut answer.body)?;
    }
    Ok(answer)
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let line = read_line(reader)?;
        let size = usize::from_str_radix(&line, 16).map_err(|_| broken(&format!("chunk size {line:?}")))?;
        let start = body.len();
        body.resize(start + size, 0);
        reader.read_exact(&mut body[start..])?;
        if !read_line(reader)?.is_empty() {
            return Err(broken("chunk end"));
        }
        if size == 0 {
            return Ok(());
        }
    }
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    let Some(text) = line.strip_suffix(b"\r\n") else { return Err(io::ErrorKind::UnexpectedEof.into()) };
    Ok(String::from_utf8_lossy(text).into_owned())
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed answer: {what}"))
}
