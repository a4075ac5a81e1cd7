//! Log time goes on although nobody changes anything: renewals carry it, and nodes judge expiries by it.

use crate::cluster::Cluster;
use hoop_node::clock::unix_now;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked at, and how far it may be behind while nodes are attached.
const BEAT: Duration = Duration::from_secs(4);

/// Proposes the time whenever log time is behind, until the end of the task.
pub(crate) async fn pulse(cluster: Arc<Cluster>) {
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let is_behind = cluster.state().log_time().after(BEAT) <= unix_now();
        if is_behind && cluster.fleet().has_connected() {
            // Without agreement there is no lease either; the next beat tries again.
            drop(cluster.tick().await);
        }
    }
}
