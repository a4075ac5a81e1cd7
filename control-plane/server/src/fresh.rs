//! Reads that decide something: the state as of a read index that began after somebody asked.
//!
//! ```text
//!   asked, asked, asked ─▶ one read index ─▶ the same state for all of them
//!        asked meanwhile ─▶ the next one
//! ```

use crate::fleet::{History, Registry};
use hoop_node::clock::boot_now_ms;
use hoop_raft::Replica;
use hoop_state::State;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How often the state is confirmed while nodes are attached, so that a change's age is known to about this much.
const STEADY: Duration = Duration::from_secs(1);
/// Most requests that wait for one read index; more are refused.
const MAX_WAITING: usize = 4096;

/// Says that the state cannot be confirmed to be current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state cannot be confirmed to be current")]
pub(crate) struct NotCurrent;

type Answer = oneshot::Sender<Result<Arc<State>, NotCurrent>>;

/// Where to ask for a fresh state.
pub(crate) struct Freshness {
    ask: mpsc::Sender<Answer>,
    history: Arc<Mutex<History>>,
}

/// The other end: whoever runs it answers.
pub(crate) struct Confirmer {
    replica: Replica,
    asked: mpsc::Receiver<Answer>,
    history: Arc<Mutex<History>>,
    fleet: Arc<Registry>,
}

/// Makes both ends.
pub(crate) fn freshness(replica: Replica, fleet: Arc<Registry>) -> (Freshness, Confirmer) {
    let (ask, asked) = mpsc::channel(MAX_WAITING);
    let history = Arc::new(Mutex::new(History::default()));
    let confirmer = Confirmer { replica, asked, history: Arc::clone(&history), fleet };
    (Freshness { ask, history }, confirmer)
}

impl Freshness {
    /// Returns a state that has everything committed before the call.
    ///
    /// # Errors
    /// [`NotCurrent`] without a quorum, and when too many ask.
    pub(crate) async fn state(&self) -> Result<Arc<State>, NotCurrent> {
        let (answer, answered) = oneshot::channel();
        self.ask.try_send(answer).map_err(|_| NotCurrent)?;
        answered.await.map_err(|_| NotCurrent)?
    }

    /// Returns how long, in milliseconds from its request on, a node that applied this revision may act. To be asked
    /// after [`Freshness::state`].
    pub(crate) fn grant(&self, applied: hoop_model::Revision) -> u64 {
        // A panic elsewhere cannot leave a history that is wrong: it is one assignment at a time, each conservative.
        self.history.lock().unwrap_or_else(PoisonError::into_inner).grant(applied, boot_now_ms())
    }

    /// Returns for how long from now, at most, a node that has not applied this revision may act on leases that are yet to
    /// be granted.
    pub(crate) fn leases_without(&self, revision: hoop_model::Revision) -> Duration {
        let end = self.history.lock().unwrap_or_else(PoisonError::into_inner).last_end_without(revision);
        Duration::from_millis(end.saturating_sub(boot_now_ms()))
    }
}

impl Confirmer {
    /// Answers until nobody can ask any more.
    pub(crate) async fn run(mut self) {
        let mut asking = Vec::new();
        loop {
            let steady = tokio::time::sleep(STEADY);
            tokio::select! {
                asked = self.asked.recv_many(&mut asking, MAX_WAITING) => if asked == 0 { return },
                () = steady, if self.fleet.has_connected() => {}
            }
            let answer = self.confirm().await;
            for asker in asking.drain(..) {
                // Whoever hung up needs no answer.
                drop(asker.send(answer.clone()));
            }
        }
    }

    /// INVARIANT: everyone answered with the result asked before `began`.
    async fn confirm(&self) -> Result<Arc<State>, NotCurrent> {
        let began = boot_now_ms();
        if let Err(error) = self.replica.read_index().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "no read index");
            return Err(NotCurrent);
        }
        let state = self.replica.state();
        self.history.lock().unwrap_or_else(PoisonError::into_inner).confirm(began, state.revision());
        Ok(state)
    }
}
