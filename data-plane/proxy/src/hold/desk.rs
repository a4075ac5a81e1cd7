//! Where shards ask and tell: questions go to the control thread, and what it does for them outlives the request.

use super::board::Board;
use hoop_gate::{Kept, Rejudgement, Spent};
use hoop_model::{ApprovalId, Ending};
use hoop_wire::v1;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tonic::transport::Channel;

/// Longest time that whoever is told to come back waits for the approval to be left: who comes back takes it up then.
const LEFT_WITHIN: Duration = Duration::from_secs(2);

/// One per node, shared by its threads.
pub(crate) struct Desk {
    /// What is pushed.
    pub(crate) board: Board,
    kept: Mutex<Kept>,
    /// Bounded by the commands that may be captured: each has one question, or one thing to tell, at a time.
    asks: mpsc::UnboundedSender<Ask>,
    /// To the control-plane node that this process is attached to; none without an attachment.
    channel: watch::Sender<Option<Channel>>,
    /// What the control plane is still to be told.
    pub(super) unsettled: watch::Sender<Unsettled>,
}

/// How much the control plane is still to be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Unsettled {
    pub(crate) leaving: usize,
    pub(crate) others: usize,
}

/// What the control thread does for a shard.
pub(crate) enum Ask {
    /// Asks until there is an answer, for as long as it is worth it.
    Question {
        /// What.
        question: Question,
        /// For how long. The answer to `Open` is waited for beyond it: what it opened must be left.
        until: Instant,
        /// To whom; whoever goes away wants no answer.
        answer: oneshot::Sender<Answered>,
    },
    /// Tells, until the control plane has taken note.
    Telling(Telling),
}

/// What a shard asks.
#[derive(Debug, Clone)]
pub(crate) enum Question {
    /// To hold a command.
    Open(Box<v1::OpenHoldRequest>),
    /// To note what a command needs by now.
    Rejudged(v1::RejudgedRequest),
    /// To give a command free.
    Claim(v1::ClaimRequest),
}

/// What a shard tells. Counted until it is done, or given up.
pub(crate) struct Telling {
    pub(crate) told: Told,
    pub(crate) counted: Counted,
    /// Somebody who waits for that.
    pub(crate) done: Option<oneshot::Sender<()>>,
}

/// What there is to tell.
pub(crate) enum Told {
    /// Nobody keeps the command any more.
    Left(ApprovalId),
    /// It may never run.
    Void(Rejudgement),
    /// What became of it.
    Finished(Spent, Ending),
}

/// The control plane's answer. Of one to `Open` somebody must take possession: an approval that nobody took is left.
#[must_use = "what was opened is to be kept or left"]
pub(crate) struct Answered {
    response: Option<v1::HoldResponse>,
    desk: Arc<Desk>,
    opened: Option<ApprovalId>,
}

/// Counts something to tell for as long as it lives.
pub(crate) struct Counted {
    desk: Arc<Desk>,
    is_leave: bool,
}

impl Desk {
    pub(crate) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<Ask>) {
        let (asks, receiver) = mpsc::unbounded_channel();
        let desk = Self {
            board: Board::default(),
            kept: Mutex::default(),
            asks,
            channel: watch::Sender::new(None),
            unsettled: watch::Sender::new(Unsettled::default()),
        };
        (Arc::new(desk), receiver)
    }

    /// Notes to which control-plane node this process is attached.
    pub(crate) fn attached(&self, channel: Option<Channel>) {
        let is_attached = channel.is_some();
        self.channel.send_replace(channel);
        if is_attached {
            self.board.missed();
        }
    }

    /// Returns whether somebody can be asked.
    pub(crate) fn is_attached(&self) -> bool {
        self.channel.borrow().is_some()
    }

    /// Returns the channel, once there is one.
    pub(crate) async fn channel(&self) -> Channel {
        let mut channel = self.channel.subscribe();
        loop {
            if let Some(channel) = channel.borrow_and_update().clone() {
                return channel;
            }
            // INVARIANT: the sender is this desk's.
            if channel.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The approvals that this process has to do with. A holder that panicked left at most one too many in it, and that
    /// one is not used then.
    pub(crate) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks; `None` if there is no answer by then. Dropped, it is asked no more.
    pub(crate) async fn ask(&self, question: Question, until: Instant) -> Option<Answered> {
        let (answer, answered) = oneshot::channel();
        // The control thread goes last; without it there is no answer.
        self.asks.send(Ask::Question { question, until, answer }).ok()?;
        answered.await.ok()
    }

    /// Tells that nobody keeps a command any more.
    pub(crate) fn leave(self: &Arc<Self>, approval: ApprovalId) {
        self.tell(Told::Left(approval), None);
    }

    /// Tells it, and waits a moment for the control plane to take note.
    pub(crate) async fn left(self: &Arc<Self>, approval: ApprovalId) {
        let (done, is_done) = oneshot::channel();
        self.tell(Told::Left(approval), Some(done));
        // Whoever comes back sooner may find the approval attended, and gets another.
        let _ = tokio::time::timeout(LEFT_WITHIN, is_done).await;
    }

    /// Tells that a command may never run.
    pub(crate) fn void(self: &Arc<Self>, rejudgement: Rejudgement) {
        self.tell(Told::Void(rejudgement), None);
    }

    /// Tells what became of a command.
    pub(crate) fn finish(self: &Arc<Self>, spent: Spent, ending: Ending) {
        self.tell(Told::Finished(spent, ending), None);
    }

    fn tell(self: &Arc<Self>, told: Told, done: Option<oneshot::Sender<()>>) {
        let counted = Counted::new(self, matches!(told, Told::Left(_)));
        // Without a control thread the process ends, and the control plane fences it.
        let _ = self.asks.send(Ask::Telling(Telling { told, counted, done }));
    }

    /// Returns once nobody is leaving an approval: what is opened then is not left by accident.
    pub(crate) async fn nobody_leaves(&self) {
        // INVARIANT: the sender is this desk's.
        let _ = self.unsettled.subscribe().wait_for(|unsettled| unsettled.leaving == 0).await;
    }

    /// Returns once the control plane knows all there is to tell.
    pub(crate) async fn settled(&self) {
        // INVARIANT: as above.
        let _ = self.unsettled.subscribe().wait_for(|unsettled| *unsettled == Unsettled::default()).await;
    }
}

impl Answered {
    pub(crate) fn new(desk: &Arc<Desk>, response: Option<v1::HoldResponse>, is_open: bool) -> Self {
        let opened = response.as_ref().filter(|_| is_open).and_then(|told| ApprovalId::from_slice(&told.id).ok());
        Self { response, desk: Arc::clone(desk), opened }
    }

    /// Takes possession of whatever was opened.
    pub(crate) fn take(mut self) -> Option<v1::HoldResponse> {
        self.opened = None;
        self.response.take()
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        if let Some(approval) = self.opened
            && !self.desk.board.is_watched(approval)
        {
            self.desk.leave(approval);
        }
    }
}

impl Counted {
    fn new(desk: &Arc<Desk>, is_leave: bool) -> Self {
        let counted = Self { desk: Arc::clone(desk), is_leave };
        counted.change(|count| count.saturating_add(1));
        counted
    }

    fn change(&self, change: impl FnOnce(usize) -> usize) {
        self.desk.unsettled.send_modify(|unsettled| {
            let count = if self.is_leave { &mut unsettled.leaving } else { &mut unsettled.others };
            *count = change(*count);
        });
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.change(|count| count.saturating_sub(1));
    }
}
