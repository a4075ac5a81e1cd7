//! What one shard remembers of its verdicts.
//!
//! ```text
//!   slice key    subject, connection, action, target               ──► slice (statements, what they read)
//!   verdict key  the slices of the effects, and the values of the
//!                tags and attributes that these slices read        ──► Judgement
//! ```
//! A key is bytes in which every part carries its length, so equal keys mean equal parts.
#![expect(clippy::disallowed_types, reason = "the maps are looked up in and cleared, never iterated")]

use crate::Subject;
use crate::mask::MaskPlan;
use crate::slice::{Prepared, Slice};
use crate::statement::Names;
use hoop_model::spec::ClassName;
use hoop_model::{Context, Judgement, ResourceName, Revision, Target, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Most slices, and most verdicts, that are remembered; one more, and all are forgotten.
const MAX_ENTRIES: usize = 4096;
/// Longest verdict key that is remembered, in bytes: a caller chooses how long its paths are.
const MAX_KEY_BYTES: usize = 2048;

/// Most plans with classes shown that are remembered; one more, and all are forgotten.
const MAX_VIEWS: usize = 64;

/// The verdicts one shard remembers. It is bound to the rules it was last used with, and forgets everything when it is
/// used with others. Bounded: 4,096 slices and as many verdicts, with keys up to 2 KiB.
#[derive(Default)]
pub struct VerdictCache {
    bound: Option<Arc<Revision>>,
    slices: HashMap<Box<[u8]>, usize>,
    entries: Vec<Entry>,
    verdicts: HashMap<Box<[u8]>, Judgement>,
    /// Plans with classes shown, made once for all sessions that see the same.
    views: Vec<View>,
    /// The slice key being written; kept for its allocation.
    scratch: Vec<u8>,
    key: Vec<u8>,
    counts: Counts,
}

/// How verdicts were come by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Verdicts that were remembered.
    pub remembered: u64,
    /// Verdicts that policy was evaluated for.
    pub judged: u64,
}

/// A slice, and the entities of the token it last met.
pub(crate) struct Entry {
    pub(crate) slice: Slice,
    pub(crate) prepared: Option<Prepared>,
}

/// What is seen of a plan by who is shown some of its classes.
struct View {
    of: Arc<MaskPlan>,
    shown: Vec<ClassName>,
    plan: Arc<MaskPlan>,
}

impl VerdictCache {
    /// Makes an empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns how verdicts were come by since this was last called.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// Begins a verdict key for a command of this many effects.
    pub(crate) fn begin(&mut self, seal: &Arc<Revision>, effects: usize) {
        if !self.bound.as_ref().is_some_and(|bound| Arc::ptr_eq(bound, seal)) {
            self.forget();
            self.bound = Some(Arc::clone(seal));
        }
        // INVARIANT: nothing is forgotten between here and the verdict, so the positions of its slices stay good.
        if self.entries.len() + effects > MAX_ENTRIES {
            self.forget();
        }
        self.key.clear();
    }

    /// Returns the plan that leaves these classes clear; `None` if there cannot be one. A verdict must have been begun.
    pub(crate) fn view(&mut self, of: &Arc<MaskPlan>, shown: Vec<ClassName>) -> Option<Arc<MaskPlan>> {
        if let Some(known) = self.views.iter().find(|view| Arc::ptr_eq(&view.of, of) && view.shown == shown) {
            return Some(Arc::clone(&known.plan));
        }
        let plan = Arc::new(of.revealing(|class| shown.contains(class)).ok()?);
        if self.views.len() >= MAX_VIEWS {
            self.views.clear();
        }
        self.views.push(View { of: Arc::clone(of), shown, plan: Arc::clone(&plan) });
        Some(plan)
    }

    fn forget(&mut self) {
        self.views.clear();
        self.slices.clear();
        self.entries.clear();
        self.verdicts.clear();
    }

    /// Finds or builds the slice of one effect and returns its position.
    pub(crate) fn slice<E>(
        &mut self,
        subject: &Subject,
        connection: &ResourceName,
        (action, target): (&str, &Target),
        build: impl FnOnce() -> Result<Slice, E>,
    ) -> Result<usize, E> {
        self.scratch.clear();
        put_coordinates(&mut self.scratch, subject, connection, action, target);
        if let Some(&position) = self.slices.get(self.scratch.as_slice()) {
            return Ok(position);
        }
        let position = self.entries.len();
        self.entries.push(Entry { slice: build()?, prepared: None });
        self.slices.insert(self.scratch.as_slice().into(), position);
        Ok(position)
    }

    /// Adds to the verdict key a slice and the values it reads.
    pub(crate) fn add_to_key(&mut self, position: usize, subject: &Subject, context: &Context) {
        let Some(entry) = self.entries.get(position) else { return };
        put_count(&mut self.key, position);
        put_tags(&mut self.key, &entry.slice.reads.tags, subject);
        put_context(&mut self.key, &entry.slice.reads.context, context);
    }

    pub(crate) fn entry(&mut self, position: usize) -> Option<&mut Entry> {
        self.entries.get_mut(position)
    }

    /// Looks up the key that was written.
    pub(crate) fn verdict(&mut self) -> Option<&Judgement> {
        let known = self.verdicts.get(self.key.as_slice());
        let count = if known.is_some() { &mut self.counts.remembered } else { &mut self.counts.judged };
        *count = count.saturating_add(1);
        known
    }

    /// Remembers a verdict under the key that was written.
    pub(crate) fn remember(&mut self, judgement: &Judgement) {
        if self.key.len() > MAX_KEY_BYTES {
            self.key = Vec::new();
            return;
        }
        if self.verdicts.len() >= MAX_ENTRIES {
            self.verdicts.clear();
        }
        self.verdicts.insert(self.key.as_slice().into(), judgement.clone());
    }
}

fn put_coordinates(key: &mut Vec<u8>, subject: &Subject, connection: &ResourceName, action: &str, target: &Target) {
    key.extend(subject.uid.to_bytes());
    put_text(key, subject.name.as_str());
    put_count(key, subject.groups.len());
    subject.groups.iter().for_each(|group| put_text(key, group.as_str()));
    put_option(key, subject.environment.as_ref());
    put_text(key, connection.as_str());
    put_text(key, action);
    match target {
        Target::Connection => put_option(key, None),
        Target::Route(route) => put_option(key, Some(route)),
    }
}

fn put_tags(key: &mut Vec<u8>, names: &Names, subject: &Subject) {
    let mut put = |name: &str| match subject.tags.get(name) {
        None => key.push(0),
        Some(values) => {
            key.push(1);
            put_count(key, values.len());
            values.iter().for_each(|value| put_text(key, value));
        }
    };
    match names {
        Names::Only(names) => names.iter().for_each(|name| put(name)),
        Names::All => {
            put_count(key, subject.tags.len());
            for (name, values) in subject.tags.iter() {
                put_text(key, name);
                put_count(key, values.len());
                values.iter().for_each(|value| put_text(key, value));
            }
        }
    }
}

fn put_context(key: &mut Vec<u8>, names: &Names, context: &Context) {
    match names {
        Names::Only(names) => {
            for name in names {
                match context.iter().find(|(known, _)| *known == **name) {
                    None => key.push(0),
                    Some((_, value)) => put_value(key, value),
                }
            }
        }
        Names::All => put_fields(key, context),
    }
}

fn put_fields(key: &mut Vec<u8>, fields: &Context) {
    put_count(key, fields.len());
    for (name, value) in fields {
        put_text(key, name);
        put_value(key, value);
    }
}

/// A value begins with its type's number, which is never 0: that stands for an absent one.
fn put_value(key: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Bool(value) => key.extend([1, u8::from(*value)]),
        Value::Long(value) => {
            key.push(2);
            key.extend(value.to_be_bytes());
        }
        Value::Text(value) => {
            key.push(3);
            put_text(key, value);
        }
        Value::Set(elements) => {
            key.push(4);
            put_count(key, elements.len());
            elements.iter().for_each(|element| put_value(key, element));
        }
        Value::Record(fields) => {
            key.push(5);
            put_fields(key, fields);
        }
    }
}

fn put_option(key: &mut Vec<u8>, name: Option<&ResourceName>) {
    put_text(key, name.map_or("", ResourceName::as_str));
}

fn put_text(key: &mut Vec<u8>, text: &str) {
    put_count(key, text.len());
    key.extend(text.as_bytes());
}

fn put_count(key: &mut Vec<u8>, count: usize) {
    key.extend((count as u64).to_be_bytes());
}
