//! Holds, as the control plane is asked and told about them: over the channel of the attachment, for no other
//! control-plane node takes this process's word.

use super::retry_after;
use crate::hold::desk::{Answered, Ask, Desk, Question, Telling, Told};
use crate::hold::wire;
use hoop_model::{Ending, Incarnation};
use hoop_wire::v1;
use hoop_wire::v1::hold_response::Outcome;
use hoop_wire::v1::holds_client::HoldsClient;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Longest wait before the next attempt while the channel is there.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a new hold waits for others to be left: it may be the same command.
const OTHERS_LEFT: Duration = Duration::from_secs(2);
/// How long what is opened for nobody is waited for, and how long it is told that nobody keeps a command. The control
/// plane finds out by itself once this process is gone.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// Asks and tells for all shards.
pub(crate) struct Clerk {
    pub(crate) desk: Arc<Desk>,
    pub(crate) asks: mpsc::UnboundedReceiver<Ask>,
    pub(crate) incarnation: Incarnation,
}

/// One thing that is asked or told.
struct Errand {
    desk: Arc<Desk>,
    incarnation: Vec<u8>,
}

impl Clerk {
    /// Works until it is dropped.
    pub(crate) async fn run(mut self) {
        let mut errands = JoinSet::new();
        while let Some(ask) = self.asks.recv().await {
            while errands.try_join_next().is_some() {}
            let errand = Errand { desk: Arc::clone(&self.desk), incarnation: self.incarnation.to_bytes().to_vec() };
            errands.spawn_local(errand.run(ask));
        }
        errands.join_all().await;
    }
}

impl Errand {
    async fn run(self, ask: Ask) {
        match ask {
            Ask::Question { question, until, answer } => self.ask(question, until, answer).await,
            Ask::Telling(Telling { told, counted, done }) => {
                self.tell(told).await;
                drop(counted);
                // Whoever waited may have gone away.
                let _ = done.map(|done| done.send(()));
            }
        }
    }

    async fn ask(&self, question: Question, until: Instant, mut answer: oneshot::Sender<Answered>) {
        let is_open = matches!(question, Question::Open(_));
        if is_open {
            // Too late is not wrong: the command gets an approval of its own.
            let _ = timeout(OTHERS_LEFT, self.desk.nobody_leaves()).await;
        }
        let asked = question.clone();
        let mut asking = std::pin::pin!(self.asked(&asked));
        let answered = tokio::select! {
            answered = asking.as_mut() => Some(answered),
            () = tokio::time::sleep_until(until) => None,
            () = answer.closed() => None,
        };
        match answered {
            // Where nobody takes it, it is dropped, which leaves what was opened.
            Some(response) => drop(answer.send(Answered::new(&self.desk, response, is_open))),
            None => {
                drop(answer);
                if is_open && let Ok(response) = timeout(TOLD_WITHIN, asking).await {
                    drop(Answered::new(&self.desk, response, is_open));
                }
            }
        }
    }

    async fn tell(&self, told: Told) {
        match told {
            Told::Left(id) => self.leave(id.to_bytes().to_vec()).await,
            Told::Void(rejudgement) => {
                let question = Question::Rejudged(wire::rejudged(&rejudgement));
                let answered = timeout(TOLD_WITHIN, self.asked(&question)).await.ok().flatten();
                if answered.is_none_or(|response| response.outcome() == Outcome::Stale) {
                    self.leave(rejudgement.approval.to_bytes().to_vec()).await;
                }
            }
            Told::Finished(spent, ending) => {
                let approval = spent.approval();
                let finish = v1::FinishRequest {
                    incarnation: self.incarnation.clone(),
                    id: approval.to_bytes().to_vec(),
                    ending: v1::Ending::from(ending).into(),
                };
                let answered = self.repeat(async |mut client| client.finish(timed(finish.clone())).await).await;
                match answered.as_ref().map(v1::HoldResponse::outcome) {
                    Some(Outcome::Ok) => {}
                    // There is nothing to account for: another process has it, or nobody remembers it.
                    Some(_) if ending == Ending::NotSent => {}
                    outcome => {
                        tracing::warn!(%approval, ?ending, ?outcome, "the end of a command was not taken note of");
                    }
                }
                if answered.is_some() {
                    self.desk.kept().finished(spent);
                }
            }
        }
    }

    async fn leave(&self, id: Vec<u8>) {
        let leave = v1::LeaveHoldRequest { incarnation: self.incarnation.clone(), id };
        let told = self.repeat(async |mut client| client.leave(timed(leave.clone())).await);
        if timeout(TOLD_WITHIN, told).await.is_err() {
            tracing::debug!("the control plane could not be told that nobody keeps a command");
        }
    }

    async fn asked(&self, question: &Question) -> Option<v1::HoldResponse> {
        let incarnation = || self.incarnation.clone();
        self.repeat(async |mut client| match question.clone() {
            Question::Open(open) => {
                let open = v1::OpenHoldRequest { incarnation: incarnation(), ..*open };
                client.open(timed(open)).await
            }
            Question::Rejudged(asks) => {
                client.rejudged(timed(v1::RejudgedRequest { incarnation: incarnation(), ..asks })).await
            }
            Question::Claim(asks) => client.claim(timed(v1::ClaimRequest { incarnation: incarnation(), ..asks })).await,
        })
        .await
    }

    /// Asks the same again and again until there is an answer; `None` if it is one that will not change.
    async fn repeat(
        &self,
        ask: impl AsyncFn(HoldsClient<Channel>) -> Result<Response<v1::HoldResponse>, Status>,
    ) -> Option<v1::HoldResponse> {
        loop {
            let client = HoldsClient::new(self.desk.channel().await);
            let client = client.max_encoding_message_size(hoop_rpc::MAX_MESSAGE_BYTES);
            let attempt = timeout_at(Instant::now() + ATTEMPT, ask(client)).await;
            match attempt {
                Ok(Ok(response)) => return Some(response.into_inner()),
                Ok(Err(status)) if is_final(status.code()) => {
                    tracing::error!(%status, "the control plane refused a request about a held command");
                    return None;
                }
                Ok(Err(status)) => tracing::debug!(%status, "a request about a held command is repeated"),
                Err(_) => tracing::debug!("a request about a held command had no answer, and is repeated"),
            }
            tokio::time::sleep(retry_after().min(PAUSE)).await;
        }
    }
}

fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(ATTEMPT);
    request
}

/// Whether the same request would have the same answer again. What says nothing about it is tried again: nothing is done
/// twice by asking twice.
const fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Unimplemented
            | Code::NotFound
            | Code::OutOfRange
    )
}
