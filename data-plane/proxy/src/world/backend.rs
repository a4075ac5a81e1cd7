//! A connection, ready to be used: how its upstream is reached, and what its commands are sent with.

use super::Local;
use super::masking::{Classes, Masking};
use crate::credential::source::{CannotRead, SecretSources};
use crate::credential::supply::{From, Supply};
use hoop_http::Place;
use hoop_model::spec::{Connection, Credential, Scheme, Secret, SecretSource, SecretValue};
use hoop_model::{Metadata, Object, ResourceName, Uid};
use hoop_node::issuer::tls;
use hoop_policy::mask::MaskPlan;
use rustls::ClientConfig;
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

/// A connection, ready to be used.
pub(crate) struct Backend {
    pub(crate) name: ResourceName,
    pub(crate) uid: Uid,
    pub(crate) generation: u64,
    pub(crate) spec: Connection,
    /// `None` for plaintext, and for nothing else.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// What its commands are sent with; `None` where it names no credential, and for nothing else.
    pub(crate) supply: Option<Supply>,
    /// What is masked in its answers where it names no credential; otherwise the plan goes with the credential.
    pub(crate) plan: Arc<MaskPlan>,
    masking: Masking,
}

/// What credentials of connections are made of.
pub(super) struct Secrets<'a> {
    pub(super) objects: BTreeMap<&'a ResourceName, (&'a Metadata, &'a Secret)>,
    /// Of the sealed ones, by their uids.
    pub(super) values: BTreeMap<Uid, SecretValue>,
    /// Where the others may be.
    pub(super) sources: &'a SecretSources,
}

impl<'a> Secrets<'a> {
    pub(super) fn of(
        objects: &'a [Arc<Object>],
        values: BTreeMap<Uid, SecretValue>,
        sources: &'a SecretSources,
    ) -> Self {
        let secret = |object: &'a Arc<Object>| {
            let secret = object.spec.get()?;
            Some((&object.metadata.name, (&object.metadata, secret)))
        };
        Self { objects: objects.iter().filter_map(secret).collect(), values, sources }
    }

    /// Finds a secret that may be sent to the connection's upstream. The control plane has seen to that; a credential is
    /// not sent on its word alone.
    fn of_connection(&self, connection: &Connection, named: &Credential) -> Option<(&'a Metadata, &'a Secret)> {
        self.objects.get(&named.secret).copied().filter(|(_, secret)| secret.may_be_sent_to(&connection.upstream))
    }

    fn value(&self, found: Option<(&Metadata, &Secret)>) -> Result<SecretValue, CannotRead> {
        let (metadata, secret) = found.ok_or(CannotRead::Unset)?;
        match &secret.source {
            SecretSource::Sealed => self.values.get(&metadata.uid).cloned().ok_or(CannotRead::Unset),
            source @ (SecretSource::File(_) | SecretSource::Env(_)) => self.sources.read(source),
        }
    }
}

impl Backend {
    /// Prepares a connection, or takes what was prepared before if nothing about it is different. What a credential lacks
    /// makes the connection refuse, not the revision.
    pub(super) fn of(
        object: &Object,
        spec: &Connection,
        (local, secrets, classes): (&Local, &Secrets<'_>, &Arc<Classes>),
        before: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, Box<dyn Error>> {
        let named = spec.credential.as_ref();
        let found = named.and_then(|named| secrets.of_connection(spec, named));
        let version = found.map(|(metadata, _)| (metadata.uid, metadata.generation));
        if let Some(before) = before
            .filter(|before| before.is_of(object, spec) && before.version() == version && before.masking.is_of(classes))
        {
            return Ok(Arc::clone(before));
        }
        let tls = match spec.upstream.scheme {
            Scheme::Http => None,
            Scheme::Https => Some(tls::client(spec.upstream_ca.as_deref(), &local.roots)?),
        };
        let masking = Masking::new(classes, spec.mask.as_deref());
        let supply = named.map(|named| {
            let source = found.map(|(_, secret)| secret.source.clone());
            let from = From { secret: named.secret.clone(), source, version };
            Ok::<_, hoop_http::Unfit>(Supply::new(
                from,
                (Place::of(&named.form)?, masking.clone()),
                secrets.value(found),
            ))
        });
        Ok(Arc::new(Self {
            name: object.metadata.name.clone(),
            uid: object.metadata.uid,
            generation: object.metadata.generation,
            spec: spec.clone(),
            tls,
            supply: supply.transpose()?,
            plan: masking.plan(&[])?,
            masking,
        }))
    }

    fn is_of(&self, object: &Object, spec: &Connection) -> bool {
        let (uid, generation) = (object.metadata.uid, object.metadata.generation);
        self.uid == uid && self.generation == generation && self.spec == *spec
    }

    fn version(&self) -> Option<(Uid, u64)> {
        self.supply.as_ref().and_then(|supply| supply.from.version)
    }
}
