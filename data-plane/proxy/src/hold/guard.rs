//! What owns an approval while something is waited for.

use super::holding::Holding;
use super::spending::Spending;
use hoop_audit::{Entry, HoldStage};
use hoop_gate::{Claiming, Intended, Over, Waiting};

/// A state of a hold that ends in order, also where nobody asks it to.
pub(super) trait Abandon {
    /// Ends it, because the caller went away. Nothing of it is waited for.
    fn abandon(self, holding: &Holding<'_>);
}

/// Owns a state of a hold across a wait, and abandons it if the wait is dropped.
pub(super) struct Guard<'a, T: Abandon> {
    holding: &'a Holding<'a>,
    state: Option<T>,
}

impl<'a, T: Abandon> Guard<'a, T> {
    pub(super) const fn new(holding: &'a Holding<'a>, state: T) -> Self {
        Self { holding, state: Some(state) }
    }

    /// Waits for something, and hands the state back.
    pub(super) async fn across<F: Future>(mut self, wait: F) -> (T, F::Output) {
        let output = wait.await;
        match self.state.take() {
            Some(state) => (state, output),
            // INVARIANT: it is there until it is taken out, which uses up the guard.
            None => std::future::pending().await,
        }
    }
}

impl<T: Abandon> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            state.abandon(self.holding);
        }
    }
}

impl Abandon for Waiting {
    fn abandon(self, holding: &Holding<'_>) {
        holding.end(self.left());
    }
}

impl Abandon for Intended {
    fn abandon(self, holding: &Holding<'_>) {
        holding.end(given_up(self));
    }
}

impl Abandon for Claiming {
    fn abandon(self, holding: &Holding<'_>) {
        let desk = holding.desk();
        let (over, spent) = self.unanswered(&mut desk.kept());
        holding.end(over);
        drop(Spending::new(desk, spent));
    }
}

/// Ends a hold that was about to be claimed, for another reason than its record. The approval waits on.
pub(super) fn given_up(intended: Intended) -> Over {
    let entry = match intended.entry() {
        Entry::Approval(step) => {
            let mut step = step.clone();
            step.stage = HoldStage::Left;
            Some(Box::new(Entry::Approval(step)))
        }
        Entry::Opened(_)
        | Entry::NotOpened(_)
        | Entry::Verdict(_)
        | Entry::Forwarded(_)
        | Entry::Response(_)
        | Entry::Closed(_) => None,
    };
    Over { entry, ..intended.unrecorded() }
}
