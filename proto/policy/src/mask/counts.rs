//! How much was masked.

use hoop_model::spec::ClassName;
use std::collections::BTreeMap;

/// How many values of each class were masked. It names classes only, never values, so it may be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MaskedCounts(BTreeMap<ClassName, u64>);

impl MaskedCounts {
    /// Returns the classes and their counts, by name; none of them is zero.
    pub fn iter(&self) -> impl Iterator<Item = (&ClassName, u64)> {
        self.0.iter().map(|(class, count)| (class, *count))
    }

    /// Returns how many values of one class were masked.
    #[must_use]
    pub fn of(&self, class: &ClassName) -> u64 {
        self.0.get(class).copied().unwrap_or(0)
    }

    /// Returns whether nothing was masked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what was masked elsewhere in the same message.
    pub fn add(&mut self, other: &Self) {
        for (class, count) in other.iter() {
            self.count(class, count);
        }
    }

    /// Returns those of some classes.
    #[must_use]
    pub fn only<'c>(&self, classes: impl IntoIterator<Item = &'c ClassName>) -> Self {
        let counted = classes.into_iter().filter_map(|class| Some((class.clone(), *self.0.get(class)?)));
        Self(counted.collect())
    }

    pub(super) fn count(&mut self, class: &ClassName, values: u64) {
        match self.0.get_mut(class) {
            Some(count) => *count = count.saturating_add(values),
            None => drop(self.0.insert(class.clone(), values)),
        }
    }
}
