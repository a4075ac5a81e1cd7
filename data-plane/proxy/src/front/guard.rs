//! A client's connection with its clocks: how long a head, and a write, may take.

use super::raw_head::{Scanned, Scanner};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long a head may take from its first byte to its last (HT-16).
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to accept anything of what is written to it (HT-16).
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// No head may contain it (RFC 9110 §5.5, RFC 9112 §3), so the library answers 400.
const POISON: u8 = 0;

/// Wraps a client's stream: scans heads, and ends a connection that is too slow.
pub(crate) struct Guard<S> {
    stream: S,
    scanner: Scanner,
    head: Deadline,
    write: Deadline,
}

/// A deadline that is set at most once until it is cleared.
#[derive(Default)]
struct Deadline(Option<Pin<Box<Sleep>>>);

impl Deadline {
    /// Sets it unless it is set, and says whether it has passed.
    fn poll(&mut self, span: Duration, cx: &mut Context<'_>) -> Poll<()> {
        self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + span))).as_mut().poll(cx)
    }
}

impl<S> Guard<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, scanner: Scanner::new(), head: Deadline::default(), write: Deadline::default() }
    }

    fn scan(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let new = buf.filled().get(before..).unwrap_or(&[]);
        match self.scanner.scan(new) {
            Scanned::Pass => {}
            Scanned::Poison { good } => {
                buf.set_filled(before + good);
                buf.put_slice(&[POISON]);
            }
            Scanned::Deaf { good } => buf.set_filled(before + good),
        }
    }

    fn written<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(written) => {
                self.write.0 = None;
                Poll::Ready(written)
            }
            Poll::Pending => {
                ready!(self.write.poll(WRITE_TIMEOUT, cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.scanner.is_deaf() {
            let before = buf.filled().len();
            let read = Pin::new(&mut this.stream).poll_read(cx, buf)?;
            if read.is_ready() {
                let some = buf.filled().len() > before;
                this.scan(buf, before);
                if !this.scanner.is_mid_head() {
                    this.head.0 = None;
                }
                // A read that yields nothing would mean the end: it is one only if the stream said so.
                if !some || buf.filled().len() > before {
                    return Poll::Ready(Ok(()));
                }
            }
        }
        // Nothing is registered with a deaf stream: only the deadline, or the answer's end, ends its connection.
        if this.scanner.is_mid_head() || this.scanner.is_deaf() {
            ready!(this.head.poll(HEAD_TIMEOUT, cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.written(shut, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn ht_16_a_head_that_drips_is_cut_after_ten_seconds() {
        let (mut client, server) = tokio::io::duplex(1024);
        let mut guard = Guard::new(server);
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let drip = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
        });
        let start = Instant::now();
        let error = loop {
            if let Err(error) = guard.read_u8().await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), 10);
        drop(guard);
        drip.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn ht_16_a_client_that_does_not_read_is_cut() {
        let (_client, server) = tokio::io::duplex(16);
        let mut guard = Guard::new(server);
        let start = Instant::now();
        assert_eq!(guard.write_all(&[7; 64]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), WRITE_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn ht_01_a_head_with_two_lengths_is_poisoned_and_nothing_behind_it_is_read() {
        let (mut client, server) = tokio::io::duplex(1024);
        let mut guard = Guard::new(server);
        let head = b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil";
        client.write_all(head).await.unwrap();
        let mut got = Vec::new();
        assert_eq!(guard.read_to_end(&mut got).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(got, b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\0");
    }
}
