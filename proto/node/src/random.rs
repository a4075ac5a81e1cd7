//! Random bits, drawn by shells and handed to pure code as arguments.

use std::cell::RefCell;

/// Draws `N` bytes from the cryptographic generator.
///
/// Ends the process if the generator fails: every id, nonce and token depends on it, and none may be guessable.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        tracing::error!("the random generator failed");
        std::process::abort();
    }
    bytes
}

/// How many bytes are drawn at a time for ids.
const DRAWN: usize = 512;

thread_local! {
    static FOR_IDS: RefCell<ForIds> = const { RefCell::new(ForIds { drawn: [0; DRAWN], used: DRAWN }) };
}

/// What this thread drew and did not give out yet.
struct ForIds {
    drawn: [u8; DRAWN],
    used: usize,
}

/// Draws `N` bytes for an id that is no secret, such as a trace's. A draw costs about as much for one id as for many, so
/// many are drawn at a time. Keys, salts and tokens come from [`random`], which keeps nothing.
#[must_use]
pub fn random_id<const N: usize>() -> [u8; N] {
    FOR_IDS.with_borrow_mut(|ids| {
        if ids.used + N > DRAWN {
            (ids.drawn, ids.used) = (random(), 0);
        }
        let id = ids.drawn.get(ids.used..).and_then(<[u8]>::first_chunk).copied();
        ids.used += N;
        id.unwrap_or_else(random)
    })
}

#[cfg(test)]
mod tests {
    use super::{DRAWN, random, random_id};
    use std::collections::BTreeSet;

    #[test]
    fn no_two_draws_are_alike() {
        let drawn: BTreeSet<[u8; 16]> = (0..1000).map(|_| random()).collect();
        assert_eq!(drawn.len(), 1000);
        assert!(!drawn.contains(&[0; 16]));
    }

    #[test]
    fn no_two_ids_are_alike_whatever_their_lengths() {
        let mut drawn = BTreeSet::new();
        for _ in 0..1000 {
            assert!(drawn.insert(random_id::<16>().to_vec()) && drawn.insert(random_id::<8>().to_vec()));
        }
        assert!(!drawn.contains([0; 16].as_slice()) && !drawn.contains([0; 8].as_slice()));
        assert_ne!(random_id::<{ DRAWN + 1 }>(), [0; DRAWN + 1], "one that is longer than what is drawn at a time");
    }
}
