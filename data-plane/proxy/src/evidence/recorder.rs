//! A shard's recorder: its chain, its syncer, and what it tells the rest of the node once a second.

use super::ledger::Ledger;
use super::medium::{Directory, PieceFile, Shelf};
use super::spool::{Cut, RecorderUnavailable, Spool};
use super::syncer::Syncer;
use hoop_audit::{CloseReason, Durability, Entry, Receipt};
use hoop_model::{ChainHead, SessionId};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::mpsc as threads;
use std::time::Duration;
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often what was written is brought to the disk.
pub(crate) const SYNCHRONISE_EVERY: Duration = Duration::from_millis(500);
/// How long a command waits for its record to be on the disk.
const SYNCHRONISED_WITHIN: Duration = Duration::from_millis(1900);
/// How often the rest of the node is told how far the chain has come.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// A shard's recorder. Everything in it but the syncer's thread is the shard's alone.
pub(crate) struct Recorder<S: Shelf = Directory> {
    spool: RefCell<Spool<S>>,
    syncer: Syncer,
    ledger: Arc<Ledger>,
    keeper: threads::Sender<Cut>,
    refusing: Cell<bool>,
    /// How far the chain had come when the disk was last asked, and its answer.
    asked: RefCell<Option<(ChainHead, oneshot::Receiver<bool>)>>,
    /// How far the rest of the node knows that it has come.
    said: RefCell<Option<ChainHead>>,
    /// How many chains were broken off when this was last looked at.
    breaks: Cell<u64>,
    /// The file that was cut last. What it has precedes whatever the open one has.
    cut: RefCell<Option<Arc<PieceFile>>>,
}

impl<S: Shelf> Recorder<S> {
    pub(crate) fn new(spool: Spool<S>, syncer: Syncer, ledger: Arc<Ledger>, keeper: threads::Sender<Cut>) -> Self {
        Self {
            spool: RefCell::new(spool),
            syncer,
            ledger,
            keeper,
            refusing: Cell::new(false),
            asked: RefCell::default(),
            said: RefCell::default(),
            breaks: Cell::new(0),
            cut: RefCell::default(),
        }
    }

    /// Writes the record that something is about to happen.
    ///
    /// # Errors
    /// [`RecorderUnavailable`], also where records can be written but are not known to be kept well.
    pub(crate) fn record(&self, entry: &Entry, session: SessionId) -> Result<Receipt, RecorderUnavailable> {
        if !self.ledger.is_well() || self.syncer.is_stalled() {
            return Err(RecorderUnavailable);
        }
        self.note(entry, session)
    }

    /// Waits until the record that was written last is as durable as asked. Called at once after [`Recorder::record`].
    ///
    /// # Errors
    /// [`RecorderUnavailable`] if the disk has not taken it within 1.9 s. It may still become evidence: of something that
    /// did not happen.
    pub(crate) async fn durable(
        &self,
        receipt: Receipt,
        durability: Durability,
    ) -> Result<Receipt, RecorderUnavailable> {
        match durability {
            Durability::Written => Ok(receipt),
            Durability::Synchronised => self.synchronised(receipt).await,
        }
    }

    /// Writes the record of something that has happened. Nobody waits for it, and it is tried also where commands are
    /// refused.
    pub(crate) fn note(&self, entry: &Entry, session: SessionId) -> Result<Receipt, RecorderUnavailable> {
        let mut spool = self.spool.borrow_mut();
        self.let_go(&mut spool);
        let written = spool.record(entry, session, hoop_node::clock::unix_now());
        self.hand_over(&mut spool);
        written
    }

    /// Ends the chain if records of it are missing, so that the next one begins another.
    fn let_go(&self, spool: &mut Spool<S>) {
        let breaks = self.ledger.breaks();
        if self.breaks.replace(breaks) != breaks && spool.chain().is_some_and(|chain| self.ledger.is_broken_off(chain))
        {
            spool.end();
        }
    }

    async fn synchronised(&self, receipt: Receipt) -> Result<Receipt, RecorderUnavailable> {
        let answer = match self.spool.borrow().file() {
            Some(file) => self.syncer.ask(file),
            None => return Err(RecorderUnavailable),
        };
        match timeout(SYNCHRONISED_WITHIN, answer).await {
            // INVARIANT: fdatasync(2) began after the record was written to that file, and has returned.
            Ok(Ok(true)) => Ok(receipt.synchronised()),
            Ok(Ok(false) | Err(_)) | Err(_) => Err(RecorderUnavailable),
        }
    }

    /// Does what is to be done beside recording, until it is dropped. It waits for nothing but time and the syncer.
    pub(crate) async fn run(&self) {
        let mut synchronise = interval(SYNCHRONISE_EVERY);
        let mut publish = interval(PUBLISH_EVERY);
        synchronise.set_missed_tick_behavior(MissedTickBehavior::Delay);
        publish.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                failed = self.syncer.finished() => self.give_up(&failed),
                _ = synchronise.tick() => self.synchronise(),
                _ = publish.tick() => {
                    self.say_whether_refusing();
                    self.spool.borrow_mut().cut_if_old();
                    self.publish();
                }
            }
        }
    }

    fn synchronise(&self) {
        // What is written meanwhile is brought to the disk by the tick after the round that runs.
        if self.syncer.is_busy() {
            return;
        }
        if let Some(file) = self.spool.borrow_mut().take_unsynchronised() {
            drop(self.syncer.ask(&file));
        }
    }

    fn give_up(&self, failed: &[Arc<PieceFile>]) {
        let mut spool = self.spool.borrow_mut();
        for file in failed {
            spool.give_up(file);
        }
        self.hand_over(&mut spool);
    }

    /// Tells the rest of the node how far the chain has come on the disk. What the disk has not taken is not said: after a
    /// loss of power other records would stand in its place, and the node would seem to contradict itself.
    fn publish(&self) {
        let reached = self.reached();
        let mut spool = self.spool.borrow_mut();
        let progress = spool.progress();
        self.ledger.advanced(reached, progress.bytes);
        let file = spool.file().cloned().or_else(|| self.cut.borrow().clone());
        if let (Some(head), Some(file)) = (progress.head, file)
            && self.asked.borrow().is_none()
            && self.said.borrow().as_ref() != Some(&head)
        {
            // Every file that was cut before has been asked for, and rounds keep their order.
            self.asked.replace(Some((head, self.syncer.ask(&file))));
        }
        self.hand_over(&mut spool);
    }

    /// Returns how far the chain has come on the disk, if that has been found out since this was last called.
    fn reached(&self) -> Option<ChainHead> {
        let (head, mut answer) = self.asked.take()?;
        match answer.try_recv() {
            Ok(true) => {
                self.said.replace(Some(head.clone()));
                Some(head)
            }
            Ok(false) | Err(TryRecvError::Closed) => None,
            Err(TryRecvError::Empty) => {
                self.asked.replace(Some((head, answer)));
                None
            }
        }
    }

    /// Hands over what was cut. Its bytes are counted first.
    fn hand_over(&self, spool: &mut Spool<S>) {
        if !spool.has_cuts() {
            return;
        }
        self.ledger.advanced(None, spool.progress().bytes);
        for cut in spool.take_cuts() {
            if cut.given_up {
                self.ledger.ails();
                self.cut.replace(None);
            } else {
                drop(self.syncer.ask(&cut.file));
                self.cut.replace(Some(Arc::clone(&cut.file)));
            }
            if self.keeper.send(cut).is_err() {
                tracing::error!("nobody seals evidence any more; the next start does");
                self.ledger.ails();
            }
        }
    }

    /// Ends the chain, because the node stops. Nothing is recorded after that.
    pub(crate) fn end(&self) {
        let closing = Entry::Closed(CloseReason::Draining);
        let mut spool = self.spool.borrow_mut();
        spool.prepare_end(&closing, hoop_node::clock::unix_now());
        spool.end();
        self.hand_over(&mut spool);
    }

    /// Says once why commands are refused although records are written.
    fn say_whether_refusing(&self) {
        let stalled = self.syncer.is_stalled();
        match (self.refusing.replace(stalled), stalled) {
            (false, true) => tracing::error!("the disk does not answer; commands are refused until it does"),
            (true, false) => tracing::info!("the disk answers again"),
            (false, false) | (true, true) => {}
        }
    }
}

#[cfg(test)]
mod tests;
