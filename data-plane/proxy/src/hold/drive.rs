//! Driving one hold: asking, waiting, judging again and claiming, until the command may be sent or its caller is told no.

use super::board::{News, Watching};
use super::desk::Question;
use super::guard::{Guard, given_up};
use super::holding::Holding;
use super::spending::Spending;
use super::wire;
use crate::shard;
use crate::walk::checkout::{Checkout, checkout};
use hoop_gate::{
    Claimed, Claiming, Held, HoldAnswer, Intended, LONGEST_GRANT, Opened, Over, Permit, Rejudged, Rejudgement,
    Released, Turn, Waiting,
};
use hoop_model::{Refusal, Requirement, Revision};
use std::time::Duration;
use tokio::time::Instant;

/// How long the control plane may take to answer, however short the caller would wait.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// How often in a row the control plane may say that the policy moved on.
const MAX_STALE: u32 = 3;

/// What comes of a hold.
pub(crate) enum Freed {
    /// The command may be sent, over this connection.
    Released(Box<(Permit, Spending, Checkout)>),
    /// The policy moved on before it was held: it is judged from the beginning.
    Resubmit,
}

/// A hold that goes on.
struct Drive<'a> {
    holding: &'a Holding<'a>,
    watching: Watching<'a>,
    /// When the caller has waited enough.
    deadline: Instant,
    /// What the control plane was told to ask for.
    asked: Vec<Requirement>,
    /// Whether something may have been missed.
    is_unsure: bool,
    /// How often in a row the control plane said that the policy moved on.
    stale: u32,
    is_noted: bool,
}

/// What comes of one step.
enum Next {
    Turn(Turn),
    Released(Box<(Permit, Spending, Checkout)>),
}

/// What ends a wait.
enum Woken {
    News(News),
    /// There is another revision, or this node, the identity or the token may lack authority by now.
    Judge,
    /// The caller has waited enough, or the node stops.
    Enough,
}

impl Holding<'_> {
    /// Holds a command until people released it.
    ///
    /// # Errors
    /// What its caller is told.
    pub(crate) async fn hold(&self, held: Held) -> Result<Freed, Box<Refusal>> {
        let deadline = Instant::now() + self.patience();
        // Reads may go on without a lease; nobody is asked for anything.
        self.shard.look(|_| ())?;
        let desk = self.desk();
        if !desk.is_attached() {
            return Err(held.unopened());
        }
        let opening = desk.board.opening();
        let question = Question::Open(Box::new(self.to_open(&held)));
        let (asked, judged) = (held.request().requirements.to_vec(), held.request().revision);
        let answered = desk.ask(question, Instant::now() + ANSWERED_WITHIN).await;
        let Some(answer) = answered.and_then(|answered| answered.take()).as_ref().and_then(wire::answer) else {
            return Err(held.unopened());
        };
        let opened = held.opened(answer, &mut desk.kept());
        let turn = match opened {
            Opened::Turn(turn) => turn,
            Opened::Resubmit(_) => {
                // Judged anew on the same rules, it would be no newer; on newer ones that are late, it is told so.
                let _ = tokio::time::timeout(ANSWERED_WITHIN, self.newer(judged)).await;
                return Ok(Freed::Resubmit);
            }
        };
        let (waiting, as_turn): (Waiting, fn(Waiting) -> Turn) = match turn {
            Turn::Wait(waiting) => (waiting, Turn::Wait),
            Turn::Rejudge(waiting) => (waiting, Turn::Rejudge),
            Turn::Over(over) => return Err(self.over(over).await),
        };
        let approval = waiting.approval();
        tracing::info!(session = %self.used.id, %approval, "a command is held");
        let watching = opening.watch(approval);
        drop(opening);
        let (is_unsure, stale, is_noted) = (false, 0, false);
        Drive { holding: self, watching, deadline, asked, is_unsure, stale, is_noted }.run(as_turn(waiting)).await
    }
}

impl Drive<'_> {
    async fn run(mut self, mut turn: Turn) -> Result<Freed, Box<Refusal>> {
        loop {
            let next = match turn {
                Turn::Over(over) => return Err(self.holding.over(over).await),
                Turn::Wait(waiting) => Next::Turn(self.wait(waiting).await),
                Turn::Rejudge(waiting) => self.judge(waiting).await,
            };
            turn = match next {
                Next::Turn(turn) => turn,
                Next::Released(released) => return Ok(Freed::Released(released)),
            };
        }
    }

    async fn wait(&mut self, waiting: Waiting) -> Turn {
        if !self.is_noted {
            self.is_noted = true;
            self.holding.shard.note(&waiting.entry(), self.holding.used.id);
        }
        if self.is_unsure {
            return self.look(waiting).await;
        }
        let (approval, judged) = (waiting.approval(), waiting.revision());
        let deadline = self.deadline;
        let (waiting, woken) = Guard::new(self.holding, waiting).across(self.woken(judged, deadline)).await;
        match woken {
            Woken::News(News::Stands(state)) => {
                waiting.told(HoldAnswer::Stands { approval, state, claimed_by_caller: false })
            }
            Woken::News(News::Missed) => {
                self.is_unsure = true;
                Turn::Wait(waiting)
            }
            Woken::News(News::Quiet) => Turn::Wait(waiting),
            Woken::Judge => Turn::Rejudge(waiting),
            Woken::Enough => Turn::Over(waiting.left()),
        }
    }

    /// Waits for whatever comes first.
    async fn woken(&mut self, judged: Revision, deadline: Instant) -> Woken {
        let shared = &self.holding.shard.shared;
        let mut draining = shared.draining.subscribe();
        tokio::select! {
            biased;
            news = self.watching.news() => Woken::News(news),
            () = self.holding.newer(judged) => Woken::Judge,
            () = self.holding.authority_is_over() => Woken::Judge,
            _ = draining.wait_for(|draining| *draining) => Woken::Enough,
            () = tokio::time::sleep_until(deadline) => Woken::Enough,
        }
    }

    /// Asks where the approval stands, by saying again what is asked for.
    async fn look(&mut self, waiting: Waiting) -> Turn {
        let again = wire::stands_for(waiting.approval(), waiting.revision(), &self.asked);
        self.is_unsure = false;
        let turn = self.ask(waiting, Question::Rejudged(again)).await;
        // Where the policy moved on, the answer says nothing of the approval.
        self.is_unsure = self.stale > 0;
        turn
    }

    /// Asks something in the course of a wait, and goes on from the answer.
    async fn ask(&mut self, waiting: Waiting, question: Question) -> Turn {
        let until = self.deadline.max(Instant::now() + ANSWERED_WITHIN);
        let asking = self.holding.desk().ask(question, until);
        let (waiting, answered) = Guard::new(self.holding, waiting).across(asking).await;
        match answered.and_then(|answered| answered.take()).as_ref().and_then(wire::answer) {
            Some(answer) => {
                self.heard(&answer);
                waiting.told(answer)
            }
            None => Turn::Over(waiting.left()),
        }
    }

    fn heard(&mut self, answer: &HoldAnswer) {
        self.stale = if *answer == HoldAnswer::Stale { self.stale.saturating_add(1) } else { 0 };
    }

    /// Judges again; after word that the policy moved on, once it has moved here, too.
    async fn judge(&mut self, waiting: Waiting) -> Next {
        if self.stale > MAX_STALE {
            return Next::Turn(Turn::Over(waiting.left()));
        }
        let mut waiting = waiting;
        if self.stale > 0 {
            let judged = waiting.revision();
            let until = self.deadline.max(Instant::now() + ANSWERED_WITHIN);
            let newer = tokio::time::timeout_at(until, self.holding.newer(judged));
            let moved;
            (waiting, moved) = Guard::new(self.holding, waiting).across(newer).await;
            if moved.is_err() {
                return Next::Turn(Turn::Over(waiting.left()));
            }
        }
        match self.holding.rejudge(waiting) {
            Rejudged::Wait(waiting) => Next::Turn(Turn::Wait(waiting)),
            Rejudged::Over(over) => Next::Turn(Turn::Over(over)),
            Rejudged::Needs(waiting, rejudgement) => Next::Turn(self.needs(waiting, rejudgement).await),
            Rejudged::Claim(intended) => self.claim(intended).await,
        }
    }

    async fn needs(&mut self, waiting: Waiting, rejudgement: Rejudgement) -> Turn {
        let question = Question::Rejudged(wire::rejudged(&rejudgement));
        self.asked = rejudgement.requirements;
        self.ask(waiting, question).await
    }

    /// Connects, records, and uses the approval.
    async fn claim(&mut self, intended: Intended) -> Next {
        let Holding { shard, used, caller, backend, .. } = *self.holding;
        let connecting = checkout(shard, caller, backend);
        let (intended, line) = Guard::new(self.holding, intended).across(connecting).await;
        let line = match line {
            Ok(line) => line,
            Err(refusal) => return Next::Turn(Turn::Over(Over { refusal, ..given_up(intended) })),
        };
        let Ok(written) = shard.record(intended.entry(), used.id) else {
            return Next::Turn(Turn::Over(intended.unrecorded()));
        };
        let synchronising = shard.durable(written, intended.durability());
        let (intended, receipt) = Guard::new(self.holding, intended).across(synchronising).await;
        let Ok(receipt) = receipt else { return Next::Turn(Turn::Over(intended.unrecorded())) };
        match intended.after(receipt) {
            Ok(claiming) => self.claiming(claiming, line).await,
            Err(over) => Next::Turn(Turn::Over(over)),
        }
    }

    async fn claiming(&mut self, claiming: Claiming, checkout: Checkout) -> Next {
        let desk = self.holding.desk();
        let asked = claiming.request().requirements.to_vec();
        let asking = desk.ask(Question::Claim(wire::claim(&claiming.request())), self.lease_ends());
        let (claiming, answered) = Guard::new(self.holding, claiming).across(asking).await;
        let answer = answered.and_then(|answered| answered.take()).as_ref().and_then(wire::answer);
        let Some(answer) = answer else {
            let (over, spent) = claiming.unanswered(&mut desk.kept());
            // Not sent, and never will be.
            drop(Spending::new(desk, spent));
            return Next::Turn(Turn::Over(over));
        };
        self.heard(&answer);
        if matches!(answer, HoldAnswer::Stands { .. }) {
            self.asked = asked;
        }
        let claimed = claiming.answered(answer, &mut desk.kept());
        match claimed {
            Claimed::Released(Released { permit, spent }) => {
                Next::Released(Box::new((permit, Spending::new(desk, spent), checkout)))
            }
            Claimed::Turn(turn) => {
                self.holding.shard.pool.borrow_mut().put(checkout.key, checkout.line);
                Next::Turn(turn)
            }
        }
    }

    /// When the lease ends that the node has at present: a claim is repeated until then.
    fn lease_ends(&self) -> Instant {
        let lease = self.holding.shard.shared.lease.load();
        let left = Duration::from_millis(lease.deadline().0.saturating_sub(shard::now().boot.0));
        Instant::now() + left.min(LONGEST_GRANT)
    }
}
