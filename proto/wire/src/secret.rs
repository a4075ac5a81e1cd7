//! Secrets and credentials.

use crate::error::{Malformed, parsed, present};
use crate::v1;
use hoop_model::ResourceName;
use hoop_model::spec::{Credential, CredentialForm, Origin, Secret, SecretSource};
use std::fmt;

impl From<&Secret> for v1::Secret {
    fn from(secret: &Secret) -> Self {
        let source = match &secret.source {
            SecretSource::File(path) => v1::secret::Source::File(path.clone()),
            SecretSource::Env(name) => v1::secret::Source::Env(name.clone()),
            SecretSource::Sealed => v1::secret::Source::Sealed(true),
        };
        Self { source: Some(source), sent_to: secret.sent_to.iter().map(ToString::to_string).collect() }
    }
}

impl TryFrom<v1::Secret> for Secret {
    type Error = Malformed;
    fn try_from(secret: v1::Secret) -> Result<Self, Malformed> {
        let source = match present(secret.source, "source")? {
            v1::secret::Source::File(path) => SecretSource::File(path),
            v1::secret::Source::Env(name) => SecretSource::Env(name),
            v1::secret::Source::Sealed(true) => SecretSource::Sealed,
            v1::secret::Source::Sealed(false) => return Err(Malformed { field: "sealed", problem: "must be true" }),
        };
        let sent_to = secret.sent_to.iter().map(|origin| parsed(Origin::parse(origin), "for"));
        Ok(Self { source, sent_to: sent_to.collect::<Result<_, _>>()? })
    }
}

impl From<&Credential> for v1::Credential {
    fn from(credential: &Credential) -> Self {
        let form = match &credential.form {
            CredentialForm::Bearer => v1::credential::Form::Bearer(true),
            CredentialForm::Basic(user) => v1::credential::Form::Basic(user.clone()),
            CredentialForm::Header(name) => v1::credential::Form::Header(name.clone()),
            CredentialForm::Query(name) => v1::credential::Form::Query(name.clone()),
        };
        Self { secret: credential.secret.to_string(), form: Some(form) }
    }
}

impl TryFrom<v1::Credential> for Credential {
    type Error = Malformed;
    fn try_from(credential: v1::Credential) -> Result<Self, Malformed> {
        let form = match present(credential.form, "credential.as")? {
            v1::credential::Form::Bearer(true) => CredentialForm::Bearer,
            v1::credential::Form::Bearer(false) => {
                return Err(Malformed { field: "credential.as.bearer", problem: "must be true" });
            }
            v1::credential::Form::Basic(user) => CredentialForm::Basic(user),
            v1::credential::Form::Header(name) => CredentialForm::Header(name),
            v1::credential::Form::Query(name) => CredentialForm::Query(name),
        };
        Ok(Self { secret: parsed(ResourceName::parse(&credential.secret), "credential.secret")?, form })
    }
}

impl fmt::Debug for v1::SetSecretRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value: _, must_have_value, idempotency_key: _ } = self;
        let mut shown = f.debug_struct("SetSecretRequest");
        shown.field("name", name).field("must_have_value", must_have_value).finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::OpenedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret_uid, version, value: _ } = self;
        let mut shown = f.debug_struct("OpenedSecret");
        shown.field("secret_uid", secret_uid).field("version", version).finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, cluster_version, objects, digest_key: _, secrets, masking_key: _ } = self;
        let mut shown = f.debug_struct("Snapshot");
        shown.field("revision", revision).field("cluster_version", cluster_version).field("objects", objects);
        shown.field("secrets", secrets).finish_non_exhaustive()
    }
}
