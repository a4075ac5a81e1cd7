//! A backend with a tap: it keeps every byte it gets, per connection, before it makes anything of it.

use crate::certs::Certificate;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// Whose address is on every line of `/lines/N`.
pub const LINE_OWNER: &str = "line-owner@canary.example";

/// A request as the backend read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The target.
    pub target: String,
    /// The fields, names in lower case, in their order.
    pub fields: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

impl Seen {
    /// Returns every value of a field.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Returns method and target.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

#[derive(Default)]
struct Tape {
    connections: Mutex<Vec<Vec<u8>>>,
    seen: Mutex<Vec<Seen>>,
    open: Mutex<Vec<TcpStream>>,
    scripts: Mutex<BTreeMap<String, Vec<Vec<u8>>>>,
    released: (Mutex<bool>, Condvar),
    stopped: AtomicBool,
}

/// The running backend. It answers every request with JSON, except for these targets:
///
/// * those of [`Backend::says`] get that,
/// * `/lines/N` gets N lines of JSON of 1 KiB each, the last of them once [`Backend::release`] was called,
/// * `/silent…` gets no answer at all,
/// * `/hang-up…` gets its connection closed,
/// * `/redirect…` gets a redirect to `/redirected`,
/// * `/headers…` gets the fields of the request back.
pub struct Backend {
    address: SocketAddr,
    scheme: &'static str,
    tape: Arc<Tape>,
}

impl Backend {
    /// Starts one without TLS.
    #[must_use]
    pub fn start() -> Self {
        Self::serve("http", None)
    }

    /// Starts one with TLS.
    #[must_use]
    pub fn start_tls(certificate: &Certificate) -> Self {
        Self::serve("https", Some(certificate.server_config()))
    }

    fn serve(scheme: &'static str, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let tape = Arc::new(Tape::default());
        let kept = Arc::clone(&tape);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if kept.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (tape, tls) = (Arc::clone(&kept), tls.clone());
                std::thread::spawn(move || converse(stream, tls, &tape));
            }
        });
        Self { address, scheme, tape }
    }

    /// Returns where it is, as a connection's `upstream`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Returns its address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets it answer requests for a target with exactly these bytes, each part written by itself.
    pub fn says(&self, target: &str, parts: &[&[u8]]) {
        let parts = parts.iter().map(|part| part.to_vec()).collect();
        self.tape.scripts.lock().unwrap().insert(target.to_owned(), parts);
    }

    /// Lets every answer come to its end that waits for this.
    pub fn release(&self) {
        *self.tape.released.0.lock().unwrap() = true;
        self.tape.released.1.notify_all();
    }

    /// Returns every byte it got, per connection; with TLS, what was inside.
    #[must_use]
    pub fn connections(&self) -> Vec<Vec<u8>> {
        self.tape.connections.lock().unwrap().clone()
    }

    /// Returns how many bytes it got.
    #[must_use]
    pub fn byte_count(&self) -> usize {
        self.tape.connections.lock().unwrap().iter().map(Vec::len).sum()
    }

    /// Forgets everything it got.
    pub fn forget(&self) {
        let mut connections = self.tape.connections.lock().unwrap();
        let mut seen = self.tape.seen.lock().unwrap();
        connections.iter_mut().for_each(Vec::clear);
        seen.clear();
    }

    /// Returns the requests it read.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.tape.seen.lock().unwrap().clone()
    }

    /// Returns method and target of the requests it read.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.tape.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        for stream in self.tape.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn converse(stream: TcpStream, tls: Option<Arc<rustls::ServerConfig>>, tape: &Tape) {
    let kept = stream.try_clone().unwrap();
    tape.open.lock().unwrap().extend(stream.try_clone());
    let _ = stream.set_nodelay(true);
    let connection = {
        let mut connections = tape.connections.lock().unwrap();
        connections.push(Vec::new());
        connections.len() - 1
    };
    // Whatever ends the conversation, the tape has what came.
    let _ = match tls {
        None => Talk { stream, tape, connection, unread: Vec::new() }.run(),
        Some(config) => rustls::ServerConnection::new(config).map_err(io::Error::other).and_then(|session| {
            let stream = rustls::StreamOwned::new(session, stream);
            Talk { stream, tape, connection, unread: Vec::new() }.run()
        }),
    };
    // The clones keep the socket open.
    let _ = kept.shutdown(Shutdown::Both);
}

struct Talk<'a, S> {
    stream: S,
    tape: &'a Tape,
    connection: usize,
    unread: Vec<u8>,
}

impl<S: Read + Write> Talk<'_, S> {
    fn run(&mut self) -> io::Result<()> {
        loop {
            let request = self.read_request()?;
            self.tape.seen.lock().unwrap().push(request.clone());
            let target = request.target.as_str();
            let script = self.tape.scripts.lock().unwrap().get(target).cloned();
            if let Some(parts) = script {
                for part in parts {
                    self.stream.write_all(&part)?;
                    self.stream.flush()?;
                }
                continue;
            }
            if let Some(lines) = target.strip_prefix("/lines/").and_then(|lines| lines.parse().ok()) {
                self.write_lines(lines)?;
                continue;
            }
            if target.starts_with("/hang-up") {
                return Ok(());
            }
            if target.starts_with("/silent") {
                loop {
                    self.fill()?;
                }
            }
            let redirects = target.starts_with("/redirect") && target != "/redirected";
            let (status, extra) = if redirects { ("302 Found", "Location: /redirected\r\n") } else { ("200 OK", "") };
            let mut body = json!({"method": request.method, "target": target, "bodyBytes": request.body.len()});
            if target.starts_with("/headers") {
                body["headers"] = json!(request.fields);
            }
            let body = if request.method == "HEAD" { String::new() } else { body.to_string() };
            let head = format!(
                "HTTP/1.1 {status}\r\n{extra}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            self.stream.write_all((head + &body).as_bytes())?;
            self.stream.flush()?;
        }
    }

    fn write_lines(&mut self, lines: u64) -> io::Result<()> {
        self.stream.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n",
        )?;
        for number in 1..=lines {
            if number == lines {
                self.stream.flush()?;
                let released = self.tape.released.0.lock().unwrap();
                drop(self.tape.released.1.wait_while(released, |released| !*released).unwrap());
            }
            let start = format!("{{\"line\":{number},\"owner\":\"{LINE_OWNER}\",\"text\":\"");
            let line = format!("{start:x<1020}\"}}\n");
            self.stream.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes())?;
        }
        self.stream.write_all(b"0\r\n\r\n")?;
        self.stream.flush()
    }

    fn read_request(&mut self) -> io::Result<Seen> {
        let head = self.take_through(b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let fields = lines.filter_map(|line| line.split_once(':'));
        let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        let mut request = Seen { method, target, fields, body: Vec::new() };
        if request.values("transfer-encoding") == ["chunked"] {
            request.body = self.take_chunks()?;
        } else if let Some(length) = request.values("content-length").first().and_then(|v| v.parse().ok()) {
            request.body = self.take(length)?;
        }
        Ok(request)
    }

    fn take_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.take_through(b"\r\n")?;
            let size = std::str::from_utf8(&line).ok().and_then(|l| usize::from_str_radix(l.trim(), 16).ok());
            let size = size.ok_or(io::ErrorKind::InvalidData)?;
            if size == 0 {
                self.take_through(b"\r\n")?;
                return Ok(body);
            }
            body.extend(self.take(size)?);
            self.take_through(b"\r\n")?;
        }
    }

    fn take_through(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
                return self.take(at + end.len());
            }
            self.fill()?;
        }
    }

    fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < count {
            self.fill()?;
        }
        Ok(self.unread.drain(..count).collect())
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        let count = self.stream.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.tape.connections.lock().unwrap()[self.connection].extend_from_slice(&buffer[..count]);
        self.unread.extend_from_slice(&buffer[..count]);
        Ok(())
    }
}
