//! Every family of this node's page. `deploy/METRICS.md` says more of each, and a test compares the two.

use hoop_node::telemetry::metrics::Metric;

pub(super) const BUILD: Metric = Metric::gauge("hoop_build_info", "The program's version; always 1");
pub(super) const COMMANDS: Metric =
    Metric::counter("hoop_commands_total", "Commands that ended, by verdict and refusal code");
pub(super) const RESPONSES: Metric =
    Metric::counter("hoop_responses_total", "Responses to callers, by class of status");
pub(super) const UPSTREAM_ERRORS: Metric =
    Metric::counter("hoop_upstream_errors_total", "Commands that a backend did not answer as it should");
pub(super) const DURATION: Metric =
    Metric::histogram("hoop_command_duration_seconds", "From a command's head to the last byte of its answer");
pub(super) const ADDED: Metric = Metric::histogram(
    "hoop_command_added_seconds",
    "What the gateway itself took until the head of the answer, without waiting for backends and people",
);
pub(super) const HELD: Metric = Metric::gauge("hoop_held_commands", "Commands that wait for people at this node");
pub(super) const CALLERS: Metric = Metric::gauge("hoop_caller_connections", "Connections of callers");
pub(super) const SESSIONS: Metric = Metric::gauge("hoop_sessions", "Open sessions");
pub(super) const TOKENS: Metric =
    Metric::counter("hoop_token_verifications_total", "Tokens looked at: remembered, or their signature verified");
pub(super) const VERDICTS: Metric = Metric::counter("hoop_verdicts_total", "Verdicts: remembered, or judged");
pub(super) const APPLIED_EPOCH: Metric = Metric::gauge("hoop_applied_revision_epoch", "The applied revision's epoch");
pub(super) const APPLIED_INDEX: Metric =
    Metric::gauge("hoop_applied_revision_index", "The applied revision's log index");
pub(super) const LEASE: Metric = Metric::gauge("hoop_lease_seconds", "What is left of the node's lease; 0 without one");
pub(super) const LINK: Metric = Metric::gauge("hoop_control_plane_link_up", "1 while attached to the control plane");
pub(super) const SPOOL_BYTES: Metric = Metric::gauge("hoop_evidence_spool_bytes", "Evidence that waits to be shipped");
pub(super) const SPOOL_SEGMENTS: Metric =
    Metric::gauge("hoop_evidence_unshipped_segments", "Sealed segments that wait to be shipped");
pub(super) const RECORDS: Metric = Metric::counter("hoop_evidence_records_total", "Records written");
pub(super) const SYNCHRONISED: Metric =
    Metric::histogram("hoop_evidence_fsync_seconds", "What bringing evidence to the disk takes");
