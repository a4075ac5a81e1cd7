//! A backend's answer on its way down, and what becomes of its connection and its record afterwards.

use super::keeping::Hashing;
use super::line::Line;
use super::pool::PoolKey;
use super::showing::Showing;
use super::upload::Progress;
use crate::hold::spending::Spending;
use crate::meter::Tally;
use crate::shard::Shard;
use crate::walk::session::Using;
use crate::world::Backend;
use bytes::Bytes;
use hoop_audit::{AnswerEnd, CommandId, Content, Entry, MAX_KEPT_BYTES, Response};
use hoop_http::mask::{BodyMasker, Masked, Uninspectable};
use hoop_model::{Code, Refusal};
use hoop_policy::mask::{MaskPlan, MaskedCounts};
use http::StatusCode;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// By how much a masked piece may be longer than the piece until more room is made, in bytes.
const ROOM_BYTES: usize = 128;

/// Keeps the account of one command that was allowed. Dropping it writes the record of how it ended, so it is written
/// whatever happens: answered, refused by the backend, cut off by either side.
pub(crate) struct Account {
    shard: Rc<Shard>,
    /// Keeps the session open while the command lasts.
    held: Rc<Using>,
    command: CommandId,
    began: Instant,
    /// How long the backend took until the head of its answer.
    waited: Duration,
    /// 0 until something was said to the caller.
    status: u16,
    upload: Option<Rc<Progress>>,
    bytes_out: u64,
    ended: AnswerEnd,
    masked: MaskedCounts,
    shown: MaskedCounts,
    content: Option<Content>,
    /// What the command was released with, if it needed that.
    spending: Option<Spending>,
}

impl Account {
    pub(crate) fn open(shard: Rc<Shard>, held: Rc<Using>, command: CommandId, spending: Option<Spending>) -> Self {
        Self {
            shard,
            held,
            command,
            began: Instant::now(),
            waited: Duration::ZERO,
            status: 0,
            upload: None,
            bytes_out: 0,
            ended: AnswerEnd::Refused,
            masked: MaskedCounts::default(),
            shown: MaskedCounts::default(),
            content: None,
            spending,
        }
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

    /// Returns the plan by which the caller is answered, if policy shows it classified values of this backend: policy as
    /// it is at this moment. Nothing is shown where the lease is over, or the backend is not the one that was judged.
    pub(crate) fn view(&self, backend: &Backend, plan: &Arc<MaskPlan>) -> Option<Arc<MaskPlan>> {
        self.shard.look(|world| self.held.view(&self.shard, world, backend, plan)).ok().flatten()
    }

    /// Notes that the backend answered.
    pub(crate) fn answered(&mut self) {
        self.waited = self.began.elapsed();
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
            ended: self.ended,
            masked: listed(&self.masked),
            shown: listed(&self.shown),
            request: self.upload.as_ref().and_then(|upload| upload.kept()),
            answer: self.content.take(),
        });
        self.shard.note(&entry, self.held.id);
    }
}

fn listed(counts: &MaskedCounts) -> Vec<(Box<str>, u64)> {
    counts.iter().map(|(class, count)| (class.as_str().into(), count)).collect()
}

/// A backend's answer. It drives the connection it comes over.
pub(crate) struct Answer {
    incoming: Incoming,
    /// `None` once the connection went back to the pool.
    line: Option<Line>,
    key: PoolKey,
    upload: Rc<Progress>,
    account: Account,
    masking: Masking,
    tally: Option<Tally>,
    failed: bool,
}

/// What an answer's body goes through.
struct Masking {
    plan: Arc<MaskPlan>,
    /// `None` where there is nothing to inspect, and once the body is over.
    masker: Option<BodyMasker>,
    /// What the record has, where the caller sees more.
    showing: Option<Box<Showing>>,
    hashing: Hashing,
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
    /// What follows cannot be masked, and may not go on.
    #[error("the rest of the backend's answer cannot be masked")]
    Uninspectable(#[source] Uninspectable),
}

impl Broken {
    const fn end(&self) -> AnswerEnd {
        match self {
            Self::Backend(_) => AnswerEnd::Backend,
            Self::Cut => AnswerEnd::Cut,
            Self::Uninspectable(_) => AnswerEnd::Uninspectable,
        }
    }
}

impl Answer {
    pub(crate) fn new(
        incoming: Incoming,
        (line, key): (Line, PoolKey),
        upload: Rc<Progress>,
        mut account: Account,
        (plan, masked, showing): (Arc<MaskPlan>, Masked, Option<Box<Showing>>),
    ) -> Self {
        let Masked { body, counts } = masked;
        account.ended = AnswerEnd::Caller;
        account.masked = counts;
        // What the caller sees is kept only where the record may have it.
        let masker = body.map(|masker| if showing.is_some() { masker } else { masker.keeping(MAX_KEPT_BYTES) });
        let masking = Masking { plan, masker, showing, hashing: Hashing::default() };
        Self { incoming, line: Some(line), key, upload, account, masking, tally: None, failed: false }
    }

    /// Has the command counted once the answer is over.
    pub(crate) fn counts(&mut self, mut tally: Tally, status: StatusCode) {
        tally.answered();
        tally.waited(self.account.waited);
        tally.told(status);
        self.tally = Some(tally);
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

    fn fail(&mut self, broken: Broken) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.failed = true;
        self.account.ended = broken.end();
        if let (Broken::Backend(_), Some(tally)) = (&broken, &mut self.tally) {
            tally.broke_off();
        }
        if let Broken::Uninspectable(error) = &broken {
            tracing::warn!(%error, "an answer was cut off: the rest of it cannot be masked");
        }
        Poll::Ready(Some(Err(broken)))
    }

    /// Takes the next bytes; returns what of them may go on by now.
    fn pass(&mut self, data: Bytes) -> Result<Bytes, Uninspectable> {
        let Masking { plan, masker, showing, hashing } = &mut self.masking;
        hashing.pass(plan, &data);
        if let Some(showing) = showing {
            showing.feed(&data)?;
        }
        let Some(masker) = masker else { return Ok(data) };
        let mut out = Vec::with_capacity(data.len() + ROOM_BYTES);
        masker.feed(&data, &mut out)?;
        Ok(out.into())
    }

    /// Takes the end; returns what may still go on.
    fn finish(&mut self) -> Result<Bytes, Uninspectable> {
        let mut out = Vec::new();
        if let Some(showing) = &mut self.masking.showing {
            showing.finish()?;
        }
        if let Some(masker) = &mut self.masking.masker {
            masker.finish(&mut out)?;
        }
        self.account.ended = AnswerEnd::Whole;
        self.settle();
        Ok(out.into())
    }

    /// Hands what is kept of the body to the account.
    fn settle(&mut self) {
        let Masking { masker, showing, hashing, .. } = &mut self.masking;
        let (masker, showing) = (masker.take(), showing.take());
        if let Some(masker) = &masker {
            self.account.masked.add(masker.counts());
        }
        if let Some(showing) = &showing {
            self.account.shown = showing.shown();
        }
        let kept = showing.as_deref().map(Showing::kept).or(masker.as_ref().map(BodyMasker::kept));
        let content = hashing.finish(kept.unwrap_or_default());
        self.account.content = self.account.content.take().or(content);
    }

    fn frame(&mut self, data: Bytes) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.account.bytes_out = self.account.bytes_out.saturating_add(data.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        if this.upload.is_cut(cx) {
            return this.fail(Broken::Cut);
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
                    return match this.finish() {
                        Ok(rest) if rest.is_empty() => Poll::Ready(None),
                        Ok(rest) => this.frame(rest),
                        Err(error) => this.fail(Broken::Uninspectable(error)),
                    };
                }
                Poll::Ready(Some(Err(error))) => return this.fail(Broken::Backend(error)),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data().map(|data| this.pass(data)) {
                    Ok(Ok(masked)) if !masked.is_empty() => return this.frame(masked),
                    Ok(Err(error)) => return this.fail(Broken::Uninspectable(error)),
                    // Nothing of it may go on yet. Trailers end here: `Trailer` is hop-by-hop, and nobody judged them.
                    Ok(Ok(_)) | Err(_) => cx.waker().wake_by_ref(),
                },
            }
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.masking.masker.is_none() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.masking.masker.is_some() { SizeHint::default() } else { self.incoming.size_hint() }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // The server does not ask again once it has every byte of a body whose length it knows.
        if self.incoming.is_end_stream() {
            self.end();
            if self.masking.masker.is_none() && self.account.ended == AnswerEnd::Caller {
                self.account.ended = AnswerEnd::Whole;
            }
        }
        self.settle();
    }
}
