//! The keeper: one thread that seals what shards have cut. It alone waits for the disk.

use super::ledger::Ledger;
use super::medium::Lock;
use super::name::Form;
use super::recovery::Leftover;
use super::seal::{Kept, NotSealed, Sealer};
use super::spool::Cut;
use hoop_audit::{CloseReason, Entry};
use hoop_model::ChainId;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long to wait before a piece that could not be sealed is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often it is tried once the node stops; after that it is the next start's.
const LAST_TRIES: u32 = 3;

/// What the keeper's thread takes with it.
pub(crate) struct Keeper {
    pub(crate) sealer: Sealer,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) cuts: Receiver<Cut>,
    /// What could not be recovered yet; the node refuses commands because of each.
    pub(crate) leftovers: Vec<Leftover>,
    /// Kept until the last piece is sealed.
    pub(crate) lock: Lock,
    /// Told once everything that was cut is sealed, and nobody is left who could cut more.
    pub(crate) finished: oneshot::Sender<()>,
}

/// A piece, and what has been tried.
struct Pending {
    cut: Cut,
    /// An attempt failed: what the disk holds of the file is not known.
    is_doubtful: bool,
    /// The node refuses commands because of it.
    ails: bool,
}

impl Keeper {
    /// Seals until there is nobody left who could cut anything.
    pub(crate) fn run(self) {
        let Self { sealer, ledger, cuts, mut leftovers, lock, finished } = self;
        let mut pending = Vec::new();
        let mut last_tries = 0;
        while last_tries < LAST_TRIES {
            let is_idle = pending.is_empty() && leftovers.is_empty();
            match next(&cuts, is_idle) {
                Ok(cut) => pending.extend([cut].into_iter().chain(cuts.try_iter()).map(Pending::of)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) if is_idle => break,
                Err(RecvTimeoutError::Disconnected) => {
                    last_tries += 1;
                    std::thread::sleep(AGAIN_AFTER);
                }
            }
            seal_all(&sealer, &ledger, &mut pending);
            settle_all(&sealer, &ledger, &mut leftovers);
        }
        if !pending.is_empty() {
            tracing::error!(pieces = pending.len(), "evidence could not be sealed; the next start does");
        }
        drop(lock);
        // Nobody listens where the node was dropped and not stopped.
        let _ = finished.send(());
    }
}

/// Waits for the next piece; not for ever if there are some to try again.
fn next(cuts: &Receiver<Cut>, is_idle: bool) -> Result<Cut, RecvTimeoutError> {
    if is_idle {
        return cuts.recv().map_err(|_| RecvTimeoutError::Disconnected);
    }
    cuts.recv_timeout(AGAIN_AFTER)
}

/// Tries every piece once, but none whose predecessor is not sealed: segments of a chain are shipped in order.
fn seal_all(sealer: &Sealer, ledger: &Ledger, pending: &mut Vec<Pending>) {
    let mut blocked = BTreeSet::<ChainId>::new();
    pending.retain_mut(|piece| {
        let chain = piece.cut.name.chain(&sealer.node);
        if blocked.contains(&chain) {
            return true;
        }
        let settled = match ledger.is_broken_off(&chain) {
            true => piece.strand(sealer, ledger),
            false => piece.settle(sealer, ledger),
        };
        let error = match settled {
            Ok(()) => {
                piece.is_well(ledger);
                return false;
            }
            Err(error) => error,
        };
        piece.failed(&error, ledger);
        blocked.insert(chain);
        true
    });
}

/// Hands over a segment whose records were counted when they were written.
fn hand_over(ledger: &Ledger, Kept { name, bytes, footer, ends_chain }: Kept) {
    ledger.sealed(name, bytes, footer, ends_chain);
}

/// Tries to end what an earlier start left behind.
fn settle_all(sealer: &Sealer, ledger: &Ledger, leftovers: &mut Vec<Leftover>) {
    leftovers.retain_mut(|leftover| {
        let settled = leftover.settle(sealer, ledger, hoop_node::clock::unix_now());
        if settled.is_ok() {
            ledger.settled(leftover.chain());
        }
        settled.is_err()
    });
}

impl Pending {
    fn of(cut: Cut) -> Self {
        // Whoever gave it up has said that the node ails.
        Self { is_doubtful: cut.given_up, ails: cut.given_up, cut }
    }

    /// Seals it and hands it over, or finds that there is nothing to seal.
    fn settle(&self, sealer: &Sealer, ledger: &Ledger) -> Result<(), NotSealed> {
        let Cut { name, before, length, ends_chain, .. } = self.cut;
        if length == 0 {
            if let Some(head) = before.filter(|_| ends_chain) {
                let ending = (&Entry::Closed(CloseReason::Unknown), hoop_node::clock::unix_now());
                hand_over(ledger, sealer.end(&name.chain(&sealer.node), head, &[], ending)?);
            }
            return Ok(sealer.remove_open(name)?);
        }
        let sealed = if self.is_doubtful { sealer.seal_copy(&self.cut) } else { sealer.seal(&self.cut) };
        match sealed {
            Ok(kept) => {
                hand_over(ledger, kept);
                Ok(())
            }
            Err(NotSealed::Broken(broken)) => self.salvage((sealer, ledger), &broken),
            Err(NotSealed::Disk(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.salvage((sealer, ledger), &error)
            }
            Err(error @ (NotSealed::Disk(_) | NotSealed::Unrecordable(_))) => Err(error),
        }
    }

    /// What was written is not what is read: keeps what is whole, and breaks the chain off after it.
    fn salvage(&self, (sealer, ledger): (&Sealer, &Ledger), error: &dyn std::error::Error) -> Result<(), NotSealed> {
        let name = self.cut.name;
        tracing::error!(piece = %name, %error, "the disk has lost evidence; what is whole is kept, and its chain is over");
        let kept = sealer.seal_rest(&self.cut)?;
        ledger.lost(self.cut.length);
        // Before the segment can be stored, so that nothing is ever shipped after it.
        ledger.break_off(&name.chain(&sealer.node), kept.map_or(self.cut.before, |(_, last)| Some(last)));
        if let Some((Kept { name, bytes, ends_chain, .. }, _)) = kept {
            ledger.sealed(name, bytes, bytes, ends_chain);
        }
        Ok(())
    }

    /// Keeps it apart, because records before it are missing.
    fn strand(&self, sealer: &Sealer, ledger: &Ledger) -> Result<(), NotSealed> {
        let Cut { name, length, .. } = self.cut;
        if length == 0 {
            return Ok(sealer.remove_open(name)?);
        }
        let last = sealer.strand(name, Form::Open)?;
        ledger.lost(length);
        ledger.break_off(&name.chain(&sealer.node), last);
        Ok(())
    }

    fn failed(&mut self, error: &NotSealed, ledger: &Ledger) {
        self.is_doubtful = true;
        if !std::mem::replace(&mut self.ails, true) {
            ledger.ails();
            let error = crate::control::chain(error);
            tracing::error!(piece = %self.cut.name, %error, "evidence cannot be sealed; commands are refused");
        }
    }

    fn is_well(&mut self, ledger: &Ledger) {
        if std::mem::replace(&mut self.ails, false) {
            ledger.recovered();
            tracing::info!(piece = %self.cut.name, "evidence that was in danger is sealed");
        }
    }
}

#[cfg(test)]
mod tests;
