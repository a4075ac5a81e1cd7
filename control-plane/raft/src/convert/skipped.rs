//! What a remembered reply says of evidence that was left out, both ways.

use super::decode::present;
use hoop_model::ChainId;
use hoop_state::{Item, Skip, Skipped};
use hoop_wire::{Malformed, v1};

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SkippedRecord {
    #[prost(enumeration = "ItemRecord", tag = "1")]
    item: i32,
    /// Shard 0 if the item is a key.
    #[prost(message, optional, tag = "2")]
    chain: Option<v1::ChainId>,
    /// Of a root.
    #[prost(uint64, tag = "3")]
    first: u64,
    #[prost(enumeration = "SkipRecord", tag = "4")]
    why: i32,
    /// Of a root that is out of order.
    #[prost(uint64, tag = "5")]
    expected: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum ItemRecord {
    Unspecified = 0,
    Key = 1,
    Head = 2,
    Root = 3,
    Lost = 4,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum SkipRecord {
    Unspecified = 0,
    UnknownNode = 1,
    KeyDiffers = 2,
    Unannounced = 3,
    NoSuchRecords = 4,
    TooManyChains = 5,
    OutOfOrder = 6,
    Ended = 7,
    Alive = 8,
}

pub(super) fn of_skipped(Skipped { item, why }: &Skipped) -> SkippedRecord {
    let (item, chain, first) = match item {
        Item::Key { node, incarnation } => {
            (ItemRecord::Key, ChainId { node: node.clone(), incarnation: *incarnation, shard: 0 }, 0)
        }
        Item::Head(chain) => (ItemRecord::Head, chain.clone(), 0),
        Item::Root { chain, first } => (ItemRecord::Root, chain.clone(), *first),
        Item::Lost(chain) => (ItemRecord::Lost, chain.clone(), 0),
    };
    let (why, expected) = match why {
        Skip::UnknownNode => (SkipRecord::UnknownNode, 0),
        Skip::KeyDiffers => (SkipRecord::KeyDiffers, 0),
        Skip::Unannounced => (SkipRecord::Unannounced, 0),
        Skip::NoSuchRecords => (SkipRecord::NoSuchRecords, 0),
        Skip::TooManyChains => (SkipRecord::TooManyChains, 0),
        Skip::OutOfOrder { expected } => (SkipRecord::OutOfOrder, *expected),
        Skip::Ended => (SkipRecord::Ended, 0),
        Skip::Alive => (SkipRecord::Alive, 0),
    };
    SkippedRecord { item: item.into(), chain: Some((&chain).into()), first, why: why.into(), expected }
}

pub(super) fn skipped_of(record: SkippedRecord) -> Result<Skipped, Malformed> {
    let SkippedRecord { item, chain, first, why, expected } = record;
    let unknown = |field| Malformed { field, problem: "is unknown" };
    let chain: ChainId = present(chain, "reply.chain")?.try_into()?;
    let item = match ItemRecord::try_from(item) {
        Ok(ItemRecord::Key) => Item::Key { node: chain.node, incarnation: chain.incarnation },
        Ok(ItemRecord::Head) => Item::Head(chain),
        Ok(ItemRecord::Root) => Item::Root { chain, first },
        Ok(ItemRecord::Lost) => Item::Lost(chain),
        Ok(ItemRecord::Unspecified) | Err(_) => return Err(unknown("reply.item")),
    };
    let why = match SkipRecord::try_from(why) {
        Ok(SkipRecord::UnknownNode) => Skip::UnknownNode,
        Ok(SkipRecord::KeyDiffers) => Skip::KeyDiffers,
        Ok(SkipRecord::Unannounced) => Skip::Unannounced,
        Ok(SkipRecord::NoSuchRecords) => Skip::NoSuchRecords,
        Ok(SkipRecord::TooManyChains) => Skip::TooManyChains,
        Ok(SkipRecord::OutOfOrder) => Skip::OutOfOrder { expected },
        Ok(SkipRecord::Ended) => Skip::Ended,
        Ok(SkipRecord::Alive) => Skip::Alive,
        Ok(SkipRecord::Unspecified) | Err(_) => return Err(unknown("reply.why")),
    };
    Ok(Skipped { item, why })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoop_model::{Incarnation, ResourceName};

    #[test]
    fn every_item_and_every_reason_reads_back() {
        let (node, incarnation) = (ResourceName::parse("node-a").unwrap(), Incarnation::mint(3));
        let chain = ChainId { node: node.clone(), incarnation, shard: 2 };
        let items = [
            Item::Key { node, incarnation },
            Item::Head(chain.clone()),
            Item::Root { chain: chain.clone(), first: 7 },
            Item::Lost(chain),
        ];
        let reasons = [
            Skip::UnknownNode,
            Skip::KeyDiffers,
            Skip::Unannounced,
            Skip::NoSuchRecords,
            Skip::TooManyChains,
            Skip::OutOfOrder { expected: 9 },
            Skip::Ended,
            Skip::Alive,
        ];
        for item in items {
            for why in reasons {
                let skipped = Skipped { item: item.clone(), why };
                assert_eq!(skipped_of(of_skipped(&skipped)), Ok(skipped));
            }
        }
    }

    #[test]
    fn an_unknown_item_or_reason_does_not_decode() {
        let (node, incarnation) = (ResourceName::parse("node-a").unwrap(), Incarnation::mint(3));
        let good = of_skipped(&Skipped { item: Item::Key { node, incarnation }, why: Skip::KeyDiffers });
        for broken in [
            SkippedRecord { item: 0, ..good.clone() },
            SkippedRecord { item: 5, ..good.clone() },
            SkippedRecord { why: 0, ..good.clone() },
            SkippedRecord { why: 9, ..good.clone() },
            SkippedRecord { chain: None, ..good },
        ] {
            assert!(skipped_of(broken).is_err());
        }
    }
}
