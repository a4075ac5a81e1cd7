//! Capturing a command: its body is read whole, within bounds, before anybody is asked.

use crate::shard::Shard;
use crate::upstream::upload::IDLE_TIMEOUT;
use bytes::{Bytes, BytesMut};
use hoop_http::{Forwarded, Framing, MAX_REVIEW_BYTES, readable};
use hoop_model::{Content, ContentField};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// Most commands that a shard keeps.
const MAX_CAPTIVES: usize = 1_000;
/// Most bytes of them, heads and bodies, that a shard keeps.
const MAX_CAPTIVE_BYTES: usize = 64 << 20;
/// How long a body may take. It is small, and takes up room meanwhile.
const CAPTURED_WITHIN: Duration = Duration::from_secs(60);

/// How much room captured commands take up in a shard.
#[derive(Debug, Default)]
pub(crate) struct Captives {
    count: Cell<usize>,
    bytes: Cell<usize>,
}

/// A captured command: what is sent if people release it, and nothing else.
pub(crate) struct Captive {
    pub(crate) forwarded: Forwarded,
    /// What it is, exactly; read from the two beside it.
    pub(crate) content: Content,
    pub(crate) body: Bytes,
    _room: Room,
}

/// Says why a command is not captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotCaptured {
    /// Nobody could review it.
    TooLarge,
    /// The shard keeps too many.
    TooMany,
    /// The caller stopped sending it.
    Stopped,
}

/// Room for one command, until it is dropped.
struct Room {
    shard: Rc<Shard>,
    bytes: usize,
}

impl Captives {
    /// Takes up room, if there is some.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let count = self.count.get().saturating_add(1);
        let total = self.bytes.get().saturating_add(bytes);
        let fits = count <= MAX_CAPTIVES && total <= MAX_CAPTIVE_BYTES;
        if fits {
            self.count.set(count);
            self.bytes.set(total);
        }
        fits
    }

    fn give_back(&self, bytes: usize) {
        self.count.set(self.count.get().saturating_sub(1));
        self.bytes.set(self.bytes.get().saturating_sub(bytes));
    }
}

impl Room {
    fn reserve(shard: &Rc<Shard>, bytes: usize) -> Result<Self, NotCaptured> {
        if !shard.captives.take(bytes) {
            return Err(NotCaptured::TooMany);
        }
        Ok(Self { shard: Rc::clone(shard), bytes })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shard.captives.give_back(self.bytes);
    }
}

/// Reads the body and keeps the command.
///
/// # Errors
/// [`NotCaptured`]; nothing more is read then.
pub(crate) async fn capture(
    shard: &Rc<Shard>,
    framing: Framing,
    forwarded: Forwarded,
    body: Incoming,
) -> Result<Captive, NotCaptured> {
    let head: usize = forwarded.head_content().iter().map(|field| field.bytes.len()).sum();
    let most = MAX_REVIEW_BYTES.checked_sub(head).ok_or(NotCaptured::TooLarge)?;
    let expected = match framing {
        Framing::Unsaid => 0,
        Framing::Length(length) => usize::try_from(length).map_err(|_| NotCaptured::TooLarge)?,
        Framing::Chunked => most,
    };
    if expected > most {
        return Err(NotCaptured::TooLarge);
    }
    let room = Room::reserve(shard, head.saturating_add(expected))?;
    let read = tokio::time::timeout(CAPTURED_WITHIN, read(body, most)).await;
    let body = read.unwrap_or(Err(NotCaptured::Stopped))?;
    let content = forwarded.content(&body);
    if is_reviewable(&content) {
        Ok(Captive { forwarded, content, body, _room: room })
    } else {
        Err(NotCaptured::TooLarge)
    }
}

/// Reads a body of at most `most` bytes. Trailers do not go on: nobody judged them.
async fn read(mut body: Incoming, most: usize) -> Result<Bytes, NotCaptured> {
    let mut whole = BytesMut::new();
    loop {
        let frame = match tokio::time::timeout(IDLE_TIMEOUT, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) | Err(_) => return Err(NotCaptured::Stopped),
            Ok(None) => return Ok(whole.freeze()),
        };
        let Ok(data) = frame.into_data() else { continue };
        if whole.len().saturating_add(data.len()) > most {
            return Err(NotCaptured::TooLarge);
        }
        whole.extend_from_slice(&data);
    }
}

fn is_reviewable(content: &[ContentField]) -> bool {
    readable(content).len() <= MAX_REVIEW_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captured_commands_are_bounded_in_number_and_in_bytes() {
        let captives = Captives::default();
        assert!((0..MAX_CAPTIVES).all(|_| captives.take(1)));
        assert!(!captives.take(1));
        captives.give_back(1);
        assert!(!captives.take(MAX_CAPTIVE_BYTES));
        assert!(captives.take(1 << 10));
        let captives = Captives::default();
        assert!(captives.take(MAX_CAPTIVE_BYTES) && !captives.take(1));
        captives.give_back(MAX_CAPTIVE_BYTES);
        assert!(captives.take(1));
    }
}
