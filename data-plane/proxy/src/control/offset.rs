//! How far this node's clock is off: tokens are judged by it, and a token that is over for others must be over here.

/// Furthest that a node's clock may be off while it is ready, in milliseconds.
pub(crate) const MAX_OFF_MS: u64 = 5_000;

/// What a question and its answer say of two clocks, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange {
    /// This node's clock when it asked.
    pub(super) asked: u64,
    /// The other clock when it answered.
    pub(super) answered: u64,
    /// This node's clock when it heard the answer.
    pub(super) heard: u64,
}

impl Exchange {
    /// Returns how far this node's clock is ahead, at least, or behind if that is negative. The answer was given somewhere
    /// between question and hearing, so 0 where that explains what it says.
    pub(super) fn ahead_ms(self) -> i64 {
        let difference = |later: u64, earlier: u64| i64::try_from(later.saturating_sub(earlier)).unwrap_or(i64::MAX);
        match difference(self.asked, self.answered) {
            0 => difference(self.answered, self.heard).saturating_neg(),
            ahead => ahead,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_by_what_the_way_of_the_answer_does_not_explain() {
        for (asked, answered, heard, ahead) in [
            (1_000, 1_000, 1_000, 0),
            (1_000, 1_300, 1_500, 0),
            (1_000, 1_500, 1_500, 0),
            (1_000, 1_501, 1_500, -1),
            (1_000, 999, 1_500, 1),
            (1_000, 9_000, 1_500, -7_500),
            (9_000, 1_000, 9_500, 8_000),
            (0, u64::MAX, 0, -i64::MAX),
            (u64::MAX, 0, u64::MAX, i64::MAX),
        ] {
            assert_eq!(Exchange { asked, answered, heard }.ahead_ms(), ahead, "{asked} {answered} {heard}");
        }
    }
}
