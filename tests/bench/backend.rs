//! The backend: answers that are made once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

type Answers = Arc<BTreeMap<Vec<u8>, Vec<u8>>>;

/// Serves until the process is killed.
pub(crate) async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let plain = [1 << 10, 64 << 10].map(|size| (format!("GET /{size} ").into_bytes(), answer(size)));
    let matching = [1 << 10, 64 << 10].map(|size| (format!("GET /m/{size} ").into_bytes(), matching(size)));
    let answers = Arc::new(plain.into_iter().chain(matching).collect::<BTreeMap<_, _>>());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(converse(stream, Arc::clone(&answers)));
    }
}

/// An answer whose JSON has exactly `size` bytes.
fn answer(size: usize) -> Vec<u8> {
    let filler = "x".repeat(size - r#"{"data":""}"#.len());
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n");
    format!("{head}{{\"data\":\"{filler}\"}}").into_bytes()
}

/// An answer of the same size in which there is an address every hundred bytes, which has as many bytes as what stands in
/// its place.
fn matching(size: usize) -> Vec<u8> {
    const ADDRESS: &str = "ada.l@mail.example";
    assert_eq!(ADDRESS.len(), "[masked:pii.email]".len());
    let start = format!("{{\"data\":[\"{}\"", "x".repeat(size % 100));
    let entry = format!(",\"{}{ADDRESS}\"", "x ".repeat(39));
    let mut body = start;
    while body.len() + entry.len() + 20 < size {
        body.push_str(&entry);
    }
    let filler = "x".repeat(size - body.len() - 5);
    let body = format!("{body},\"{filler}\"]}}");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    assert_eq!(body.len(), size);
    (head + &body).into_bytes()
}

async fn converse(mut stream: TcpStream, answers: Answers) -> std::io::Result<()> {
    let mut head = Vec::with_capacity(8 << 10);
    loop {
        // The load sends no bodies and waits for each answer, so what has come by then is one head.
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let found = answers.iter().find(|(start, _)| head.starts_with(start));
        let (_, answer) = found.ok_or(std::io::ErrorKind::InvalidData)?;
        stream.write_all(answer).await?;
        head.clear();
    }
}
