//! What every service needs of the cluster: its state, its agreement, its time and its authority.

use crate::approvals::{ApprovalRules, Reviews};
use crate::birth::{DigestKey, MaskingKey};
use crate::evidence::Evidence;
use crate::fleet::Registry;
use crate::fresh::Freshness;
use crate::meter::Meter;
use crate::people::People;
use crate::recovery::RecoveryKey;
use crate::reply;
use crate::secrets::Vault;
use crate::traced::Traced;
use hoop_model::Revision;
use hoop_node::clock::unix_now;
use hoop_node::pki::ClusterCa;
use hoop_raft::Replica;
use hoop_state::{Change, IdempotencyKey, Reply, State};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use tonic::Status;

/// Whose name the control plane's own proposals carry.
pub(crate) const CONTROL_PLANE: &str = "control-plane";

/// One node's view of the cluster, shared by its services.
pub(crate) struct Cluster {
    replica: Replica,
    freshness: Freshness,
    fleet: Arc<Registry>,
    ca: ClusterCa,
    ca_pem: String,
    evidence: Evidence,
    digest_key: DigestKey,
    masking_key: MaskingKey,
    recovery: RecoveryKey,
    traced: Traced,
    vault: Vault,
    people: People,
    approval_rules: ApprovalRules,
    reviews: Reviews,
    stopping: watch::Receiver<bool>,
    meter: Arc<Meter>,
}

/// What a cluster's view is put together from.
pub(crate) struct Parts {
    /// The member of the agreement.
    pub(crate) replica: Replica,
    /// Where to ask for a fresh state.
    pub(crate) freshness: Freshness,
    /// The attached nodes.
    pub(crate) fleet: Arc<Registry>,
    /// The CA that signs nodes' certificates.
    pub(crate) ca: ClusterCa,
    /// What nodes recorded.
    pub(crate) evidence: Evidence,
    /// What digests of commands are keyed with.
    pub(crate) digest_key: DigestKey,
    pub(crate) masking_key: MaskingKey,
    pub(crate) recovery: RecoveryKey,
    /// Seals and opens the values of secrets.
    pub(crate) vault: Vault,
    /// Seals and opens what approvers read.
    pub(crate) reviews: Reviews,
    /// Turns true when this node stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Cluster {
    /// Puts it together.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            replica,
            freshness,
            fleet,
            ca,
            evidence,
            digest_key,
            masking_key,
            recovery,
            vault,
            reviews,
            stopping,
        } = parts;
        let ca_pem = hoop_node::pki::pem(ca.certificate_der(), "CERTIFICATE");
        let (people, approval_rules) = (People::new(), ApprovalRules::default());
        let meter = Arc::<Meter>::default();
        let observed = Arc::clone(&meter);
        replica.observe_flushes(move |took| observed.flush.observe(took));
        Self {
            meter,
            replica,
            freshness,
            fleet,
            ca,
            ca_pem,
            evidence,
            digest_key,
            masking_key,
            recovery,
            traced: Traced::default(),
            vault,
            people,
            approval_rules,
            reviews,
            stopping,
        }
    }

    /// Returns this node's state, which may be behind.
    pub(crate) fn state(&self) -> Arc<State> {
        self.replica.state()
    }

    /// Returns a state that has everything committed before the call.
    pub(crate) async fn fresh(&self) -> Result<Arc<State>, Status> {
        self.freshness.state().await.map_err(reply::not_current)
    }

    /// Proposes a change and returns what came of it.
    pub(crate) async fn propose(
        &self,
        change: Change,
        key: Option<IdempotencyKey>,
        caller: &str,
    ) -> Result<Reply, Status> {
        let began = Instant::now();
        let proposed = self.replica.propose(change, key, caller, unix_now()).await;
        self.meter.proposed(&proposed, began.elapsed());
        proposed.map_err(|error| reply::not_proposed(&error))
    }

    /// Brings log time up to date.
    pub(crate) async fn tick(&self) -> Result<(), Status> {
        match self.propose(Change::Tick, None, CONTROL_PLANE).await? {
            Reply::Done { .. } => Ok(()),
            other @ (Reply::Applied { .. }
            | Reply::Joined { .. }
            | Reply::Anchored { .. }
            | Reply::Approval(_)
            | Reply::Rejected(_)) => Err(reply::unexpected(&other)),
        }
    }

    /// Returns the longest a node that applied this revision may act. To be asked after [`Cluster::fresh`].
    pub(crate) fn grant(&self, applied: Revision) -> u64 {
        self.freshness.grant(applied)
    }

    /// Returns for how long, at most, a node without this revision may act on leases that are yet to be granted. To be asked
    /// after [`Cluster::fresh`].
    pub(crate) fn leases_without(&self, revision: Revision) -> std::time::Duration {
        self.freshness.leases_without(revision)
    }

    /// Returns the attached nodes.
    pub(crate) const fn fleet(&self) -> &Arc<Registry> {
        &self.fleet
    }

    /// Returns what nodes recorded.
    pub(crate) const fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Returns who the people are.
    pub(crate) const fn people(&self) -> &People {
        &self.people
    }

    /// Returns the rules by which votes are judged.
    pub(crate) const fn approval_rules(&self) -> &ApprovalRules {
        &self.approval_rules
    }

    /// Returns what seals and opens the texts that approvers read.
    pub(crate) const fn reviews(&self) -> &Reviews {
        &self.reviews
    }

    /// Returns what nodes key the digests of held commands with.
    pub(crate) const fn digest_key(&self) -> &DigestKey {
        &self.digest_key
    }

    /// Returns where spans of held commands go.
    pub(crate) const fn traced(&self) -> &Traced {
        &self.traced
    }

    /// Returns what tokens for recovery are verified with.
    pub(crate) const fn recovery(&self) -> &RecoveryKey {
        &self.recovery
    }

    /// Returns what hashes of masked values are keyed with.
    pub(crate) const fn masking_key(&self) -> &MaskingKey {
        &self.masking_key
    }

    /// Returns what seals and opens the values of secrets.
    pub(crate) const fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Returns the CA that signs nodes' certificates.
    pub(crate) const fn ca(&self) -> &ClusterCa {
        &self.ca
    }

    /// Returns the CA's certificate, PEM.
    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Returns what this node counts.
    pub(crate) const fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Returns the replica, for what only it can say.
    pub(crate) const fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Returns when this node stops.
    pub(crate) async fn stopped(&self) {
        // Whoever could stop it being gone is a stop as well.
        drop(self.stopping.clone().wait_for(|stopping| *stopping).await);
    }
}
