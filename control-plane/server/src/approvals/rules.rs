//! The policies by which votes are judged, compiled once for each revision.

use hoop_policy::Rules;
use hoop_state::State;
use std::sync::Arc;
use tokio::sync::Mutex;
use tonic::Status;

/// The rules of the newest revision at which anybody asked.
#[derive(Default)]
pub(crate) struct ApprovalRules {
    compiled: Mutex<Option<Arc<Rules>>>,
}

impl ApprovalRules {
    /// Returns the rules of a state. They cost CPU, so they are not compiled on the threads that serve.
    pub(super) async fn of(&self, state: &Arc<State>) -> Result<Arc<Rules>, Status> {
        let mut compiled = self.compiled.lock().await;
        let previous = compiled.clone();
        if let Some(rules) = previous.as_ref().filter(|rules| rules.revision() == state.revision()) {
            return Ok(Arc::clone(rules));
        }
        let state = Arc::clone(state);
        let compiling = tokio::task::spawn_blocking(move || {
            let objects: Vec<_> = state.objects().cloned().collect();
            Rules::compile(&objects, state.revision(), previous.as_deref())
        });
        let rules = match compiling.await {
            Ok(Ok(rules)) => Arc::new(rules),
            Ok(Err(errors)) => return Err(unusable(&format!("{errors:?}"))),
            Err(error) => return Err(unusable(&error.to_string())),
        };
        if compiled.as_ref().is_none_or(|known| known.revision() < rules.revision()) {
            *compiled = Some(Arc::clone(&rules));
        }
        Ok(rules)
    }
}

fn unusable(problem: &str) -> Status {
    tracing::error!(problem, "the policies cannot be compiled, so nobody may vote");
    Status::internal("votes cannot be judged now; the control plane's log says more")
}
