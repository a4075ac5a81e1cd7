//! The part of the walk that only commands go which people must release.

use super::checkout::still_good;
use super::session::Using;
use super::token::Caller;
use super::{Command, Load, about, answered, note, refusal, tell};
use crate::front::reply::{self, Reply};
use crate::hold::capture::{NotCaptured, capture};
use crate::hold::drive::Freed;
use crate::hold::holding::Holding;
use crate::upstream::answer::Account;
use crate::upstream::send::{Sending, send};
use crate::upstream::upload::Payload;
use crate::world::{Backend, World};
use hoop_gate::{Capture, Decided};
use hoop_model::{Code, Refusal};
use hoop_node::telemetry::spans::Span;
use http::Response;
use http_body_util::Full;
use std::rc::Rc;
use std::sync::Arc;
use tokio::time::Instant;

impl Command<'_> {
    /// Whether people must release the command, or had to when it was judged before.
    pub(super) fn is_to_be_captured(&self, decided: &Decided) -> bool {
        !decided.requirements().is_empty() || matches!(self.load, Load::Captured(_))
    }

    /// Captures the command if people must release it; also returns what its caller is told if that is not possible.
    pub(super) async fn captured(
        &mut self,
        decided: Decided,
        world: &World,
        backend: &Backend,
    ) -> (Decided, Option<Box<Refusal>>) {
        let mut instead = None;
        let mut decided = decided;
        if !decided.requirements().is_empty() {
            let began = Instant::now();
            let captured = self.capture().await;
            self.tally.waited(began.elapsed());
            match captured {
                Ok(()) => {}
                Err(NotCaptured::TooLarge) => decided = decided.too_large_to_review(),
                Err(NotCaptured::TooMany) => {
                    let sentence = "too many commands wait for people at this node";
                    instead = Some(refusal(Code::TooManyPending, sentence));
                }
                Err(NotCaptured::Stopped) => {
                    instead = Some(refusal(Code::MalformedRequest, "the request's body stopped coming"));
                }
            }
        }
        if let Load::Captured(captive) = &self.load {
            decided = decided.captured(&Capture {
                key: &world.policy.digest_key,
                generation: backend.generation,
                context: &[],
                content: &captive.content,
            });
        }
        (decided, instead)
    }

    /// Captures the command, once.
    async fn capture(&mut self) -> Result<(), NotCaptured> {
        match std::mem::replace(&mut self.load, Load::Gone) {
            Load::Streaming(body) => {
                let forwarded = self.request.forwarded(self.headers.clone());
                let captive = capture(self.shard, self.request.framing(), forwarded, body).await?;
                self.load = Load::Captured(Box::new(captive));
                Ok(())
            }
            captured @ Load::Captured(_) => {
                self.load = captured;
                Ok(())
            }
            Load::Gone => Err(NotCaptured::Stopped),
        }
    }

    /// Holds the command until people released it, and sends it then; `None` if the policy changed before it was held.
    pub(super) async fn hold(
        &mut self,
        hold: hoop_gate::Held,
        held: &Rc<Using>,
        caller: &Caller,
        backend: &Arc<Backend>,
    ) -> Result<Option<Response<Reply>>, Box<Refusal>> {
        let shard = self.shard;
        let Load::Captured(captive) = std::mem::replace(&mut self.load, Load::Gone) else {
            return Err(hold.unopened());
        };
        let patience = self.request.patience();
        // What could not be sent is not worth anybody's time.
        let head = captive.forwarded.clone().to_upstream(&backend.spec.upstream, &shard.loop_token);
        let mut head = head.map_err(|refusal| about(refusal, caller, backend))?;
        let spans = shard.shared.spans.get();
        let mut wait = self.trace.part(spans, "hold");
        let traced = wait.as_ref().map(Span::place);
        let holding = Holding { shard, used: held, caller, backend, patience, captive: &captive, traced };
        let waiting = shard.meter.held.raise();
        let freed = self.tally.waits_for(holding.hold(hold)).await;
        drop(waiting);
        if let Err(refusal) = &freed {
            note(&mut wait, "hoop.code", || refusal.code.as_str());
        }
        drop(wait);
        let (permit, spending, over) = match freed {
            Ok(Freed::Released(released)) => *released,
            Ok(Freed::Resubmit) => {
                self.load = Load::Captured(captive);
                return Ok(None);
            }
            Err(refusal) => {
                self.tally.refused(refusal.code);
                return Ok(Some(reply::held(refusal, patience, self.trace.id)));
            }
        };
        let approval = permit.approval();
        let account = Account::open(Rc::clone(shard), Rc::clone(held), permit.command(), Some(spending));
        let account = &mut Some(account);
        let mut call = self.trace.call(spans, "upstream");
        self.trace.write(&mut head.headers, call.as_ref());
        let sent = async {
            let over = still_good(shard, caller, backend, over).await?;
            let body = Payload::Captured(Full::new(captive.body.clone()));
            let sending = Sending { head, body, over, backend };
            send(shard, permit, sending, account).await
        };
        let sent = sent.await;
        answered(&mut call, &sent);
        sent.map(Some).map_err(|mut refusal| {
            refusal.approval = approval;
            tell(account, about(refusal, caller, backend))
        })
    }
}
