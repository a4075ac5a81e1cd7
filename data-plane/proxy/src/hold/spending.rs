//! An approval that was spent on a command, until it is known what became of the command.

use super::desk::Desk;
use hoop_gate::Spent;
use hoop_model::Ending;
use std::sync::Arc;

/// Tells the control plane what became of a command once that is known, or when it is dropped: whatever happens to the
/// request, the approval is accounted for.
#[must_use = "an approval was spent"]
pub(crate) struct Spending {
    desk: Arc<Desk>,
    spent: Option<Spent>,
    ending: Ending,
}

impl Spending {
    pub(crate) fn new(desk: &Arc<Desk>, spent: Spent) -> Self {
        tracing::info!(approval = %spent.approval(), "approval spent");
        Self { desk: Arc::clone(desk), spent: Some(spent), ending: Ending::NotSent }
    }

    /// Notes that the first byte is about to go.
    pub(crate) const fn sent(&mut self) {
        self.ending = Ending::FailedAfterSend;
    }

    /// Notes that the backend answered.
    pub(crate) fn answered(&mut self) {
        self.ending = Ending::Answered;
        self.tell();
    }

    fn tell(&mut self) {
        if let Some(spent) = self.spent.take() {
            self.desk.finish(spent, self.ending);
        }
    }
}

impl Drop for Spending {
    fn drop(&mut self) {
        self.tell();
    }
}
