//! Group commit: one thread beside a shard brings its files to the disk, and the shard never waits for it.
//!
//! ```text
//!   ask(file) ─┐                                            ┌─▶ answer
//!   ask(file) ─┼─▶ next round ──▶ fdatasync, on its thread ─┼─▶ answer
//!   ask(file) ─┘   (collected while another one runs)       └─▶ answer
//! ```

use super::medium::PieceFile;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::mpsc as threads;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// A round that takes so long says that the disk hangs. With [`super::recorder::SYNCHRONISE_EVERY`] before it, whoever
/// comes 2 s after the first record that the disk did not take is refused (DP-04).
pub(crate) const STALLED_AFTER: Duration = Duration::from_millis(1400);

/// What brings a file to the disk.
pub(crate) type Synchronise = Box<dyn FnMut(&PieceFile) -> io::Result<()> + Send>;

/// Files that are brought to the disk together, and those who wait for it.
#[derive(Default)]
struct Round {
    files: Vec<Arc<PieceFile>>,
    waiting: Vec<(Arc<PieceFile>, oneshot::Sender<bool>)>,
}

impl Round {
    /// Tells those who wait for some of the files, and forgets these.
    fn tell(&mut self, are_meant: impl Fn(&Arc<PieceFile>) -> bool, is_synchronised: bool) {
        self.files.retain(|file| !are_meant(file));
        for (_, waiting) in self.waiting.extract_if(.., |(file, _)| are_meant(file)) {
            // Whoever does not wait any more has been refused already.
            let _ = waiting.send(is_synchronised);
        }
    }
}

/// What became of a round's files, in its order.
type Outcomes = Vec<io::Result<()>>;

/// The shard's end.
pub(crate) struct Syncer {
    rounds: threads::Sender<Vec<Arc<PieceFile>>>,
    outcomes: RefCell<mpsc::UnboundedReceiver<Outcomes>>,
    /// What runs, and since when.
    running: RefCell<Round>,
    since: Cell<Option<Instant>>,
    next: RefCell<Round>,
}

impl Syncer {
    /// Starts the thread; it ends when the syncer is dropped and the disk has answered.
    ///
    /// # Errors
    /// If the host has no threads left.
    pub(crate) fn start(name: String, synchronise: Synchronise) -> io::Result<Self> {
        let (rounds, asked) = threads::channel();
        let (answer, outcomes) = mpsc::unbounded_channel();
        std::thread::Builder::new().name(name).spawn(move || answer_all(&asked, &answer, synchronise))?;
        Ok(Self {
            rounds,
            outcomes: RefCell::new(outcomes),
            running: RefCell::default(),
            since: Cell::new(None),
            next: RefCell::default(),
        })
    }

    /// Asks that everything written to a file so far be brought to the disk. The answer is true once it is; it is false,
    /// or never comes, when it may not be.
    pub(crate) fn ask(&self, file: &Arc<PieceFile>) -> oneshot::Receiver<bool> {
        let (sender, answer) = oneshot::channel();
        let mut next = self.next.borrow_mut();
        if !next.files.iter().any(|known| Arc::ptr_eq(known, file)) {
            next.files.push(Arc::clone(file));
        }
        next.waiting.push((Arc::clone(file), sender));
        drop(next);
        self.begin();
        answer
    }

    /// Returns whether the disk hangs.
    pub(crate) fn is_stalled(&self) -> bool {
        self.since.get().is_some_and(|since| since.elapsed() >= STALLED_AFTER)
    }

    /// Returns whether a round runs.
    pub(crate) fn is_busy(&self) -> bool {
        self.since.get().is_some()
    }

    /// Begins the next round unless one runs, or nobody asked.
    fn begin(&self) {
        if self.since.get().is_some() || self.next.borrow().files.is_empty() {
            return;
        }
        let round = self.next.take();
        // A thread that is gone never answers: everything from here on is refused.
        drop(self.rounds.send(round.files.clone()));
        self.since.set(Some(Instant::now()));
        self.running.replace(round);
    }

    /// Waits for the round that runs, tells those who wait for it, and begins the next. Returns the files that could not
    /// be brought to the disk. Never returns if nobody asks.
    pub(crate) async fn finished(&self) -> Vec<Arc<PieceFile>> {
        let received = poll_fn(|cx| self.outcomes.borrow_mut().poll_recv(cx)).await;
        let Some(outcomes) = received else { return std::future::pending().await };
        self.since.set(None);
        let mut round = self.running.take();
        let mut failed = Vec::new();
        for (file, outcome) in round.files.iter().zip(outcomes) {
            if let Err(error) = outcome {
                tracing::error!(%error, "evidence could not be synchronised to disk; another chain begins");
                failed.push(Arc::clone(file));
            }
        }
        let has_failed = |file: &Arc<PieceFile>| failed.iter().any(|failed| Arc::ptr_eq(failed, file));
        round.tell(has_failed, false);
        round.tell(|_| true, true);
        // A failure is reported once (fsync(2)): a file that failed would seem well in the next round, and what was
        // written to it meanwhile follows what the disk has lost.
        self.next.borrow_mut().tell(has_failed, false);
        self.begin();
        failed
    }
}

/// The thread.
fn answer_all(
    asked: &threads::Receiver<Vec<Arc<PieceFile>>>,
    answer: &mpsc::UnboundedSender<Outcomes>,
    mut synchronise: Synchronise,
) {
    while let Ok(files) = asked.recv() {
        let outcomes = files.iter().map(|file| synchronise(file)).collect();
        if answer.send(outcomes).is_err() {
            return;
        }
    }
}
