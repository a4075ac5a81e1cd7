//! Random bits, drawn by shells and handed to pure code as arguments.

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

#[cfg(test)]
mod tests {
    use super::random;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_draws_are_alike() {
        let drawn: BTreeSet<[u8; 16]> = (0..1000).map(|_| random()).collect();
        assert_eq!(drawn.len(), 1000);
        assert!(!drawn.contains(&[0; 16]));
    }
}
