//! Keeping the last good revision, off the thread that renews: one write at a time, and a lease only of what is kept.

use super::contents::Contents;
use super::join::Membership;
use super::last_good::{LastGood, Useless};
use super::link::Link;
use crate::world::Policy;
use hoop_gate::BootMillis;
use hoop_model::Revision;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How often the lease is written: what of it a crash costs.
const LEASE_EVERY: Duration = Duration::from_secs(1);

/// What one attachment keeps.
pub(super) struct Keeping {
    good: Arc<LastGood>,
    writing: Option<JoinHandle<Option<Revision>>>,
    /// What is on the disk, written by this attachment.
    kept: Option<Revision>,
    /// Whether something newer was applied meanwhile.
    is_behind: bool,
    lease_at: Option<Instant>,
    leasing: Option<JoinHandle<()>>,
    forgetting: Option<JoinHandle<()>>,
}

impl Keeping {
    pub(super) fn new(good: LastGood) -> Self {
        let good = Arc::new(good);
        Self { good, writing: None, kept: None, is_behind: false, lease_at: None, leasing: None, forgetting: None }
    }

    /// Forgets the lease of what was applied before. Nobody is told that something else is carried out until that is done: a
    /// restart would take it back for as long as the lease lasts.
    pub(super) fn superseded(&mut self) {
        let (good, earlier) = (Arc::clone(&self.good), [self.forgetting.take(), self.leasing.take()]);
        self.forgetting = Some(tokio::spawn(async move {
            for earlier in earlier.into_iter().flatten() {
                drop(earlier.await);
            }
            let forgetting = tokio::task::spawn_blocking(move || {
                if let Err(error) = good.forget_lease() {
                    tracing::error!(%error, "the lease of an earlier revision is still on the disk; a restart may take it up");
                }
            });
            drop(forgetting.await);
        }));
    }

    /// Returns whether a restart could act by a lease of what was applied before.
    pub(super) const fn is_forgetting(&self) -> bool {
        self.forgetting.is_some()
    }

    /// Writes what was applied, unless something is being written.
    pub(super) fn applied(&mut self, contents: Option<&Contents>) {
        self.is_behind = self.writing.is_some();
        if self.is_behind {
            return;
        }
        let Some(snapshot) = contents.and_then(Contents::to_snapshot) else { return };
        let good = Arc::clone(&self.good);
        self.writing = Some(tokio::task::spawn_blocking(move || {
            let revision = snapshot.revision.map(Revision::from)?;
            match good.keep(&snapshot) {
                Ok(()) => Some(revision),
                Err(error) => {
                    let error = super::chain(&error);
                    tracing::warn!(%revision, %error, "the last good revision cannot be kept on disk");
                    None
                }
            }
        }));
    }

    /// Waits until something is written or forgotten, for ever if nothing is to be; returns whether something newer is to be
    /// written.
    pub(super) async fn done(&mut self) -> bool {
        tokio::select! {
            kept = ended(&mut self.writing) => {
                self.writing = None;
                self.kept = kept.flatten().or(self.kept);
                self.is_behind
            }
            _ = ended(&mut self.forgetting) => {
                self.forgetting = None;
                false
            }
        }
    }

    /// Writes a lease, if it is of what is kept, and the last one is written and a moment old.
    pub(super) fn leased(&mut self, applied: Revision, deadline: BootMillis) {
        let is_due = self.lease_at.is_none_or(|at| at.elapsed() >= LEASE_EVERY);
        let is_busy = self.is_forgetting() || self.leasing.as_ref().is_some_and(|leasing| !leasing.is_finished());
        if self.kept != Some(applied) || !is_due || is_busy {
            return;
        }
        self.lease_at = Some(Instant::now());
        let good = Arc::clone(&self.good);
        self.leasing = Some(tokio::task::spawn_blocking(move || {
            if let Err(error) = good.keep_lease(applied, deadline) {
                let error = super::chain(&error);
                tracing::warn!(%error, "the lease cannot be kept on disk; a restart will need the control plane");
            }
        }));
    }
}

async fn ended<T>(task: &mut Option<JoinHandle<T>>) -> Option<T> {
    match task {
        Some(task) => task.await.ok(),
        None => std::future::pending().await,
    }
}

impl Link {
    /// Takes up the last good revision of an earlier start, if nothing is applied yet: what policy says is there at once, and
    /// what may be done by it is what is left of its lease.
    pub(super) fn recall(&self, directory: &Path, membership: &Membership) {
        if self.publisher.borrow().applied() != Revision::default() {
            return;
        }
        let good = LastGood::new(directory, membership);
        match self.take_up(&good) {
            Ok(None) => {}
            Ok(Some(revision)) => tracing::info!(%revision, "the last good revision of an earlier start is taken up"),
            Err(error) => {
                let error = super::chain(&*error);
                tracing::warn!(%error, "what was kept of an earlier start is of no use");
            }
        }
    }

    fn take_up(&self, good: &LastGood) -> Result<Option<Revision>, Box<dyn std::error::Error>> {
        let Some(snapshot) = good.snapshot()? else { return Ok(None) };
        let contents = Contents::of(snapshot);
        let revision = contents.revision();
        let (objects, given) = contents.read()?;
        let compiled = Policy::compile(&objects, revision, None, &self.local, given)?;
        self.publisher.borrow_mut().apply(compiled)?;
        self.contents.replace(Some(contents));
        self.take_up_lease(good, revision)?;
        Ok(Some(revision))
    }

    /// A lease that another control-plane node has granted meanwhile has the say, and is not shortened.
    fn take_up_lease(&self, good: &LastGood, revision: Revision) -> Result<(), Useless> {
        let now = BootMillis(hoop_node::clock::boot_now_ms());
        if let Some(end) = good.lease(revision)? {
            let lease = self.shared.lease.load().taken_up(end, now);
            self.shared.lease.store(Arc::new(lease));
            let left = end.0.saturating_sub(now.0);
            tracing::info!(left_ms = left, "what is left of the lease is taken up");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::last_good::tests::kept;
    use super::*;
    use hoop_wire::v1;

    const BEFORE: Revision = Revision { epoch: 1, index: 7 };

    #[tokio::test]
    async fn dp_02_the_lease_of_what_was_applied_before_is_gone_before_anybody_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let own = || kept(directory.path(), b"key", "boot-1");
        let mut keeping = Keeping::new(own());
        let snapshot = v1::Snapshot { revision: Some(BEFORE.into()), ..v1::Snapshot::default() };
        keeping.applied(Some(&Contents::of(snapshot)));
        assert!(!keeping.done().await);
        keeping.leased(BEFORE, BootMillis(99));
        // The write may not even have begun.
        keeping.superseded();
        keeping.leased(BEFORE, BootMillis(199));
        assert!(keeping.is_forgetting());
        assert!(!keeping.done().await);
        assert!(!keeping.is_forgetting());
        assert_eq!(own().lease(BEFORE).unwrap(), None);
        // Nothing was there, and what is applied again is leased again.
        keeping.superseded();
        assert!(!keeping.done().await);
        keeping.lease_at = None;
        keeping.leased(BEFORE, BootMillis(299));
        keeping.leasing.take().unwrap().await.unwrap();
        assert_eq!(own().lease(BEFORE).unwrap(), Some(BootMillis(299)));
    }
}
