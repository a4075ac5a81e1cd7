//! Jobs: a question to one node over the stream that speaks for it, and the answer that comes back by its id.

use hoop_wire::v1;
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::{mpsc, oneshot};

/// Most questions that wait for one node's stream to take them.
pub(super) const MAX_QUEUED: usize = 16;
/// Most questions one node has not answered. Above it the oldest is given up.
const MAX_UNANSWERED: usize = 64;
/// Length of a job's id, in bytes.
const ID_BYTES: usize = 16;

/// A question for a node, and who waits for its answer.
pub(super) struct Asked {
    /// What the node is sent.
    pub(super) job: v1::Job,
    /// Dropped without an answer if there is none.
    pub(super) answer: oneshot::Sender<v1::JobResult>,
}

/// Where the questions for one stream come from.
pub(super) type Questions = mpsc::Receiver<Asked>;

/// Why a node's answer is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// The node has no stream, or lost it.
    #[error("the node is not attached")]
    NotAttached,
    /// Too many questions wait for it.
    #[error("too many questions wait for the node")]
    Busy,
    /// It did not answer in time.
    #[error("the node did not answer in time")]
    Late,
    /// It answered that it did not do it.
    #[error("the node could not answer")]
    Failed,
}

/// The questions of one stream: those to send, and those that were sent.
#[derive(Default)]
pub(super) struct Desk {
    unsent: VecDeque<v1::Job>,
    unanswered: BTreeMap<Vec<u8>, oneshot::Sender<v1::JobResult>>,
}

impl Desk {
    /// Takes a question up.
    pub(super) fn ask(&mut self, asked: Asked) {
        self.unanswered.retain(|_, answer| !answer.is_closed());
        if self.unanswered.len() >= MAX_UNANSWERED {
            self.unanswered.pop_first();
        }
        self.unanswered.insert(asked.job.id.clone(), asked.answer);
        self.unsent.push_back(asked.job);
    }

    /// Returns whether something is to be sent.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Takes the next question that somebody still waits for.
    pub(super) fn next(&mut self) -> Option<v1::Job> {
        while let Some(job) = self.unsent.pop_front() {
            if self.unanswered.get(&job.id).is_some_and(|answer| !answer.is_closed()) {
                return Some(job);
            }
            self.unanswered.remove(&job.id);
        }
        None
    }

    /// Hands an answer to whoever waits for it.
    ///
    /// # Errors
    /// The job's id as text, if nobody does.
    pub(super) fn answer(&mut self, result: v1::JobResult) -> Result<(), String> {
        match self.unanswered.remove(&result.id) {
            // Whoever stopped waiting knows why.
            Some(answer) => drop(answer.send(result)),
            None => return Err(hex::encode(result.id.get(..ID_BYTES).unwrap_or(&result.id))),
        }
        Ok(())
    }
}

/// Makes a job with an id of its own.
pub(super) fn job(kind: &str, payload: Vec<u8>, deadline_ms: u64) -> v1::Job {
    v1::Job { id: hoop_node::random::<ID_BYTES>().to_vec(), kind: kind.to_owned(), deadline_ms, payload }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> (Asked, oneshot::Receiver<v1::JobResult>) {
        let (answer, answered) = oneshot::channel();
        (Asked { job: job("test", vec![], 1), answer }, answered)
    }

    #[test]
    fn an_answer_reaches_whoever_asked_and_nobody_else() {
        let mut desk = Desk::default();
        let ((one, mut first), (two, mut second)) = (asked(), asked());
        let (one_id, two_id) = (one.job.id.clone(), two.job.id.clone());
        desk.ask(one);
        desk.ask(two);
        assert_eq!(desk.next().unwrap().id, one_id);
        desk.answer(v1::JobResult { id: two_id.clone(), ..Default::default() }).unwrap();
        assert_eq!(second.try_recv().unwrap().id, two_id);
        assert!(first.try_recv().is_err());
        assert!(desk.answer(v1::JobResult { id: two_id, ..Default::default() }).is_err(), "once");
        assert_eq!(desk.answer(v1::JobResult { id: vec![0xab; 99], ..Default::default() }), Err("ab".repeat(16)));
    }

    #[test]
    fn what_nobody_waits_for_is_not_sent_and_not_kept() {
        let mut desk = Desk::default();
        for _ in 0..1_000 {
            desk.ask(asked().0);
        }
        assert!(desk.next().is_none() && !desk.has_unsent());
        let mut waiting = Vec::new();
        for _ in 0..=MAX_UNANSWERED {
            let (question, answered) = asked();
            desk.ask(question);
            waiting.push(answered);
        }
        assert!(desk.unanswered.len() <= MAX_UNANSWERED);
    }
}
