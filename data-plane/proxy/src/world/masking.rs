//! What a connection masks in what its backend answers.

use hoop_model::spec::{ClassName, DataClass};
use hoop_model::{Object, Redacted};
use hoop_policy::mask::{InvalidPlan, MaskKey, MaskPlan};
use std::fmt;
use std::sync::Arc;

/// The data classes of a revision.
pub(crate) struct Classes {
    declared: Vec<DataClass>,
    key: MaskingKey,
}

/// What hashes in place of masked values are keyed with, 32 bytes.
pub(crate) type MaskingKey = Redacted<[u8; 32]>;

impl Classes {
    /// Finds the classes among the objects; takes those from before if they are the same.
    pub(super) fn of(objects: &[Arc<Object>], key: MaskingKey, before: Option<&Arc<Self>>) -> Arc<Self> {
        let declared = objects.iter().filter_map(|object| object.spec.get()).cloned().collect();
        match before.filter(|before| before.declared == declared && before.key.reveal() == key.reveal()) {
            Some(before) => Arc::clone(before),
            None => Arc::new(Self { declared, key }),
        }
    }
}

/// Which of the classes a connection masks.
#[derive(Clone)]
pub(crate) struct Masking {
    classes: Arc<Classes>,
    selection: Option<Arc<[ClassName]>>,
}

impl Masking {
    pub(super) fn new(classes: &Arc<Classes>, selection: Option<&[ClassName]>) -> Self {
        Self { classes: Arc::clone(classes), selection: selection.map(Into::into) }
    }

    pub(super) fn is_of(&self, classes: &Arc<Classes>) -> bool {
        Arc::ptr_eq(&self.classes, classes)
    }

    /// Compiles it, with what the backend may echo of a credential.
    ///
    /// # Errors
    /// [`InvalidPlan`]: without its plan nothing may be answered.
    pub(crate) fn plan(&self, credentials: &[&[u8]]) -> Result<Arc<MaskPlan>, InvalidPlan> {
        let key = MaskKey::new(self.classes.key.reveal());
        MaskPlan::compile(self.selection.as_deref(), &self.classes.declared, credentials, key).map(Arc::new)
    }
}

impl fmt::Debug for Masking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masking").field("selection", &self.selection).finish_non_exhaustive()
    }
}
