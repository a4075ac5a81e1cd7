//! What the control plane pushes about approvals, for those who wait.

use hoop_gate::HoldState;
use hoop_model::ApprovalId;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What is heard of one approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing yet.
    Quiet,
    /// It stands here.
    Stands(HoldState),
    /// The node was away; something may have been missed.
    Missed,
}

/// The approvals that commands of this node wait for.
#[derive(Debug, Default)]
pub(crate) struct Board {
    posted: Mutex<Posted>,
}

/// INVARIANT: what is pushed while an approval is being opened is kept until nobody opens one, so nothing is missed
/// between the answer to `Open` and the first look at the board.
#[derive(Debug, Default)]
struct Posted {
    waiting: BTreeMap<ApprovalId, Place>,
    /// Numbers those who wait.
    places: u64,
    opening: usize,
    early: BTreeMap<ApprovalId, News>,
}

/// Where one who waits is told.
#[derive(Debug)]
struct Place {
    number: u64,
    news: watch::Sender<News>,
}

/// Keeps what is pushed about approvals that nobody waits for yet.
#[derive(Debug)]
pub(crate) struct Opening<'a> {
    board: &'a Board,
}

/// One who waits for one approval. Only the last of them is told: the approval is in one pair of hands, and who had it
/// before may still be saying so.
#[derive(Debug)]
pub(crate) struct Watching<'a> {
    board: &'a Board,
    approval: ApprovalId,
    number: u64,
    news: watch::Receiver<News>,
}

impl Board {
    /// Begins to keep what is pushed, before an approval is asked for.
    pub(crate) fn opening(&self) -> Opening<'_> {
        let mut posted = self.lock();
        posted.opening = posted.opening.saturating_add(1);
        Opening { board: self }
    }

    /// Takes what the control plane pushed.
    pub(crate) fn post(&self, approval: ApprovalId, state: HoldState) {
        let mut posted = self.lock();
        match posted.waiting.get(&approval) {
            Some(waiting) => {
                waiting.news.send_replace(News::Stands(state));
            }
            None if posted.opening > 0 => {
                posted.early.insert(approval, News::Stands(state));
            }
            None => {}
        }
    }

    /// Tells everybody that something may have been missed.
    pub(crate) fn missed(&self) {
        let mut posted = self.lock();
        posted.early.values_mut().for_each(|news| *news = News::Missed);
        for waiting in posted.waiting.values() {
            waiting.news.send_replace(News::Missed);
        }
    }

    /// Returns whether somebody waits for an approval.
    pub(crate) fn is_watched(&self, approval: ApprovalId) -> bool {
        self.lock().waiting.contains_key(&approval)
    }

    /// A holder that panicked changed one entry at a time, each of which is right by itself.
    fn lock(&self) -> MutexGuard<'_, Posted> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Opening<'a> {
    /// Waits for one approval from here on, beginning with what was pushed already.
    pub(crate) fn watch(&self, approval: ApprovalId) -> Watching<'a> {
        let mut posted = self.board.lock();
        let early = posted.early.remove(&approval);
        let (sender, mut news) = watch::channel(early.unwrap_or(News::Quiet));
        if early.is_some() {
            news.mark_changed();
        }
        posted.places = posted.places.wrapping_add(1);
        let number = posted.places;
        posted.waiting.insert(approval, Place { number, news: sender });
        Watching { board: self.board, approval, number, news }
    }
}

impl Watching<'_> {
    /// Returns the next news.
    pub(crate) async fn news(&mut self) -> News {
        match self.news.changed().await {
            Ok(()) => *self.news.borrow_and_update(),
            // Somebody else has the approval by now.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        let mut posted = self.board.lock();
        posted.opening = posted.opening.saturating_sub(1);
        if posted.opening == 0 {
            posted.early.clear();
        }
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        let mut posted = self.board.lock();
        if posted.waiting.get(&self.approval).is_some_and(|place| place.number == self.number) {
            posted.waiting.remove(&self.approval);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const ID: ApprovalId = ApprovalId::mint(1);

    fn heard(watching: &mut Watching<'_>) -> Option<News> {
        watching.news().now_or_never()
    }

    #[test]
    fn what_is_pushed_before_the_answer_to_open_is_not_missed() {
        let board = Board::default();
        board.post(ID, HoldState::Denied);
        let opening = board.opening();
        assert_eq!(heard(&mut opening.watch(ID)), None, "of what was pushed before it was asked for, nobody waits");
        board.post(ID, HoldState::Approved);
        let mut watching = opening.watch(ID);
        drop(opening);
        assert_eq!(heard(&mut watching), Some(News::Stands(HoldState::Approved)));
        assert_eq!(heard(&mut watching), None, "once");
        board.post(ID, HoldState::Denied);
        assert_eq!(heard(&mut watching), Some(News::Stands(HoldState::Denied)));
        board.missed();
        assert_eq!(heard(&mut watching), Some(News::Missed));
    }

    #[test]
    fn nothing_is_kept_for_nobody() {
        let board = Board::default();
        let (first, second) = (board.opening(), board.opening());
        board.post(ID, HoldState::Approved);
        drop(first);
        assert_eq!(board.lock().early.len(), 1);
        drop(second);
        assert_eq!(board.lock().early.len(), 0);
        let watching = board.opening().watch(ID);
        assert!(board.is_watched(ID));
        let mut next = board.opening().watch(ID);
        drop(watching);
        board.post(ID, HoldState::Approved);
        assert_eq!(heard(&mut next), Some(News::Stands(HoldState::Approved)), "who had it before takes nothing along");
        drop(next);
        assert!(!board.is_watched(ID));
    }
}
