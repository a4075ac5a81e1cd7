//! Credentials: which secret may be sent where, and which changes put a secret to use.

use super::request::Document;
use hoop_model::spec::{Connection, Secret};
use hoop_model::{Kind, Object, ResourceName, Spec};
use hoop_state::State;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The objects as they would be, by kind and name.
type Objects = BTreeMap<(Kind, ResourceName), Arc<Object>>;

/// Returns what is wrong with the credentials of connections, in the administrator's words.
pub(super) fn problems(objects: &Objects) -> Vec<String> {
    let connections = objects.values().filter_map(|object| Some((&object.metadata.name, object.spec.get()?)));
    connections.filter_map(|(name, connection)| problem(objects, name, connection)).collect()
}

fn problem(objects: &Objects, name: &ResourceName, connection: &Connection) -> Option<String> {
    let wanted = &connection.credential.as_ref()?.secret;
    let Some(secret) = objects.get(&(Kind::Secret, wanted.clone())).and_then(|object| object.spec.get::<Secret>())
    else {
        return Some(format!("Connection `{name}`: `credential.secret`: there is no Secret `{wanted}`"));
    };
    let upstream = &connection.upstream;
    (!secret.may_be_sent_to(upstream)).then(|| {
        format!("Connection `{name}`: `credential.secret`: Secret `{wanted}` is not `for` the upstream `{upstream}`")
    })
}

/// Returns the secrets that the documents put to use: whoever applies them decides that a value goes somewhere it did not
/// go before. That is a new Secret, one that is for more origins or kept elsewhere, and one that a Connection sends that
/// did not, or not like that, or that more nodes are given. INVARIANT: the right to use a secret (`admin:secret:use`) is asked for these, and here only.
pub(super) fn put_to_use(state: &State, documents: &[Document]) -> BTreeSet<ResourceName> {
    documents.iter().filter_map(|document| used(state, document)).collect()
}

fn used(state: &State, document: &Document) -> Option<ResourceName> {
    let before = state.object(document.spec.kind(), &document.name).map(|object| &object.spec);
    match (&document.spec, before) {
        (Spec::Secret(after), Some(Spec::Secret(before))) => {
            let is_known = after.source == before.source && after.sent_to.iter().all(|to| before.may_be_sent_to(to));
            (!is_known).then(|| document.name.clone())
        }
        (Spec::Secret(_), _) => Some(document.name.clone()),
        (Spec::Connection(after), before) => {
            let before = before.and_then(Spec::get::<Connection>);
            let is_known = before.is_some_and(|before| is_sent_as(before, after));
            after.credential.as_ref().filter(|_| !is_known).map(|credential| credential.secret.clone())
        }
        (
            Spec::Issuer(_)
            | Spec::Identity(_)
            | Spec::Policy(_)
            | Spec::Person(_)
            | Spec::DataClass(_)
            | Spec::Role(_),
            _,
        ) => None,
    }
}

/// Returns whether `after` sends its credential only as `before` does: the same one in the same place, to the same
/// backend, which proves itself to the same authority, from no nodes that do not have it yet.
fn is_sent_as(before: &Connection, after: &Connection) -> bool {
    let is_no_wider = before.nodes.iter().all(|(label, value)| after.nodes.get(label) == Some(value));
    before.credential == after.credential
        && (before.protocol, &before.upstream) == (after.protocol, &after.upstream)
        && before.upstream_ca == after.upstream_ca
        && is_no_wider
}
