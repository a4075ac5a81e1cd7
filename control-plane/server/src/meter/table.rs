//! Every family of this node's page. `deploy/METRICS.md` says more of each, and a test compares the two.

use hoop_node::telemetry::metrics::Metric;

pub(super) const BUILD: Metric = Metric::gauge("hoop_build_info", "The program's version; always 1");
pub(super) const LEADER: Metric = Metric::gauge("hoop_raft_leader", "1 while this node leads");
pub(super) const TERM: Metric = Metric::gauge("hoop_raft_term", "The Raft term");
pub(super) const LAST_LOG: Metric = Metric::gauge("hoop_raft_last_log_index", "The index of the last log entry");
pub(super) const APPLIED: Metric =
    Metric::gauge("hoop_raft_applied_index", "The index of the last log entry in the state");
pub(super) const COMMIT: Metric =
    Metric::histogram("hoop_raft_commit_seconds", "From a proposal until it is durable and applied");
pub(super) const FLUSH: Metric =
    Metric::histogram("hoop_raft_fsync_seconds", "What making entries of the Raft log durable takes");
pub(super) const PROPOSALS: Metric = Metric::counter("hoop_raft_proposals_total", "Proposals, by what came of them");
pub(super) const OBJECTS: Metric = Metric::counter("hoop_applied_objects_total", "Objects applied, by outcome");
pub(super) const REVISION_EPOCH: Metric = Metric::gauge("hoop_revision_epoch", "The current revision's epoch");
pub(super) const REVISION_INDEX: Metric = Metric::gauge("hoop_revision_index", "The current revision's log index");
pub(super) const PENDING: Metric = Metric::gauge("hoop_approvals_pending", "Approvals that wait for people");
pub(super) const OLDEST: Metric =
    Metric::gauge("hoop_approvals_oldest_age_seconds", "How long the oldest of them has waited; 0 without one");
pub(super) const NODES: Metric =
    Metric::gauge("hoop_nodes_connected", "Data-plane nodes that are attached to this node");
pub(super) const LAG: Metric =
    Metric::gauge("hoop_node_revision_lag", "How many log entries a node's applied revision is behind the current one");
pub(super) const SEGMENTS: Metric =
    Metric::counter("hoop_evidence_segments_total", "Segments of evidence received, by what became of them");
pub(super) const STORED: Metric = Metric::counter("hoop_evidence_stored_bytes_total", "Bytes of segments stored");
pub(super) const FREE: Metric =
    Metric::gauge("hoop_evidence_store_free_bytes", "What the file system of the evidence store has free");
pub(super) const CALLS: Metric = Metric::counter(
    "hoop_calls_total",
    "Calls of this node's services, by method and status; of a stream, how it began",
);
