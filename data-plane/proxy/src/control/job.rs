//! Work for this node on somebody's behalf. None of it is done on this thread, or on a shard's.

use crate::evidence::medium::Directory;
use crate::evidence::tail::tail;
use hoop_model::{SessionId, UnixMillis};
use hoop_wire::v1;
use hoop_wire::v1::job_result::Outcome;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Most jobs that run at a time; a disk that hangs must not collect them.
const MAX_JOBS: usize = 4;
/// Evidence of this node that is not shipped; the payload is a session's id, or empty for all.
const EVIDENCE_TAIL: &str = "evidence.tail";

/// The jobs of one attachment, and the log time they are judged by.
pub(crate) struct Jobs {
    directory: Directory,
    running: JoinSet<(UnixMillis, v1::JobResult)>,
    /// Log time as it was last heard, and when.
    heard: Option<(UnixMillis, Instant)>,
}

impl Jobs {
    pub(crate) fn new(directory: Directory) -> Self {
        Self { directory, running: JoinSet::new(), heard: None }
    }

    /// Notes what log time is, by a renewal's answer.
    pub(crate) fn log_time(&mut self, log_time: UnixMillis) {
        self.heard = Some((log_time, Instant::now()));
    }

    /// Takes a job on; `Some` is the answer where there is nothing to wait for.
    pub(crate) fn take(&mut self, job: v1::Job) -> Option<v1::JobResult> {
        let v1::Job { id, kind, deadline_ms, payload } = job;
        let deadline = UnixMillis(deadline_ms);
        if kind != EVIDENCE_TAIL {
            return Some(result(id, Outcome::Unsupported, "this node does not know the kind"));
        }
        match self.is_over(deadline) {
            None => return Some(result(id, Outcome::Failed, "this node does not know the log time yet")),
            Some(true) => return Some(too_late(id)),
            Some(false) => {}
        }
        let session = match payload.as_slice() {
            [] => None,
            bytes => match SessionId::from_slice(bytes) {
                Ok(session) => Some(session),
                Err(_) => return Some(result(id, Outcome::Failed, "the payload is not a session's id")),
            },
        };
        if self.running.len() >= MAX_JOBS {
            return Some(result(id, Outcome::Failed, "this node has too many jobs"));
        }
        let directory = self.directory.clone();
        self.running.spawn_blocking(move || match tail(&directory, session) {
            Ok(payload) => (deadline, v1::JobResult { payload, ..result(id, Outcome::Done, "") }),
            Err(error) => {
                tracing::warn!(%error, "evidence cannot be read for somebody who looks on");
                (deadline, result(id, Outcome::Failed, "the evidence on this node cannot be read"))
            }
        });
        None
    }

    /// Waits for a job to end; never returns if none runs.
    pub(crate) async fn done(&mut self) -> v1::JobResult {
        loop {
            match self.running.join_next().await {
                Some(Ok((deadline, done))) => {
                    return if self.is_over(deadline) == Some(false) { done } else { too_late(done.id) };
                }
                Some(Err(error)) => tracing::error!(%error, "a job crashed"),
                None => return std::future::pending().await,
            }
        }
    }

    /// Returns whether a deadline is over; `None` as long as log time is not known.
    fn is_over(&self, deadline: UnixMillis) -> Option<bool> {
        let (log_time, heard) = self.heard?;
        let elapsed: Duration = heard.elapsed();
        Some(log_time.after(elapsed) >= deadline)
    }
}

fn too_late(id: Vec<u8>) -> v1::JobResult {
    result(id, Outcome::TooLate, "the deadline is over")
}

fn result(id: Vec<u8>, outcome: Outcome, reason: &str) -> v1::JobResult {
    v1::JobResult { id, outcome: outcome.into(), payload: Vec::new(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoop_model::ResourceName;

    fn job(kind: &str, deadline_ms: u64, payload: &[u8]) -> v1::Job {
        v1::Job { id: vec![7; 16], kind: kind.into(), deadline_ms, payload: payload.into() }
    }

    fn jobs() -> (Jobs, tempfile::TempDir) {
        let temporary = tempfile::tempdir().unwrap();
        let (directory, _lock) = Directory::open(temporary.path(), &ResourceName::parse("dp-1").unwrap()).unwrap();
        (Jobs::new(directory), temporary)
    }

    #[tokio::test]
    async fn what_cannot_be_done_is_answered_at_once_and_says_why() {
        let (mut jobs, _temporary) = jobs();
        let outcome = |answer: Option<v1::JobResult>| answer.map(|answer| answer.outcome());
        assert_eq!(outcome(jobs.take(job("pin", 2000, b""))), Some(Outcome::Unsupported));
        assert_eq!(outcome(jobs.take(job(EVIDENCE_TAIL, 2000, b""))), Some(Outcome::Failed), "no log time yet");
        jobs.log_time(UnixMillis(1000));
        assert_eq!(outcome(jobs.take(job(EVIDENCE_TAIL, 1000, b""))), Some(Outcome::TooLate));
        assert_eq!(outcome(jobs.take(job(EVIDENCE_TAIL, u64::MAX, b"short"))), Some(Outcome::Failed));
        for _ in 0..MAX_JOBS {
            assert_eq!(jobs.take(job(EVIDENCE_TAIL, u64::MAX, b"")), None);
        }
        assert_eq!(outcome(jobs.take(job(EVIDENCE_TAIL, u64::MAX, b""))), Some(Outcome::Failed), "too many");
        let done = jobs.done().await;
        assert_eq!((done.outcome(), done.id.as_slice(), done.payload.len()), (Outcome::Done, [7; 16].as_slice(), 0));
    }

    #[tokio::test]
    async fn a_job_that_is_done_after_its_deadline_is_too_late() {
        let (mut jobs, _temporary) = jobs();
        jobs.log_time(UnixMillis(1000));
        assert_eq!(jobs.take(job(EVIDENCE_TAIL, 500_000, b"")), None);
        jobs.log_time(UnixMillis(500_000));
        let done = jobs.done().await;
        assert_eq!((done.outcome(), done.payload.len()), (Outcome::TooLate, 0));
    }
}
