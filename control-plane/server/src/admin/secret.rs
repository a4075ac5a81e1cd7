//! Values of secrets: set, never shown.

use super::world::World;
use super::{ATTEMPTS, request};
use crate::authorise::Caller;
use crate::cluster::Cluster;
use crate::reply;
use hoop_model::spec::{Connection, Right, Secret, SecretSource, SecretValue};
use hoop_model::{Kind, Metadata, Object, ResourceName, Revision};
use hoop_state::{Change, IdempotencyKey, Reference, Rejection, Reply, SetSecret, State};
use hoop_wire::v1;
use std::sync::Arc;
use tonic::Status;

/// What an administrator wants to be set.
struct Wanted {
    name: ResourceName,
    value: SecretValue,
    must_have_value: bool,
    key: Option<IdempotencyKey>,
}

/// Sets the value of a sealed secret. It leaves this function sealed.
pub(super) async fn set(
    cluster: &Cluster,
    caller: &Caller,
    request: v1::SetSecretRequest,
) -> Result<v1::SetSecretResponse, Status> {
    let wanted = wanted(request)?;
    for _ in 0..ATTEMPTS {
        let state = cluster.fresh().await?;
        let caller = caller.at(cluster, &state, Right::SetSecret)?;
        let change = if request::is_remembered(&state, wanted.key, &caller) {
            set_secret(cluster, &wanted, None)
        } else {
            let secret = judged(&state, &wanted)?;
            set_secret(cluster, &wanted, Some((&secret, state.revision())))
        };
        match cluster.propose(Change::SetSecret(change), wanted.key, &caller.scope()).await? {
            Reply::Applied { objects, revision } => {
                let version = objects.first().map_or(0, |object| object.metadata.generation);
                tracing::info!(revision = %revision, secret = %wanted.name, version, by = caller.scope(), "a secret's value is set");
                return Ok(v1::SetSecretResponse { version, revision: Some(revision.into()) });
            }
            Reply::Rejected(Rejection::BaseMoved { .. }) => {}
            other @ (Reply::Done { .. }
            | Reply::Joined { .. }
            | Reply::Anchored { .. }
            | Reply::Approval(_)
            | Reply::Rejected(_)) => return Err(reply::unexpected(&other)),
        }
    }
    Err(Status::aborted("the configuration kept changing; the value was not set"))
}

fn wanted(request: v1::SetSecretRequest) -> Result<Wanted, Status> {
    let v1::SetSecretRequest { name, value, must_have_value, idempotency_key } = request;
    let value = SecretValue::parse(value);
    let value = value.map_err(|error| Status::invalid_argument(format!("`value` {error}; nothing was changed")))?;
    let Reference { name, .. } = request::target(Kind::Secret.as_str(), &name)?;
    Ok(Wanted { name, value, must_have_value, key: request::key(&idempotency_key)? })
}

/// Returns the secret, if its value may be set.
fn judged(state: &State, wanted: &Wanted) -> Result<Arc<Object>, Status> {
    let name = &wanted.name;
    let missing = || reply::rejected(&Rejection::NotFound(Reference { kind: Kind::Secret, name: name.clone() }));
    let object = state.object(Kind::Secret, name).ok_or_else(missing)?;
    if source(object) != Some(&SecretSource::Sealed) {
        let problem = format!("Secret `{name}` is not `sealed`: its value is on the nodes; nothing was changed");
        return Err(Status::failed_precondition(problem));
    }
    if wanted.must_have_value && state.sealed_value(object.metadata.uid).is_none() {
        let problem = format!("Secret `{name}` has no value yet: `hoopctl secret set` gives it one");
        return Err(Status::failed_precondition(problem));
    }
    if !World::of(state).has_room_for(wanted.value.reveal().len()) {
        return Err(Status::resource_exhausted("all objects and values together would be too many bytes"));
    }
    Ok(Arc::clone(object))
}

/// Seals the value for the next generation; for none where the state can only answer from memory.
fn set_secret(cluster: &Cluster, wanted: &Wanted, judged: Option<(&Object, Revision)>) -> SetSecret {
    let vault = cluster.vault();
    let (sealed, generation, base) = match judged {
        Some((Object { metadata: Metadata { uid, generation, .. }, .. }, base)) => {
            let next = generation.saturating_add(1);
            (vault.seal(*uid, next, &wanted.value), next, base)
        }
        None => (Vec::new(), 0, Revision::default()),
    };
    let value_mac = vault.mac(wanted.key, &wanted.value);
    SetSecret { name: wanted.name.clone(), generation, sealed: sealed.into(), value_mac, base }
}

fn source(object: &Object) -> Option<&SecretSource> {
    object.spec.get::<Secret>().map(|secret| &secret.source)
}

/// Returns what is known of secrets beside their values.
pub(super) async fn list(
    cluster: &Cluster,
    request: v1::ListSecretsRequest,
) -> Result<v1::ListSecretsResponse, Status> {
    let wanted = match request.name.as_str() {
        "" => None,
        name => Some(request::target(Kind::Secret.as_str(), name)?),
    };
    let state = cluster.fresh().await?;
    let is_wanted = |object: &Object| wanted.as_ref().is_none_or(|wanted| wanted.name == object.metadata.name);
    let secrets = state.objects().filter(|object| source(object).is_some() && is_wanted(object));
    let secrets: Vec<_> = secrets.map(|object| facts(&state, object)).collect();
    match wanted {
        Some(wanted) if secrets.is_empty() => Err(reply::rejected(&Rejection::NotFound(wanted))),
        Some(_) | None => Ok(v1::ListSecretsResponse { secrets, revision: Some(state.revision().into()) }),
    }
}

fn facts(state: &State, secret: &Object) -> v1::SecretFacts {
    let value = state.sealed_value(secret.metadata.uid);
    let name = &secret.metadata.name;
    let uses = |object: &Object| {
        let credential = object.spec.get::<Connection>().and_then(|connection| connection.credential.as_ref());
        credential.is_some_and(|credential| credential.secret == *name)
    };
    let used_by = state.objects().filter(|object| uses(object)).map(|object| object.metadata.name.to_string());
    v1::SecretFacts {
        object: Some(secret.into()),
        version: value.map_or(0, |value| value.generation),
        set_ms: value.map_or(0, |value| value.at.0),
        used_by: used_by.collect(),
    }
}
