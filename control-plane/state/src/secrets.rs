//! Sealed values of secrets. What is here is ciphertext; nothing here could open it.

use crate::apply::Made;
use crate::{AppliedObject, Inconsistent, Outcome, Reference, Rejection, Reply, SetSecret, State, StoredObject};
use hoop_model::spec::{MAX_SECRET_BYTES, SecretSource};
use hoop_model::{Kind, Metadata, Object, Spec, Uid, UnixMillis};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Largest sealed value, in bytes: the largest value, a version byte, a nonce and a tag.
pub const MAX_SEALED_BYTES: usize = MAX_SECRET_BYTES + 1 + 12 + 16;

/// The value of a secret, as the state has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedValue {
    /// The generation of its Secret that it belongs to, which is sealed with it. No two values of a Secret have the same.
    pub generation: u64,
    /// The value, sealed.
    pub sealed: Arc<[u8]>,
    /// When it was set, in log time.
    pub at: UnixMillis,
}

/// The sealed values, by the uid of their Secret.
pub(crate) type SealedValues = BTreeMap<Uid, SealedValue>;

impl State {
    /// Returns the sealed value of a secret, by the Secret's uid.
    #[must_use]
    pub fn sealed_value(&self, secret: Uid) -> Option<&SealedValue> {
        self.sealed_values.get(&secret)
    }

    /// Returns every sealed value, by the uid of its Secret.
    pub fn sealed_values(&self) -> impl Iterator<Item = (Uid, &SealedValue)> {
        self.sealed_values.iter().map(|(secret, value)| (*secret, value))
    }

    /// Sets a value. It is a change of what the Secret says, so it makes the next generation of it.
    pub(crate) fn set_secret(&mut self, index: u64, set: SetSecret) -> Made {
        let next = self.check_base(index, set.base)?;
        let target = Reference { kind: Kind::Secret, name: set.name };
        let stored = self.objects.find(Kind::Secret, &target.name);
        let stored = stored.ok_or_else(|| Rejection::NotFound(target.clone()))?;
        if !is_sealed(&stored.object) {
            return Err(Rejection::NotSealed(target));
        }
        let before = &stored.object.metadata;
        if before.generation.checked_add(1) != Some(set.generation) {
            return Err(Rejection::GenerationDiffers { object: target, found: before.generation });
        }
        if set.sealed.len() > MAX_SEALED_BYTES {
            return Err(Rejection::ValueTooLarge);
        }
        let metadata = Metadata { generation: set.generation, revision: next, ..before.clone() };
        let object = Object { metadata: metadata.clone(), spec: stored.object.spec.clone() };
        let stored = StoredObject { object: Arc::new(object), references: stored.references.clone() };
        let value = SealedValue { generation: set.generation, sealed: set.sealed, at: self.log_time };
        Arc::make_mut(&mut self.sealed_values).insert(metadata.uid, value);
        self.objects.put(stored);
        let notice = self.move_revision(next);
        let applied = AppliedObject { kind: Kind::Secret, metadata, outcome: Outcome::Changed };
        Ok((Reply::Applied { objects: vec![applied], revision: self.revision }, vec![notice]))
    }

    /// Forgets the value of a Secret that is no more, or that is kept elsewhere from here on.
    pub(crate) fn follow_secret(&mut self, before: &Object, after: Option<&Object>) {
        let uid = before.metadata.uid;
        if !after.is_some_and(is_sealed) && self.sealed_values.contains_key(&uid) {
            Arc::make_mut(&mut self.sealed_values).remove(&uid);
        }
    }

    pub(crate) fn restore_sealed(&self, values: Vec<(Uid, SealedValue)>) -> Result<SealedValues, Inconsistent> {
        let secrets = self.objects().filter(|object| is_sealed(object));
        let secrets: BTreeMap<Uid, u64> = secrets.map(|o| (o.metadata.uid, o.metadata.generation)).collect();
        let mut known = SealedValues::new();
        for (secret, value) in values {
            let newest = secrets.get(&secret).ok_or(Inconsistent::SealedValue(secret))?;
            let fits = (1..=*newest).contains(&value.generation)
                && value.at <= self.log_time
                && value.sealed.len() <= MAX_SEALED_BYTES
                && known.insert(secret, value).is_none();
            fits.then_some(()).ok_or(Inconsistent::SealedValue(secret))?;
        }
        Ok(known)
    }
}

fn is_sealed(object: &Object) -> bool {
    matches!(&object.spec, Spec::Secret(secret) if secret.source == SecretSource::Sealed)
}
