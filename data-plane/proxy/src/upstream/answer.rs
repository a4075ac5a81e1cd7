//! A backend's answer on its way down, and what becomes of its connection and its record afterwards.

use super::line::Line;
use super::pool::PoolKey;
use super::upload::Progress;
use crate::hold::spending::Spending;
use crate::shard::Shard;
use crate::walk::session::Using;
use bytes::Bytes;
use hoop_audit::{CommandId, Entry, Response};
use hoop_model::{Code, Refusal};
use http::StatusCode;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// Keeps the account of one command that was allowed. Dropping it writes the record of how it ended, so it is written
/// whatever happens: answered, refused by the backend, cut off by either side.
pub(crate) struct Account {
    shard: Rc<Shard>,
    /// Keeps the session open while the command lasts.
    held: Rc<Using>,
    command: CommandId,
    began: Instant,
    /// 0 until something was said to the caller.
    status: u16,
    upload: Option<Rc<Progress>>,
    bytes_out: u64,
    /// What the command was released with, if it needed that.
    spending: Option<Spending>,
}

impl Account {
    pub(crate) fn open(shard: Rc<Shard>, held: Rc<Using>, command: CommandId, spending: Option<Spending>) -> Self {
        Self { shard, held, command, began: Instant::now(), status: 0, upload: None, bytes_out: 0, spending }
    }

    /// Notes what the caller is told.
    pub(crate) fn told(&mut self, status: StatusCode) {
        self.status = status.as_u16();
    }

    /// Notes that the command is being sent. Of a command that people released, that is recorded before the first byte.
    ///
    /// # Errors
    /// [`Code::RecorderUnavailable`]: nothing may be sent.
    pub(crate) fn sending(&mut self, upload: &Rc<Progress>) -> Result<(), Box<Refusal>> {
        if let Some(spending) = &mut self.spending {
            if self.shard.record(&Entry::Forwarded(self.command), self.held.id).is_err() {
                let sentence = "the evidence could not be written";
                return Err(Box::new(Refusal::because(Code::RecorderUnavailable, sentence)));
            }
            spending.sent();
        }
        self.began = Instant::now();
        self.upload = Some(Rc::clone(upload));
        self.held.began(upload);
        Ok(())
    }

    /// Notes that the backend answered.
    pub(crate) fn answered(&mut self) {
        if let Some(mut spending) = self.spending.take() {
            spending.answered();
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let entry = Entry::Response(Response {
            command: self.command,
            status: u32::from(self.status),
            bytes_in: self.upload.as_ref().map_or(0, |upload| upload.bytes()),
            bytes_out: self.bytes_out,
            duration: self.began.elapsed(),
        });
        self.shard.note(&entry, self.held.id);
    }
}

/// A backend's answer. It drives the connection it comes over.
pub(crate) struct Answer {
    incoming: Incoming,
    /// `None` once the connection went back to the pool.
    line: Option<Line>,
    key: PoolKey,
    upload: Rc<Progress>,
    account: Account,
    failed: bool,
}

/// Says why an answer is not whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The backend did not finish it.
    #[error("the backend's answer broke off")]
    Backend(#[source] hyper::Error),
    /// The caller may not have the rest of it.
    #[error("the session ended, or this node's authority ran out")]
    Cut,
}

impl Answer {
    pub(crate) fn new(incoming: Incoming, line: Line, key: PoolKey, upload: Rc<Progress>, account: Account) -> Self {
        Self { incoming, line: Some(line), key, upload, account, failed: false }
    }

    /// Keeps the connection only if both bodies came to their end and nothing went wrong (HT-08).
    fn end(&mut self) {
        if let Some(line) = self.line.take()
            && !self.failed
            && self.upload.is_whole()
            && line.is_open()
        {
            self.account.shard.pool.borrow_mut().put(self.key, line);
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        if this.upload.is_cut(cx) {
            this.failed = true;
            return Poll::Ready(Some(Err(Broken::Cut)));
        }
        // A second round, because asking for a frame is what lets the connection read the next one.
        for _ in 0..2 {
            if let Some(line) = &mut this.line {
                line.drive(cx);
            }
            match Pin::new(&mut this.incoming).poll_frame(cx) {
                Poll::Pending => {}
                Poll::Ready(None) => {
                    this.end();
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(error))) => {
                    this.failed = true;
                    return Poll::Ready(Some(Err(Broken::Backend(error))));
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        this.account.bytes_out = this.account.bytes_out.saturating_add(data.len() as u64);
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                    // Trailers end here: `Trailer` is hop-by-hop, and nobody judged them.
                    Err(_) => {
                        cx.waker().wake_by_ref();
                    }
                },
            }
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // The server does not ask again once it has every byte of a body whose length it knows.
        if self.incoming.is_end_stream() {
            self.end();
        }
    }
}
