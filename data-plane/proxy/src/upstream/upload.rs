//! The request's body on its way up.

use super::keeping::Keeping;
use bytes::Bytes;
use hoop_audit::Content;
use hoop_policy::mask::MaskPlan;
use http::HeaderMap;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// How long a caller may take for the next piece of its body (HT-16).
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A caller's body, as the backend takes it. Trailers do not go on: nobody judged them.
pub(crate) struct Upload {
    payload: Payload,
    progress: Rc<Progress>,
    idle: Option<Pin<Box<Sleep>>>,
}

/// Where a body comes from.
pub(crate) enum Payload {
    /// The caller, while it is sent.
    Streaming(Incoming),
    /// It was captured: these bytes and no others.
    Captured(Full<Bytes>),
}

/// How far an upload has come, and whether the exchange is cut; shared by both bodies and the session.
#[derive(Debug)]
pub(crate) struct Progress {
    bytes: Cell<u64>,
    moved: Cell<Instant>,
    end: Cell<Option<End>>,
    cut: Cell<bool>,
    /// What is kept of it for the record; `None` if it is empty.
    keeping: RefCell<Option<Box<Keeping>>>,
    /// The task that moves both bodies.
    waiting: RefCell<Option<Waker>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Broken,
}

/// Says that the caller's body stopped coming.
#[derive(Debug, thiserror::Error)]
#[error("the caller's body stopped coming")]
pub(crate) struct Stopped;

impl Progress {
    /// Returns how many bytes went on.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Returns when the last byte went on, or when the upload began.
    pub(crate) fn moved(&self) -> Instant {
        self.moved.get()
    }

    /// Returns whether the whole body went on.
    pub(crate) fn is_whole(&self) -> bool {
        self.end.get() == Some(End::Whole)
    }

    /// Ends the exchange: neither body moves any more.
    pub(crate) fn cut(&self) {
        self.cut.set(true);
        if let Some(task) = self.waiting.take() {
            task.wake();
        }
    }

    /// Returns whether the exchange was cut; otherwise the task is woken when it is.
    pub(crate) fn is_cut(&self, cx: &Context<'_>) -> bool {
        if !self.cut.get() {
            let mut waiting = self.waiting.borrow_mut();
            match &mut *waiting {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *waiting = Some(cx.waker().clone()),
            }
        }
        self.cut.get()
    }

    /// Ends the body, and returns what is kept of what went on.
    pub(crate) fn kept(&self) -> Option<Content> {
        self.keeping.take().and_then(|keeping| keeping.finish(self.is_whole()))
    }

    /// Returns whether the caller failed to send its body.
    pub(crate) fn is_broken(&self) -> bool {
        self.end.get() == Some(End::Broken)
    }
}

impl Payload {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        match self {
            Self::Streaming(body) => Pin::new(body).poll_frame(cx).map_err(|_| Stopped),
            Self::Captured(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Streaming(body) => body.is_end_stream(),
            Self::Captured(body) => body.is_end_stream(),
        }
    }
}

impl Upload {
    pub(crate) fn new(payload: Payload, plan: &Arc<MaskPlan>, headers: &HeaderMap) -> (Self, Rc<Progress>) {
        let is_empty = payload.is_end_stream();
        let keeping = (!is_empty).then(|| Box::new(Keeping::begin(Arc::clone(plan), headers)));
        let progress = Rc::new(Progress {
            bytes: Cell::new(0),
            moved: Cell::new(Instant::now()),
            end: Cell::new(None),
            cut: Cell::new(false),
            keeping: RefCell::new(keeping),
            waiting: RefCell::new(None),
        });
        if is_empty {
            progress.end.set(Some(End::Whole));
        }
        (Self { payload, progress: Rc::clone(&progress), idle: None }, progress)
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        let idle = self.idle.get_or_insert_with(|| Box::pin(tokio::time::sleep(IDLE_TIMEOUT)));
        std::task::ready!(idle.as_mut().poll(cx));
        self.broken()
    }

    fn broken(&self) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        self.progress.end.set(Some(End::Broken));
        Poll::Ready(Some(Err(Stopped)))
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Stopped;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        let this = &mut *self;
        if this.progress.is_cut(cx) {
            return this.broken();
        }
        loop {
            let frame = match this.payload.poll_frame(cx) {
                Poll::Pending => return this.poll_idle(cx),
                Poll::Ready(frame) => frame,
            };
            this.idle = None;
            match frame {
                None => {
                    this.progress.end.set(Some(End::Whole));
                    return Poll::Ready(None);
                }
                Some(Err(Stopped)) => return this.broken(),
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    this.progress.bytes.set(this.progress.bytes.get().saturating_add(data.len() as u64));
                    this.progress.moved.set(Instant::now());
                    if let Some(keeping) = &mut *this.progress.keeping.borrow_mut() {
                        keeping.pass(&data);
                    }
                    if this.payload.is_end_stream() {
                        this.progress.end.set(Some(End::Whole));
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.payload.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.payload {
            Payload::Streaming(body) => body.size_hint(),
            Payload::Captured(body) => body.size_hint(),
        }
    }
}
