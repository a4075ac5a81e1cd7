//! Which processes of nodes may still be at work: a new one says Hello while the one before it drains, perhaps on another
//! host, and what the old one has not shipped yet is not lost.

use hoop_model::{Incarnation, ResourceName};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// When processes were heard of for the last time.
pub(super) struct Lives {
    /// How long after its last word a process may still be at work.
    lasting: Duration,
    began: Instant,
    heard: BTreeMap<(ResourceName, Incarnation), Instant>,
}

impl Lives {
    /// Knows nobody. Whoever was heard of before this began may have been heard of just then.
    pub(super) fn lasting(lasting: Duration) -> Self {
        Self { lasting, began: Instant::now(), heard: BTreeMap::new() }
    }

    /// Notes a word of a process.
    pub(super) fn heard(&mut self, node: &ResourceName, incarnation: Incarnation) {
        let now = Instant::now();
        let lasting = self.lasting;
        self.heard.retain(|_, heard| now.duration_since(*heard) < lasting);
        self.heard.insert((node.clone(), incarnation), now);
    }

    /// Returns from when on a process is surely over, unless it is heard of again.
    pub(super) fn over_at(&self, node: &ResourceName, incarnation: Incarnation) -> Instant {
        let heard = self.heard.get(&(node.clone(), incarnation));
        *heard.unwrap_or(&self.began) + self.lasting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_process_is_over_when_it_has_been_silent_for_so_long() {
        let lasting = Duration::from_secs(30);
        let (node, old, new) = (ResourceName::parse("n1").unwrap(), Incarnation::mint(1), Incarnation::mint(2));
        let mut lives = Lives::lasting(lasting);
        let began = Instant::now();
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(lives.over_at(&node, old), began + lasting, "it may have been heard of just before the start");
        lives.heard(&node, old);
        assert_eq!(lives.over_at(&node, old), Instant::now() + lasting);
        assert_eq!(lives.over_at(&node, new), began + lasting);
        for _ in 0..100 {
            tokio::time::advance(lasting).await;
            lives.heard(&node, new);
        }
        assert_eq!(lives.heard.len(), 1, "who is over is forgotten");
        assert!(lives.over_at(&node, old) < Instant::now());
    }
}
