//! What one connection masks.

use super::bytes::{ASSIGN, AT, Hints, Window};
use super::machine::Machine;
use super::names::{Names, fold};
use super::scrub::spell;
use super::transform::{BodyHash, MaskKey, transform};
use super::{MaskedCounts, card};
use hoop_model::spec::{Builtin, ClassName, DataClass, Transform};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A class, by its place in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClassId(usize);

/// A class as a plan applies it.
#[derive(Debug, Clone)]
pub(super) struct Class {
    pub(super) name: ClassName,
    pub(super) builtin: Option<Builtin>,
    pub(super) transform: Transform,
    /// Whether its values are left clear: nothing looks for them then.
    is_revealed: bool,
}

/// What one connection masks, compiled: share it between everything that the connection answers.
///
/// Its size is bounded by what was declared: about 100 KiB for the built-in classes, and 12 bytes per byte of each
/// credential.
pub struct MaskPlan {
    classes: Vec<Class>,
    /// The classes that name a field, also those that another one of the same field overrules.
    fields: Fields,
    injected: Class,
    email: Option<ClassId>,
    card: Option<ClassId>,
    pub(super) names: Names,
    pub(super) machine: Option<Machine>,
    key: MaskKey,
}

impl fmt::Debug for MaskPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskPlan")?;
        f.debug_list().entries(self.classes()).finish()
    }
}

/// Says why there is no such plan. A connection without its plan must not be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlan {
    /// Two objects declare one class.
    #[error("data class `{0}` is declared twice")]
    DeclaredTwice(ClassName),
    /// A selector is misspelled, or what it meant is gone.
    #[error("`{0}` selects no data class")]
    SelectsNothing(ClassName),
    /// A credential is too short to be told from ordinary text.
    #[error("a credential of fewer than 4 bytes cannot be kept out of responses")]
    ShortCredential,
    /// The credentials are too long for one automaton.
    #[error("the credentials are too long to be kept out of responses")]
    TooLarge,
}

impl MaskPlan {
    /// Compiles what a connection masks: the classes that `selection` covers, or all of them where there is none, and
    /// `credentials`, whatever the selection says. The declared classes must have passed their check.
    ///
    /// A built-in class that nobody declares is left out where a selected class recognises the same, so that
    /// `pii.card` with `keepLast` is not overruled by `pii.payment_card`.
    ///
    /// # Errors
    /// [`InvalidPlan`] where the plan would be ambiguous or would mask less than was asked.
    pub fn compile<'c>(
        selection: Option<&[ClassName]>,
        declared: impl IntoIterator<Item = &'c DataClass>,
        credentials: &[&[u8]],
        key: MaskKey,
    ) -> Result<Self, InvalidPlan> {
        Self::assemble(select(selection, declared)?, spell(credentials)?, key)
    }

    /// Returns this plan with some of its classes left clear: a value is only if every class that recognises it is. The
    /// credentials are masked whatever `reveals` says.
    ///
    /// # Errors
    /// [`InvalidPlan::TooLarge`], where this plan could not have been made either.
    pub fn revealing(&self, reveals: impl Fn(&ClassName) -> bool) -> Result<Self, InvalidPlan> {
        let mut classes = self.classes.clone();
        classes.iter_mut().for_each(|class| class.is_revealed |= reveals(&class.name));
        let spelled = self.machine.as_ref().map_or_else(Vec::new, Machine::credentials);
        Self::assemble((classes, self.fields.clone()), spelled, self.key.clone())
    }

    /// Looks for the values of every class that is not revealed. What two classes recognise is the stricter one's, of
    /// those; so a class that is revealed hides nothing of another.
    fn assemble(
        (classes, fields): (Vec<Class>, Fields),
        spelled: Vec<Vec<u8>>,
        key: MaskKey,
    ) -> Result<Self, InvalidPlan> {
        let class_of = |builtin| strictest(&classes, |class| class.builtin == Some(builtin));
        let injected =
            Class { name: ClassName::injected(), builtin: None, transform: Transform::Redact, is_revealed: false };
        let machine = Machine::build(class_of, spelled, ClassId(classes.len()))?;
        let is_masked = |id: &ClassId| classes.get(id.0).is_some_and(|class| !class.is_revealed);
        let by_name = fields.iter().filter_map(|(field, ids)| {
            let masked = ids.iter().copied().filter(is_masked);
            Some((field.clone(), masked.reduce(|a, b| if is_stricter(&classes, b, a) { b } else { a })?))
        });
        let by_name = by_name.collect();
        let names = Names::new(by_name, class_of(Builtin::ApiKey));
        let (email, card) = (class_of(Builtin::Email), class_of(Builtin::PaymentCard));
        Ok(Self { names, machine, email, card, classes, fields, injected, key })
    }

    /// Returns whether there is nothing to mask: bodies need not be read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.classes.is_empty() && self.machine.is_none()
    }

    /// Begins the keyed hash of a body.
    #[must_use]
    pub fn hash_of_body(&self) -> BodyHash {
        BodyHash::begin(&self.key)
    }

    /// Returns whether the connection opted out: no class is masked, and only injected credentials are looked for.
    #[must_use]
    pub const fn is_opted_out(&self) -> bool {
        self.classes.is_empty()
    }

    /// Returns the classes that are masked, beside that of injected credentials.
    pub fn classes(&self) -> impl Iterator<Item = &ClassName> {
        self.classes.iter().map(|class| &class.name)
    }

    /// Returns the classes of this plan that are left clear.
    pub fn revealed(&self) -> impl Iterator<Item = &ClassName> {
        self.classes.iter().filter(|class| class.is_revealed).map(|class| &class.name)
    }

    pub(super) const fn email(&self) -> Option<ClassId> {
        self.email
    }

    pub(super) const fn card(&self) -> Option<ClassId> {
        self.card
    }

    /// Returns whether anything can be in a text that has only this.
    #[inline]
    pub(super) fn can_be_in(&self, bytes: usize, hints: Hints) -> bool {
        (hints.has(AT) && self.email.is_some())
            || (hints.digits >= *card::DIGITS.start() && self.card.is_some())
            || (hints.has(ASSIGN) && !self.names.is_empty())
            || (!hints.no_anchor && self.machine.as_ref().is_some_and(|machine| machine.can_be_in(bytes)))
    }

    /// Returns whether `a` reveals less than `b`.
    pub(super) fn is_stricter(&self, a: ClassId, b: ClassId) -> bool {
        is_stricter(&self.classes, a, b)
    }

    /// Returns whether values of the class are private keys.
    pub(super) fn is_key(&self, class: ClassId) -> bool {
        self.classes.get(class.0).is_some_and(|class| class.builtin == Some(Builtin::PrivateKey))
    }

    /// Returns whether the class is that of injected credentials.
    pub(super) const fn is_injected(&self, class: ClassId) -> bool {
        class.0 >= self.classes.len()
    }

    /// Writes what stands in place of a private key that is not there as a whole, and counts it.
    pub(super) fn put_key(&self, out: &mut Vec<u8>, counts: &mut MaskedCounts) {
        if let Some(class) = strictest(&self.classes, |class| class.builtin == Some(Builtin::PrivateKey)) {
            self.put(class, &[], out, counts);
        }
    }

    /// Masks the whole value of a named field. Where a credential is in it, no part of that may be kept.
    pub(super) fn mask_value(&self, class: ClassId, value: &[u8], hints: Hints, counts: &mut MaskedCounts) -> Vec<u8> {
        let may_have = self.machine.as_ref().is_some_and(|m| m.has_credentials() && m.can_be_in(value.len()));
        let found = if may_have { self.scan(Window { text: value, whole: true }, hints).found } else { Vec::new() };
        let injected = found.iter().map(|found| found.class).find(|class| self.is_injected(*class));
        let mut out = Vec::new();
        self.put(injected.unwrap_or(class), value, &mut out, counts);
        out
    }

    /// Writes what stands in place of a value, and counts it.
    pub(super) fn put(&self, class: ClassId, value: &[u8], out: &mut Vec<u8>, counts: &mut MaskedCounts) {
        let class = self.classes.get(class.0).unwrap_or(&self.injected);
        transform(class, &self.key, value, out);
        counts.count(&class.name, 1);
    }
}

/// Fields by folded name, and the classes that name them.
type Fields = BTreeMap<Box<[u8]>, Vec<ClassId>>;

fn select<'c>(
    selection: Option<&[ClassName]>,
    declared: impl IntoIterator<Item = &'c DataClass>,
) -> Result<(Vec<Class>, Fields), InvalidPlan> {
    let mut by_name = BTreeMap::new();
    for class in declared {
        if by_name.insert(&class.class, class).is_some() {
            return Err(InvalidPlan::DeclaredTwice(class.class.clone()));
        }
    }
    let builtin = Builtin::ALL.map(|builtin| (builtin.class(), builtin));
    let known: BTreeSet<_> = by_name.keys().copied().chain(builtin.iter().map(|(name, _)| name)).collect();
    let mut selectors = selection.unwrap_or_default().iter();
    if let Some(typo) = selectors.find(|selector| !known.iter().any(|class| selector.covers(class))) {
        return Err(InvalidPlan::SelectsNothing(typo.clone()));
    }
    let is_selected =
        |class: &ClassName| selection.is_none_or(|selection| selection.iter().any(|selector| selector.covers(class)));
    by_name.retain(|class, _| is_selected(class));
    let recognised: BTreeSet<_> = by_name.values().filter_map(|class| class.recognise.builtin).collect();

    let mut classes = Vec::new();
    let mut fields = Fields::new();
    for class in by_name.values() {
        for field in &class.recognise.fields {
            fields.entry(fold(field.as_bytes()).into()).or_default().push(ClassId(classes.len()));
        }
        let (name, builtin) = (class.class.clone(), class.recognise.builtin);
        classes.push(Class { name, builtin, transform: class.transform, is_revealed: false });
    }
    for (name, builtin) in builtin {
        let is_free = !recognised.contains(&builtin) && !by_name.contains_key(&name);
        if is_free && is_selected(&name) {
            classes.push(Class { name, builtin: Some(builtin), transform: Transform::Redact, is_revealed: false });
        }
    }
    Ok((classes, fields))
}

fn strictest(classes: &[Class], is_one: impl Fn(&Class) -> bool) -> Option<ClassId> {
    let masked = classes.iter().enumerate().filter(|(_, class)| !class.is_revealed && is_one(class));
    let ids = masked.map(|(position, _)| ClassId(position));
    ids.reduce(|a, b| if is_stricter(classes, b, a) { b } else { a })
}

fn is_stricter(classes: &[Class], a: ClassId, b: ClassId) -> bool {
    let strictness = |id: ClassId| match classes.get(id.0).map(|class| class.transform) {
        None => u8::MAX,
        Some(Transform::Redact) => 200,
        Some(Transform::KeyedHash) => 100,
        Some(Transform::KeepLast(most)) => 99_u8.saturating_sub(most),
    };
    strictness(a) > strictness(b)
}
