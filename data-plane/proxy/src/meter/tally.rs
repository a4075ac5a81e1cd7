//! One command as it is counted.

use super::connection::{ConnectionMeter, Ending, Word};
use crate::shard::Shard;
use crate::world::{Backend, World};
use hoop_audit::{Entry, Outcome};
use hoop_model::Code;
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Counts one command when it is dropped, however it ended. It goes with the answer until its last byte.
pub(crate) struct Tally {
    cells: Arc<ConnectionMeter>,
    began: Instant,
    /// How long somebody else was waited for: a backend, or people.
    waited: Duration,
    /// When the gateway had done its part, and so much of the time until then is its own.
    own: Option<Duration>,
    word: Word,
    ending: Ending,
    status: Option<StatusCode>,
    broke_off: bool,
}

impl Tally {
    /// Begins with a command's head.
    pub(crate) fn begin(shard: &Shard) -> Self {
        Self {
            cells: shard.meter.astray(),
            began: Instant::now(),
            waited: Duration::ZERO,
            own: None,
            word: Word::Unjudged,
            ending: Ending::Abandoned,
            status: None,
            broke_off: false,
        }
    }

    /// Notes which connection the command is for.
    pub(crate) fn of(&mut self, shard: &Shard, world: &World, backend: &Backend) {
        self.cells = shard.meter.connection(backend, world);
    }

    /// Notes the verdict that was recorded last.
    pub(crate) fn judged(&mut self, entry: &Entry) {
        let outcome: &Outcome = match entry {
            Entry::Verdict(verdict) => &verdict.judged.outcome,
            Entry::Opened(_)
            | Entry::NotOpened(_)
            | Entry::Forwarded(_)
            | Entry::Response(_)
            | Entry::Closed(_)
            | Entry::Approval(_) => return,
        };
        self.word = Word::of(outcome);
    }

    /// Waits for somebody else.
    pub(crate) async fn waits_for<F: Future>(&mut self, other: F) -> F::Output {
        let began = Instant::now();
        let output = other.await;
        self.waited(began.elapsed());
        output
    }

    /// Notes that somebody else was waited for.
    pub(crate) fn waited(&mut self, duration: Duration) {
        self.waited = self.waited.saturating_add(duration);
    }

    /// Notes why the command was refused.
    pub(crate) const fn refused(&mut self, code: Code) {
        self.ending = Ending::Refused(code);
    }

    /// Notes the head of the answer. The gateway's part is done then.
    pub(crate) fn told(&mut self, status: StatusCode) {
        self.status = Some(status);
        // How long a backend was waited for that did not answer is not told apart.
        if !self.ending.is_upstreams() {
            self.own = Some(self.began.elapsed().saturating_sub(self.waited));
        }
    }

    /// Notes that the answer is a backend's.
    pub(crate) const fn answered(&mut self) {
        self.ending = Ending::Answered;
    }

    /// Notes that the backend did not finish it.
    pub(crate) const fn broke_off(&mut self) {
        self.broke_off = true;
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.cells.command(self.word, self.ending);
        self.cells.took(self.began.elapsed());
        if let Some(own) = self.own {
            self.cells.added(own);
        }
        if let Some(status) = self.status {
            self.cells.response(status);
        }
        if self.broke_off {
            self.cells.broke_off();
        }
    }
}
