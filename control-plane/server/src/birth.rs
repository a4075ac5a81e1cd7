//! The cluster's birth, and taking it up again: its keys leave memory only sealed.

use crate::secrets::Vault;
use crate::token;
use hoop_audit::SigningKey;
use hoop_model::{Redacted, Uid};
use hoop_node::clock::unix_now;
use hoop_node::pki::{ClusterCa, IssueError, OpenError};
use hoop_node::seal::SealKey;
use hoop_raft::{ProposeError, Replica};
use hoop_state::{Bootstrap, CLUSTER_VERSION, Change, Rejection, Reply};

use crate::cluster::CONTROL_PLANE;

/// What the sealed bytes are, bound into them.
const CA_KEY: &str = "cluster-ca-key";
/// The same, of the key that signs the evidence log's checkpoints.
const LOG_KEY: &str = "cluster-log-key";
/// The same, of the key of the digests of held commands.
const DIGEST_KEY: &str = "cluster-digest-key";
/// The same, of the key that seals the values of secrets.
const SECRETS_KEY: &str = "cluster-secrets-key";
const MASKING_KEY: &str = "cluster-masking-key";
/// The keys' generation, bound into their sealed bytes: it is the first and only one.
const GENERATION: u64 = 1;

/// Says why there is no cluster to serve.
#[derive(Debug, thiserror::Error)]
pub enum BirthError {
    /// The CA cannot be made.
    #[error("cannot make the cluster CA")]
    Create(#[source] IssueError),
    /// The birth was not agreed on.
    #[error("cannot create the cluster")]
    NotProposed(#[source] ProposeError),
    /// The birth was rejected.
    #[error("cannot create the cluster")]
    Rejected(#[source] Rejection),
    /// The state answered something that does not fit.
    #[error("the new cluster contradicts itself")]
    Contradiction,
    /// The seal key does not open the cluster's keys.
    #[error("the seal key is not this cluster's: it does not open the keys in the data directory")]
    WrongSealKey,
    /// The opened bytes are not the log key that the cluster was born with.
    #[error("the evidence log's key in the data directory is not usable")]
    UnusableLogKey,
    /// The opened bytes are no digest key.
    #[error("the key of held commands' digests in the data directory is not usable")]
    UnusableDigestKey,
    /// The opened bytes are no key for secrets.
    #[error("the key of secrets' values in the data directory is not usable")]
    UnusableSecretsKey,
    /// The opened bytes are no key for masked values.
    #[error("the key of masked values' hashes in the data directory is not usable")]
    UnusableMaskingKey,
    /// The opened bytes are not the CA's.
    #[error("the cluster CA in the data directory is not usable")]
    Unusable(#[source] OpenError),
}

/// The cluster's keys, and on the first start the administrator's token.
pub(crate) struct Opened {
    /// The cluster's CA.
    pub(crate) ca: ClusterCa,
    /// Signs the evidence log.
    pub(crate) log: LogIdentity,
    /// What digests of held commands are keyed with.
    pub(crate) digest_key: DigestKey,
    /// What hashes of masked values are keyed with.
    pub(crate) masking_key: MaskingKey,
    /// Seals and opens the values of secrets.
    pub(crate) vault: Vault,
    /// Shown once.
    pub(crate) admin_token: Option<Redacted<String>>,
}

/// What digests of held commands are keyed with: HMAC-SHA-256's.
pub(crate) type DigestKey = Redacted<[u8; 32]>;

/// What hashes of masked values are keyed with: HMAC-SHA-256's.
pub(crate) type MaskingKey = Redacted<[u8; 32]>;

/// Who the evidence log is, and what proves it.
pub(crate) struct LogIdentity {
    /// The log's name on its checkpoints, and its key's.
    pub(crate) origin: String,
    /// Signs checkpoints.
    pub(crate) key: SigningKey,
}

/// Opens the keys of the cluster in the state, or creates the cluster.
pub(crate) async fn open_or_create(replica: &Replica, seal_key: &SealKey) -> Result<Opened, BirthError> {
    let born = replica.state().birth().cloned();
    match born {
        Some(birth) => open(&birth, seal_key),
        None => create(replica, seal_key).await,
    }
}

fn open(birth: &Bootstrap, seal_key: &SealKey) -> Result<Opened, BirthError> {
    let uid = birth.cluster_uid.to_bytes();
    let opened = |kind, sealed| seal_key.open(kind, &uid, GENERATION, sealed).map_err(|_| BirthError::WrongSealKey);
    let ca_key = opened(CA_KEY, &birth.ca_key_sealed)?;
    let ca = ClusterCa::open(&birth.ca_certificate, ca_key.reveal()).map_err(BirthError::Unusable)?;
    let seed = opened(LOG_KEY, &birth.log_key_sealed)?;
    let key = signing_key(seed.reveal())?;
    if key.verifying_key().0 != birth.log_public_key {
        return Err(BirthError::UnusableLogKey);
    }
    let digest_key = opened(DIGEST_KEY, &birth.digest_key_sealed)?;
    let digest_key = digest_key.reveal().as_slice().try_into().map_err(|_| BirthError::UnusableDigestKey)?;
    let digest_key = Redacted::new(digest_key);
    let secrets_key = opened(SECRETS_KEY, &birth.secrets_key_sealed)?;
    let secrets_key = secrets_key.reveal().as_slice().try_into().map_err(|_| BirthError::UnusableSecretsKey)?;
    let vault = Vault::new(&Redacted::new(secrets_key));
    let masking_key = opened(MASKING_KEY, &birth.masking_key_sealed)?;
    let masking_key = masking_key.reveal().as_slice().try_into().map_err(|_| BirthError::UnusableMaskingKey)?;
    let masking_key = Redacted::new(masking_key);
    let log = LogIdentity { origin: origin(birth.cluster_uid), key };
    Ok(Opened { ca, log, digest_key, masking_key, vault, admin_token: None })
}

async fn create(replica: &Replica, seal_key: &SealKey) -> Result<Opened, BirthError> {
    let now = unix_now();
    let ca = ClusterCa::create(now).map_err(BirthError::Create)?;
    let cluster_uid = Uid::mint(u128::from_be_bytes(hoop_node::random()));
    let seed = Redacted::new(hoop_node::random::<32>().to_vec());
    let key = signing_key(seed.reveal())?;
    let digest_key: DigestKey = Redacted::new(hoop_node::random());
    let secrets_key = Redacted::new(hoop_node::random::<32>());
    let masking_key: MaskingKey = Redacted::new(hoop_node::random());
    let admin = token::mint();
    let sealed = |kind, secret| seal_key.seal(kind, &cluster_uid.to_bytes(), GENERATION, secret);
    let bootstrap = Bootstrap {
        cluster_version: CLUSTER_VERSION,
        cluster_uid,
        ca_certificate: ca.certificate_der().to_vec(),
        ca_key_sealed: sealed(CA_KEY, ca.key_der().reveal()),
        admin_token_hash: admin.hash,
        log_public_key: key.verifying_key().0,
        log_key_sealed: sealed(LOG_KEY, seed.reveal()),
        digest_key_sealed: sealed(DIGEST_KEY, digest_key.reveal()),
        secrets_key_sealed: sealed(SECRETS_KEY, secrets_key.reveal()),
        masking_key_sealed: sealed(MASKING_KEY, masking_key.reveal()),
    };
    let proposed = replica.propose(Change::Bootstrap(bootstrap), None, CONTROL_PLANE, now).await;
    match proposed.map_err(BirthError::NotProposed)? {
        Reply::Done { .. } => {
            tracing::info!(cluster = %cluster_uid, "cluster created");
            let log = LogIdentity { origin: origin(cluster_uid), key };
            let vault = Vault::new(&secrets_key);
            Ok(Opened { ca, log, digest_key, masking_key, vault, admin_token: Some(admin.text) })
        }
        Reply::Rejected(rejection) => Err(BirthError::Rejected(rejection)),
        Reply::Applied { .. } | Reply::Joined { .. } | Reply::Anchored { .. } | Reply::Approval(_) => {
            Err(BirthError::Contradiction)
        }
    }
}

fn origin(cluster: Uid) -> String {
    format!("hoopgate/{cluster}/evidence")
}

fn signing_key(seed: &[u8]) -> Result<SigningKey, BirthError> {
    let seed: &[u8; 32] = seed.try_into().map_err(|_| BirthError::UnusableLogKey)?;
    SigningKey::from_seed(seed).map_err(|_| BirthError::UnusableLogKey)
}
