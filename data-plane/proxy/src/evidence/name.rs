//! The names of a spool's files: `INCARNATION-SHARD-FIRST.open` and so on, so that a listing alone tells what there is.

use hoop_model::{ChainId, Incarnation, ResourceName};
use std::fmt;

/// Names one piece of a chain: the records from one on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PieceName {
    pub(crate) incarnation: Incarnation,
    pub(crate) shard: u32,
    /// The number of its first record.
    pub(crate) first: u64,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// A sealed segment.
    Sealed,
    /// Records that are not sealed yet.
    Open,
    /// A sealed segment that was being written when its writer died. What it is a copy of is still there.
    Part,
}

impl Form {
    const ALL: [Self; 3] = [Self::Sealed, Self::Open, Self::Part];

    const fn extension(self) -> &'static str {
        match self {
            Self::Sealed => "seg",
            Self::Open => "open",
            Self::Part => "part",
        }
    }
}

impl PieceName {
    /// Returns the name of the file that holds it in this form.
    pub(crate) fn file(&self, form: Form) -> String {
        format!("{self}.{}", form.extension())
    }

    /// Reads a file's name; `None` for one that this node never gives.
    pub(crate) fn read(file: &str) -> Option<(Self, Form)> {
        let (stem, extension) = file.rsplit_once('.')?;
        let form = Form::ALL.into_iter().find(|form| form.extension() == extension)?;
        let mut parts = stem.split('-');
        let (incarnation, shard, first) = (parts.next()?, parts.next()?, parts.next()?);
        let name =
            Self { incarnation: incarnation.parse().ok()?, shard: shard.parse().ok()?, first: first.parse().ok()? };
        (name.file(form) == file).then_some((name, form))
    }

    /// Returns the chain that it is a piece of.
    pub(crate) fn chain(&self, node: &ResourceName) -> ChainId {
        ChainId { node: node.clone(), incarnation: self.incarnation, shard: self.shard }
    }
}

impl fmt::Display for PieceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{:020}", self.incarnation, self.shard, self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_name_and_sorts_by_its_records() {
        let name = |first| PieceName { incarnation: Incarnation::mint(7), shard: 3, first };
        let file = name(12).file(Form::Open);
        assert_eq!(file, "00000000000000000000000000000007-3-00000000000000000012.open");
        assert_eq!(PieceName::read(&file), Some((name(12), Form::Open)));
        assert_eq!(PieceName::read(&name(12).file(Form::Part)), Some((name(12), Form::Part)));
        assert!(name(9).file(Form::Sealed) < name(10).file(Form::Sealed));
        for other in [
            "",
            "lost+found",
            "00000000000000000000000000000007-3.open",
            "00000000000000000000000000000007-3-12.open",
            "00000000000000000000000000000007-+3-00000000000000000012.open",
            "00000000000000000000000000000007-3-00000000000000000012.seg.part",
            "00000000000000000000000000000007-3-00000000000000000012-1.seg",
        ] {
            assert_eq!(PieceName::read(other), None, "{other}");
        }
    }
}
