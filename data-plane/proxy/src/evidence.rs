//! Evidence on its way from a shard's record to the control plane's store.
//!
//! ```text
//!   shard threads                     keeper's thread                     control thread
//!
//!   Recorder ── write(2) ──▶ .open
//!    │  │  Spool: the chain    │ cut at 4 MiB or 5 s
//!    │  │                      ▼
//!    │  │                    Sealer ── footer, fdatasync ──▶ .seg ──▶ Shipper ── Evidence.Ship ──▶ STORED: removed
//!    │  └─ Syncer's thread: fdatasync, for all who wait           REFUSED: kept in refused/
//!    │
//!    └──▶ Ledger ◀── what is sealed, what waits, heads ──▶ Link: Hello, Renew;  tail: evidence.tail
//! ```
//!
//! Nothing here ever removes a record that is not stored: what cannot be written, kept, sealed or shipped makes the node
//! refuse commands instead (`recorder_unavailable`), and by itself take them again.
//!
//! A chain of which the disk has lost records is *broken off*: what precedes them is sealed and shipped, what follows them
//! is stranded, the next record begins another chain, and the control plane is told how far it went, so that the log says
//! what is missing.
//!
//! # The disk
//!
//! ```text
//!   SPOOL/NODE/INCARNATION-SHARD-FIRST.open     records; FIRST is the first one's number, in 20 digits
//!   SPOOL/NODE/INCARNATION-SHARD-FIRST.seg      sealed, waits to be shipped
//!   SPOOL/NODE/INCARNATION-SHARD-FIRST.part     a copy that is being sealed
//!   SPOOL/NODE/refused/…seg                     the control plane would not have it
//!   SPOOL/NODE/unreadable/…                     without one whole record, or what of it was not whole
//!   SPOOL/NODE/stranded/…                       records before it are missing, so nobody can vouch for it
//! ```

pub(crate) mod keeper;
pub(crate) mod ledger;
pub(crate) mod medium;
pub(crate) mod name;
pub(crate) mod recorder;
pub(crate) mod recovery;
pub(crate) mod seal;
pub(crate) mod ship;
pub(crate) mod spool;
pub(crate) mod syncer;
pub(crate) mod tail;

use crate::config::Config;
use hoop_audit::{InvalidSeed, SigningKey};
use hoop_model::{EvidenceKey, Incarnation};
use keeper::Keeper;
use ledger::Ledger;
use medium::{Directory, Lock};
use recorder::Recorder;
use recovery::Leftover;
use seal::{NotSealed, Sealer};
use spool::{Cut, Spool, Writer};
use std::io;
use std::sync::Arc;
use std::sync::mpsc as threads;
use syncer::{Syncer, Synchronise};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// The node's evidence, while the node is being stood up.
pub(crate) struct Evidence {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) directory: Directory,
    lock: Lock,
    sealer: Sealer,
    leftovers: Vec<Leftover>,
    cut: threads::Sender<Cut>,
    cuts: threads::Receiver<Cut>,
}

/// The node's evidence, while the node runs.
pub(crate) struct Custody {
    /// Keeps other processes out until the node has stopped.
    #[expect(dead_code, reason = "held, not used")]
    lock: Lock,
    /// Answers once everything that was recorded is sealed.
    pub(crate) sealed: oneshot::Receiver<()>,
}

/// Says why there can be no evidence, and so no node.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoEvidence {
    /// The directory cannot be used; [`io::ErrorKind::WouldBlock`] if another process has it.
    #[error("cannot use the spool directory")]
    Directory(#[from] io::Error),
    /// What an earlier start left behind cannot be brought to an end.
    #[error("cannot keep the evidence of an earlier start")]
    Leftover(#[from] NotSealed),
    /// There is no key to seal with.
    #[error("cannot make a key to seal evidence with")]
    Key(#[from] InvalidSeed),
}

impl Evidence {
    /// Takes the spool over: ends what an earlier start left behind, under the key of this one.
    ///
    /// # Errors
    /// [`NoEvidence`]; nothing was removed then.
    pub(crate) fn open(config: &Config, incarnation: Incarnation) -> Result<Self, NoEvidence> {
        let (directory, lock) = Directory::open(&config.spool_dir, &config.node)?;
        let seed = Zeroizing::new(hoop_node::random::<32>());
        let key = SigningKey::from_seed(&seed)?;
        let public = key.verifying_key().0;
        let announced = EvidenceKey { node: config.node.clone(), incarnation, public };
        let ledger = Arc::new(Ledger::new(announced, config.spool_max_bytes));
        let node = config.node.clone();
        let sealer = Sealer { directory: directory.clone(), node, signer: incarnation, key };
        let leftovers = recovery::recover(&sealer, &ledger, hoop_node::clock::unix_now())?;
        let (cut, cuts) = threads::channel();
        Ok(Self { ledger, directory, lock, sealer, leftovers, cut, cuts })
    }

    /// Makes the recorder of one shard of so many, with its syncer's thread, which brings files to the disk by
    /// `synchronise`.
    ///
    /// # Errors
    /// If the host has no threads left.
    pub(crate) fn recorder(&self, shard: u32, shards: u32, synchronise: Synchronise) -> io::Result<Recorder> {
        let EvidenceKey { node, incarnation, .. } = self.ledger.key.clone();
        let writer = Writer { node, incarnation, shard, stride: shards };
        let syncer = Syncer::start(format!("syncer-{shard}"), synchronise)?;
        let spool = Spool::new(self.directory.clone(), writer);
        Ok(Recorder::new(spool, syncer, Arc::clone(&self.ledger), self.cut.clone()))
    }

    /// Starts the keeper. It ends once every recorder is gone and what they cut is sealed.
    ///
    /// # Errors
    /// If the host has no threads left.
    pub(crate) fn start_keeper(self) -> io::Result<Custody> {
        let Self { ledger, lock, sealer, leftovers, cuts, .. } = self;
        let (finished, sealed) = oneshot::channel();
        let keeper = Keeper { sealer, ledger, cuts, leftovers, lock: lock.clone(), finished };
        std::thread::Builder::new().name("keeper".to_owned()).spawn(move || keeper.run())?;
        Ok(Custody { lock, sealed })
    }
}

#[cfg(test)]
mod tests;
