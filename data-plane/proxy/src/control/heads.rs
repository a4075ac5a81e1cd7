//! Which heads of this incarnation's chains the control plane has not answered for yet.

use hoop_model::{ChainHead, ChainId, Head};
use std::collections::{BTreeMap, VecDeque};

/// How many unanswered renewals are remembered; older ones would grant nothing any more.
const MAX_UNANSWERED: usize = 16;

/// The heads of one attachment: another control-plane node knows nothing of what was sent to the last one.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    answered: BTreeMap<ChainId, Head>,
    sent: VecDeque<(u64, Vec<ChainHead>)>,
}

impl Heads {
    /// Returns those that moved since the last answered renewal, and remembers that this renewal carries them.
    pub(crate) fn moved(&mut self, sequence: u64, heads: Vec<ChainHead>) -> Vec<ChainHead> {
        let is_new = |head: &ChainHead| self.answered.get(&head.chain) != Some(&head.head);
        let moved: Vec<_> = heads.into_iter().filter(is_new).collect();
        if self.sent.len() >= MAX_UNANSWERED {
            self.sent.pop_front();
        }
        self.sent.push_back((sequence, moved.clone()));
        moved
    }

    /// Notes that a renewal was answered. Those before it may have been lost: what they alone carried is sent again.
    pub(crate) fn answered(&mut self, sequence: u64) {
        while let Some((sent, heads)) = self.sent.pop_front_if(|(sent, _)| *sent <= sequence) {
            if sent == sequence {
                self.answered.extend(heads.into_iter().map(|head| (head.chain, head.head)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoop_model::{ContentHash, Incarnation, ResourceName};

    fn head(shard: u32, sequence: u64) -> ChainHead {
        let node = ResourceName::parse("dp-1").unwrap();
        let chain = ChainId { node, incarnation: Incarnation::mint(7), shard };
        ChainHead { chain, head: Head { sequence, hash: ContentHash([1; 32]) } }
    }

    #[test]
    fn a_head_is_sent_until_a_renewal_that_carried_it_is_answered() {
        let mut heads = Heads::default();
        assert_eq!(heads.moved(1, vec![head(0, 5)]), [head(0, 5)]);
        assert_eq!(heads.moved(2, vec![head(0, 5), head(1, 1)]), [head(0, 5), head(1, 1)], "not answered: again");
        heads.answered(1);
        assert_eq!(heads.moved(3, vec![head(0, 5), head(1, 1)]), [head(1, 1)]);
        heads.answered(3);
        assert_eq!(heads.moved(4, vec![head(0, 5), head(1, 1)]), []);
        assert_eq!(heads.moved(5, vec![head(0, 6), head(1, 1)]), [head(0, 6)]);
    }

    #[test]
    fn what_only_a_lost_renewal_carried_is_sent_again() {
        let mut heads = Heads::default();
        assert_eq!(heads.moved(1, vec![head(0, 5)]), [head(0, 5)]);
        assert_eq!(heads.moved(2, vec![]), [], "the chain has ended meanwhile");
        heads.answered(2);
        assert_eq!(heads.moved(3, vec![head(0, 5)]), [head(0, 5)]);
        heads.answered(99);
        assert_eq!(heads.moved(4, vec![head(0, 5)]), [head(0, 5)], "an answer to none says nothing");
    }
}
