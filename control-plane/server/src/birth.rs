//! The cluster's birth, and taking it up again: the CA leaves memory only sealed.

use crate::token;
use hoop_model::{Redacted, Uid};
use hoop_node::clock::unix_now;
use hoop_node::pki::{ClusterCa, IssueError, OpenError};
use hoop_node::seal::SealKey;
use hoop_raft::{ProposeError, Replica};
use hoop_state::{Bootstrap, CLUSTER_VERSION, Change, Rejection, Reply};

use crate::cluster::CONTROL_PLANE;

/// What the sealed bytes are, bound into them.
const CA_KEY: &str = "cluster-ca-key";
/// The CA key's generation, bound into its sealed bytes: it is the first and only one.
const CA_KEY_GENERATION: u64 = 1;

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
    /// The seal key does not open the CA key.
    #[error("the seal key is not this cluster's: it does not open the CA key in the data directory")]
    WrongSealKey,
    /// The opened bytes are not the CA's.
    #[error("the cluster CA in the data directory is not usable")]
    Unusable(#[source] OpenError),
}

/// The cluster's CA, and on the first start the administrator's token.
pub(crate) struct Opened {
    /// The cluster's CA.
    pub(crate) ca: ClusterCa,
    /// Shown once.
    pub(crate) admin_token: Option<Redacted<String>>,
}

/// Opens the CA of the cluster in the state, or creates the cluster.
pub(crate) async fn open_or_create(replica: &Replica, seal_key: &SealKey) -> Result<Opened, BirthError> {
    match replica.state().birth() {
        Some(birth) => Ok(Opened { ca: open(birth, seal_key)?, admin_token: None }),
        None => create(replica, seal_key).await,
    }
}

fn open(birth: &Bootstrap, seal_key: &SealKey) -> Result<ClusterCa, BirthError> {
    let uid = birth.cluster_uid.to_bytes();
    let key =
        seal_key.open(CA_KEY, &uid, CA_KEY_GENERATION, &birth.ca_key_sealed).map_err(|_| BirthError::WrongSealKey)?;
    ClusterCa::open(&birth.ca_certificate, key.reveal()).map_err(BirthError::Unusable)
}

async fn create(replica: &Replica, seal_key: &SealKey) -> Result<Opened, BirthError> {
    let now = unix_now();
    let ca = ClusterCa::create(now).map_err(BirthError::Create)?;
    let cluster_uid = Uid::mint(u128::from_be_bytes(hoop_node::random()));
    let admin = token::mint();
    let bootstrap = Bootstrap {
        cluster_version: CLUSTER_VERSION,
        cluster_uid,
        ca_certificate: ca.certificate_der().to_vec(),
        ca_key_sealed: seal_key.seal(CA_KEY, &cluster_uid.to_bytes(), CA_KEY_GENERATION, ca.key_der().reveal()),
        admin_token_hash: admin.hash,
    };
    let proposed = replica.propose(Change::Bootstrap(bootstrap), None, CONTROL_PLANE, now).await;
    match proposed.map_err(BirthError::NotProposed)? {
        Reply::Done { .. } => {
            tracing::info!(cluster = %cluster_uid, "cluster created");
            Ok(Opened { ca, admin_token: Some(admin.text) })
        }
        Reply::Rejected(rejection) => Err(BirthError::Rejected(rejection)),
        Reply::Applied { .. } | Reply::Joined { .. } => Err(BirthError::Contradiction),
    }
}
