//! The load: a closed loop per connection, a fixed number of requests in all.

use anyhow::{Context, bail, ensure};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// What to send.
#[derive(clap::Args)]
pub(crate) struct Load {
    /// Whom to ask.
    address: SocketAddr,
    /// The target of every request.
    target: String,
    /// How many keep-alive connections.
    #[arg(long)]
    connections: usize,
    /// How many requests in all.
    #[arg(long)]
    requests: usize,
    /// How many bytes every answer must have.
    #[arg(long)]
    bytes: usize,
    /// A file of bearer tokens, one per line: the first request has the first, and so on, over again from the start.
    #[arg(long)]
    tokens: Option<PathBuf>,
}

/// What it took.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Took {
    /// Requests per second.
    pub(crate) per_second: f64,
    /// The middle of the times of single requests, in microseconds.
    pub(crate) p50: f64,
    /// What one in a hundred exceeds.
    pub(crate) p99: f64,
}

struct Plan {
    /// Passed once every connection had its first answer.
    warm: Barrier,
    heads: Vec<Vec<u8>>,
    next: AtomicUsize,
    requests: usize,
    bytes: usize,
}

impl Load {
    /// Sends it. The clock starts when every connection has had one answer, so that it does not measure how they are made.
    pub(crate) async fn send(&self) -> anyhow::Result<Took> {
        ensure!(
            self.connections > 0 && self.requests >= 2 * self.connections,
            "fewer than two requests per connection"
        );
        let plan = Arc::new(Plan {
            warm: Barrier::new(self.connections + 1),
            heads: self.heads()?,
            next: AtomicUsize::new(0),
            requests: self.requests,
            bytes: self.bytes,
        });
        let mut streams = Vec::new();
        for _ in 0..self.connections {
            let stream = TcpStream::connect(self.address).await.context("connect")?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        let mut workers = JoinSet::new();
        streams.into_iter().for_each(|stream| drop(workers.spawn(work(stream, Arc::clone(&plan)))));
        let mut times = Vec::with_capacity(self.requests);
        let failed = tokio::select! {
            _ = plan.warm.wait() => None,
            failed = workers.join_next() => failed,
        };
        if let Some(failed) = failed {
            failed??;
            bail!("a connection ended before its first answer");
        }
        let start = Instant::now();
        while let Some(worked) = workers.join_next().await {
            times.extend(worked??);
        }
        let per_second = times.len() as f64 / start.elapsed().as_secs_f64();
        let answered = times.len() + self.connections;
        ensure!(answered == self.requests, "{answered} answers to {} requests", self.requests);
        times.sort_by(f64::total_cmp);
        Ok(Took { per_second, p50: times[times.len() / 2], p99: times[times.len() * 99 / 100] })
    }

    fn heads(&self) -> anyhow::Result<Vec<Vec<u8>>> {
        let head = |field: &str| {
            format!("GET {} HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\n{field}\r\n", self.target, self.address).into_bytes()
        };
        let Some(tokens) = &self.tokens else { return Ok(vec![head("")]) };
        let tokens = std::fs::read_to_string(tokens).context("read the tokens")?;
        Ok(tokens.lines().map(|token| head(&format!("Authorization: Bearer {token}\r\n"))).collect())
    }
}

async fn work(mut stream: TcpStream, plan: Arc<Plan>) -> anyhow::Result<Vec<f64>> {
    let mut times = Vec::new();
    let mut buffer = vec![0; 128 << 10];
    let mut is_warm = false;
    loop {
        let number = plan.next.fetch_add(1, Ordering::Relaxed);
        if number >= plan.requests {
            return Ok(times);
        }
        let start = Instant::now();
        stream.write_all(&plan.heads[number % plan.heads.len()]).await?;
        read_answer(&mut stream, &mut buffer, plan.bytes).await?;
        if is_warm {
            times.push(start.elapsed().as_secs_f64() * 1e6);
        } else {
            plan.warm.wait().await;
            is_warm = true;
        }
    }
}

/// Reads one answer whose body has a known length: its head, then so many bytes, in chunks or not.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8], bytes: usize) -> anyhow::Result<()> {
    let mut filled = 0;
    let head = loop {
        let count = stream.read(&mut buffer[filled..]).await?;
        ensure!(count > 0, "the connection was closed");
        filled += count;
        if let Some(at) = buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
    };
    if !buffer.starts_with(b"HTTP/1.1 200 ") {
        bail!("refused: {}", String::from_utf8_lossy(&buffer[..filled]));
    }
    let fields = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
    if fields.contains("\r\ntransfer-encoding: chunked\r\n") {
        while !buffer[head..filled].ends_with(b"0\r\n\r\n") {
            let count = stream.read(&mut buffer[filled..]).await?;
            ensure!(count > 0, "the answer is cut off");
            filled += count;
        }
        let found = chunked_bytes(&buffer[head..filled]).context("the chunks are broken")?;
        ensure!(found == bytes, "the answer has {found} bytes, not {bytes}");
        return Ok(());
    }
    while filled < head + bytes {
        let count = stream.read(&mut buffer[filled..]).await?;
        ensure!(count > 0, "the answer is cut off");
        filled += count;
    }
    ensure!(filled == head + bytes, "the answer is longer than {bytes} bytes");
    Ok(())
}

/// Counts the bytes in chunks (RFC 9112 §7.1).
fn chunked_bytes(mut rest: &[u8]) -> Option<usize> {
    let mut bytes = 0;
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(bytes);
        }
        bytes += size;
        rest = rest.get(end + 2 + size + 2..)?;
    }
}
