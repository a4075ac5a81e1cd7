//! What a node may know: what it needs for the connections that are placed on it, and nothing else (CP-14).

use crate::secrets::Vault;
use hoop_model::spec::{Connection, Labels};
use hoop_model::{Object, ResourceName, Spec};
use hoop_state::State;
use hoop_wire::v1;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Returns the objects that a node with these labels may know, in their order.
pub(super) fn view<'a>(
    objects: impl Iterator<Item = &'a Arc<Object>> + Clone,
    labels: &Labels,
) -> impl Iterator<Item = &'a Arc<Object>> {
    let placed = objects.clone().filter_map(|object| {
        let connection = object.spec.get::<Connection>().filter(|connection| connection.is_placed_on(labels))?;
        connection.credential.as_ref()
    });
    let secrets: BTreeSet<_> = placed.map(|credential| &credential.secret).collect();
    objects.filter(move |object| may_know(object, labels, &secrets))
}

fn may_know(object: &Object, labels: &Labels, secrets: &BTreeSet<&ResourceName>) -> bool {
    match &object.spec {
        Spec::Connection(connection) => connection.is_placed_on(labels),
        Spec::Secret(_) => secrets.contains(&object.metadata.name),
        Spec::Issuer(_) | Spec::Identity(_) | Spec::Policy(_) | Spec::DataClass(_) => true,
        // Nobody but the control plane asks who people are and what they may.
        Spec::Person(_) | Spec::Role(_) => false,
    }
}

/// Opens the values of the sealed secrets among some objects. One that does not open is left out, and what needs it
/// refuses.
pub(super) fn opened<'a>(
    objects: impl Iterator<Item = &'a Arc<Object>>,
    state: &State,
    vault: &Vault,
) -> Vec<v1::OpenedSecret> {
    let opened = objects.filter_map(|object| {
        let (uid, name) = (object.metadata.uid, &object.metadata.name);
        let sealed = state.sealed_value(uid)?;
        let Some(value) = vault.open(uid, sealed) else {
            tracing::error!(secret = %name, "the value of a secret cannot be opened");
            return None;
        };
        let (secret_uid, value) = (uid.to_bytes().to_vec(), value.reveal().to_vec());
        Some(v1::OpenedSecret { secret_uid, version: sealed.generation, value })
    });
    opened.collect()
}
