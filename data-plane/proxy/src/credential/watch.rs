//! Looking after values that are kept on the node.

use crate::control::publish::Publisher;
use crate::world::Local;
use hoop_model::spec::SecretSource;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How often files are read again: what a change of one takes until it is felt.
const READ_EVERY: Duration = Duration::from_secs(2);

/// Reads the files of the policy that is applied, again and again, off every thread that serves.
pub(crate) async fn watch(publisher: Rc<RefCell<Publisher>>, local: Arc<Local>) {
    let mut tick = tokio::time::interval(READ_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(policy) = publisher.borrow().policy().cloned() else { continue };
        let local = Arc::clone(&local);
        let reading = tokio::task::spawn_blocking(move || {
            let supplies = policy.backends().filter_map(|backend| backend.supply.as_ref());
            for supply in supplies {
                if let Some(file @ SecretSource::File(_)) = &supply.from.source {
                    supply.renew(local.sources.read(file));
                }
            }
        });
        // A panic there leaves what was read before.
        drop(reading.await);
    }
}
