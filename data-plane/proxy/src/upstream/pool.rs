//! A shard's connections that wait for their next request.

use hoop_model::Uid;
use std::collections::HashMap;
use std::task::Context;
use std::time::Duration;
use tokio::time::Instant;

/// How many idle connections one identity may keep to one backend, per shard. A caller with more connections than this
/// makes a backend connect for every request beyond it: at 32, 256 callers had a fifth of the requests per second.
const MAX_IDLE: usize = 256;
/// How long a connection may wait for its next request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// What a pooled connection must be able to say about itself.
pub(crate) trait Pooled {
    /// Returns whether a request can be sent on it at once.
    fn is_usable(&mut self, cx: &mut Context<'_>) -> bool;
}

impl Pooled for super::line::Line {
    fn is_usable(&mut self, cx: &mut Context<'_>) -> bool {
        Self::is_usable(self, cx)
    }
}

/// Who may use a pooled connection: one identity, on one connection as it is configured at present (HT-08).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PoolKey {
    /// The Connection object.
    pub(crate) connection: Uid,
    /// Its generation: another upstream or another CA is another backend.
    pub(crate) generation: u64,
    /// The Identity object.
    pub(crate) identity: Uid,
}

/// Idle connections, the one used last first.
#[derive(Debug)]
pub(crate) struct Pool<L> {
    idle: HashMap<PoolKey, Vec<(L, Instant)>>,
}

impl<L: Pooled> Pool<L> {
    pub(crate) fn new() -> Self {
        Self { idle: HashMap::new() }
    }

    /// Takes a connection that can be used at once. Those that cannot are dropped: they are never tried a second time.
    pub(crate) fn take(&mut self, key: PoolKey, cx: &mut Context<'_>) -> Option<L> {
        let lines = self.idle.get_mut(&key)?;
        while let Some((mut line, since)) = lines.pop() {
            if since.elapsed() < IDLE_TIMEOUT && line.is_usable(cx) {
                return Some(line);
            }
        }
        self.idle.remove(&key);
        None
    }

    /// Keeps a connection whose last exchange came to its end on both sides. Whoever calls vouches for that.
    pub(crate) fn put(&mut self, key: PoolKey, line: L) {
        let lines = self.idle.entry(key).or_default();
        if lines.len() < MAX_IDLE {
            lines.push((line, Instant::now()));
        }
    }

    /// Drops what has waited too long.
    pub(crate) fn sweep(&mut self) {
        self.idle.retain(|_, lines| {
            lines.retain(|(_, since)| since.elapsed() < IDLE_TIMEOUT);
            !lines.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[derive(Debug, PartialEq)]
    struct Fake(u32, bool);
    impl Pooled for Fake {
        fn is_usable(&mut self, _: &mut Context<'_>) -> bool {
            self.1
        }
    }

    fn key(connection: u128, generation: u64, identity: u128) -> PoolKey {
        PoolKey { connection: Uid::mint(connection), generation, identity: Uid::mint(identity) }
    }

    fn take(pool: &mut Pool<Fake>, key: PoolKey) -> Option<u32> {
        pool.take(key, &mut Context::from_waker(Waker::noop())).map(|line| line.0)
    }

    #[tokio::test(start_paused = true)]
    async fn ht_08_a_connection_serves_one_identity_and_one_backend_only() {
        let mut pool = Pool::new();
        pool.put(key(1, 1, 1), Fake(7, true));
        for other in [key(1, 1, 2), key(2, 1, 1), key(1, 2, 1)] {
            assert_eq!(take(&mut pool, other), None);
        }
        assert_eq!(take(&mut pool, key(1, 1, 1)), Some(7));
        assert_eq!(take(&mut pool, key(1, 1, 1)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_ended_is_dropped() {
        let mut pool = Pool::new();
        pool.put(key(1, 1, 1), Fake(1, true));
        pool.put(key(1, 1, 1), Fake(2, false));
        assert_eq!(take(&mut pool, key(1, 1, 1)), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connections_are_bounded_in_number_and_time() {
        let mut pool = Pool::new();
        for n in 0..300 {
            pool.put(key(1, 1, 1), Fake(n, true));
        }
        assert_eq!(pool.idle[&key(1, 1, 1)].len(), MAX_IDLE);
        tokio::time::advance(IDLE_TIMEOUT).await;
        assert_eq!(take(&mut pool, key(1, 1, 1)), None);
        pool.put(key(1, 1, 1), Fake(1, true));
        tokio::time::advance(IDLE_TIMEOUT).await;
        pool.sweep();
        assert!(pool.idle.is_empty());
    }
}
