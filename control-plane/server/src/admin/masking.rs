//! Data classes: declared once, and what connections select exists.

use hoop_model::spec::{ClassName, Connection, DataClass};
use hoop_model::{Kind, Object, ResourceName};
use hoop_policy::mask::{InvalidPlan, MaskKey, MaskPlan};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Returns what is wrong with data classes and with what connections mask, in the administrator's words.
pub(super) fn problems(objects: &BTreeMap<(Kind, ResourceName), Arc<Object>>) -> Vec<String> {
    let declared = || objects.values().filter_map(|object| object.spec.get::<DataClass>());
    if let Err(error) = compile(None, declared()) {
        // It is wrong for every connection alike.
        return vec![format!("DataClass: {error}")];
    }
    let selections = objects.values().filter_map(|object| {
        let connection = object.spec.get::<Connection>()?;
        Some((&object.metadata.name, connection.mask.as_deref()?))
    });
    let problem = |(name, selection): (&ResourceName, &[ClassName])| {
        let error = compile(Some(selection), declared()).err()?;
        Some(format!("Connection `{name}`: `mask`: {error}"))
    };
    selections.filter_map(problem).collect()
}

fn compile<'c>(
    selection: Option<&[ClassName]>,
    declared: impl Iterator<Item = &'c DataClass>,
) -> Result<(), InvalidPlan> {
    // Nothing is hashed with it here.
    MaskPlan::compile(selection, declared, &[], MaskKey::new(&[0; 32])).map(drop)
}
