//! Watch: every change of what the caller may see, for as long as their token stands for them.

use super::ask::{Asked, Asker};
use super::summary::Summaries;
use crate::authorise::Asking;
use crate::cluster::Cluster;
use hoop_model::spec::Right;
use hoop_model::{Approval, ApprovalId};
use hoop_wire::v1;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Summaries on their way to one reader.
const IN_FLIGHT: usize = 16;

type Out = mpsc::Sender<Result<v1::ApprovalSummary, Status>>;

/// One reader that follows.
pub(super) struct Watch {
    cluster: Arc<Cluster>,
    asking: Asking,
    identity: String,
    /// What the reader may see, as it was when it was looked at.
    seen: BTreeMap<ApprovalId, Arc<Approval>>,
}

impl Watch {
    /// Takes up a reader.
    pub(super) fn new(cluster: Arc<Cluster>, asking: Asking, request: v1::WatchApprovalsRequest) -> Self {
        Self { cluster, asking, identity: request.identity, seen: BTreeMap::new() }
    }

    /// Begins with those that wait.
    pub(super) fn begin(self, asked: Asked) -> ReceiverStream<Result<v1::ApprovalSummary, Status>> {
        let (out, stream) = mpsc::channel(IN_FLIGHT);
        tokio::spawn(self.run(asked, out));
        ReceiverStream::new(stream)
    }

    async fn run(mut self, asked: Asked, out: Out) {
        let cluster = Arc::clone(&self.cluster);
        let ended = tokio::select! {
            () = out.closed() => return,
            () = cluster.stopped() => Status::unavailable("the control plane is stopping"),
            ended = self.follow(asked, &out) => match ended {
                Err(status) => status,
                Ok(()) => return,
            },
        };
        // A reader that is gone misses the reason, nothing else.
        drop(out.try_send(Err(ended)));
    }

    /// Follows until the reader hangs up. Who reads slowly gets the newest state of each, not every one.
    async fn follow(&mut self, mut asked: Asked, out: &Out) -> Result<(), Status> {
        let mut moves = self.cluster.replica().approvals();
        // What moved since the caller was let in is news as well.
        moves.mark_changed();
        let mut is_first = true;
        loop {
            for summary in self.changed(&asked, is_first) {
                if out.send(Ok(summary)).await.is_err() {
                    return Ok(());
                }
            }
            is_first = false;
            moves.changed().await.map_err(|_| Status::unavailable("the control plane is stopping"))?;
            asked = self.ask_again().await?;
        }
    }

    /// Looks at what there is by now. A token that has expired, or stands for nobody any more, shows nothing.
    async fn ask_again(&self) -> Result<Asked, Status> {
        let state = self.cluster.state();
        let asker = match &self.asking {
            Asking::Overseer(caller) => Asker::Overseer(caller.at(&self.cluster, &state, Right::SeeApprovals)?.scope()),
            Asking::Person(recognised) => {
                let again = recognised.again(self.cluster.people(), &state);
                Asker::person(again.map_err(crate::people::Unrecognised::status)?, &state)
            }
        };
        let rules = self.cluster.approval_rules().of(&state).await?;
        Ok(Asked { asker, state, rules })
    }

    fn changed(&mut self, asked: &Asked, is_first: bool) -> Vec<v1::ApprovalSummary> {
        let visible = asked.state.approvals().filter(|approval| asked.asker.sees(approval));
        let visible: BTreeMap<_, _> = visible.map(|approval| (approval.id, Arc::clone(approval))).collect();
        let before = std::mem::replace(&mut self.seen, visible);
        let is_news = |approval: &&Arc<Approval>| match before.get(&approval.id) {
            Some(known) => known != *approval,
            None => !is_first || approval.state.is_waiting(),
        };
        let summaries = Summaries::of(asked);
        let news = self.seen.values().filter(is_news);
        news.filter(|approval| summaries.is_of(approval, &self.identity)).map(|news| summaries.write(news)).collect()
    }
}
