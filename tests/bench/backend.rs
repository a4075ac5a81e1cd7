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
    let answers = [1 << 10, 64 << 10].map(|size| (format!("GET /{size} ").into_bytes(), answer(size)));
    let answers = Arc::new(BTreeMap::from(answers));
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
