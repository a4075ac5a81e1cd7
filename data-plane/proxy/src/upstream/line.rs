//! One connection to a backend, driven by whoever uses it.

use super::upload::Upload;
use hoop_gate::Cleared;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};

/// Most header fields of a response.
const MAX_HEADERS: usize = 100;
/// Largest response head, in bytes; also what one connection may buffer.
const MAX_BUFFER_BYTES: usize = 64 << 10;

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>>>>;

/// A connection to a backend. No task of its own reads or writes it: the request that uses it drives it, so the bytes
/// of a request leave in the very poll that hands it over, and a connection that is not in use costs nothing.
pub(crate) struct Line {
    sender: SendRequest<Upload>,
    /// `None` once the connection has ended.
    driver: Option<Driver>,
}

impl Line {
    /// Starts HTTP/1.1 on a stream; nothing is written yet.
    pub(crate) async fn open<S>(stream: S) -> hyper::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let mut builder = Builder::new();
        builder.max_headers(MAX_HEADERS).max_buf_size(MAX_BUFFER_BYTES);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        let mut line = Self { sender, driver: Some(Box::pin(connection)) };
        std::future::poll_fn(|cx| {
            line.drive(cx);
            Poll::Ready(())
        })
        .await;
        Ok(line)
    }

    /// Reads and writes what can be read and written.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && driver.as_mut().poll(cx).is_ready()
        {
            self.driver = None;
        }
    }

    /// Returns whether a request can be sent at once: the backend has neither closed nor said anything unasked.
    pub(crate) fn is_usable(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Returns whether the connection has not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.driver.is_some() && !self.sender.is_closed()
    }

    /// Sends a request that was cleared and waits for the head of its answer. The first poll writes.
    ///
    /// # Errors
    /// `None` where the connection ended without an answer and without a reason.
    pub(crate) async fn exchange(
        &mut self,
        cleared: Cleared,
        request: Request<Upload>,
    ) -> Result<Response<Incoming>, Option<hyper::Error>> {
        drop(cleared);
        let mut response = pin!(self.sender.send_request(request));
        let driver = &mut self.driver;
        std::future::poll_fn(|cx| {
            if let Some(connection) = driver
                && connection.as_mut().poll(cx).is_ready()
            {
                *driver = None;
            }
            match response.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(answer.map_err(Some)),
                Poll::Pending if driver.is_none() => Poll::Ready(Err(None)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}
