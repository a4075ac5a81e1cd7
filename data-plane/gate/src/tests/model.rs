//! Random histories of votes, claims, changed policies, lost answers and crashes, on several processes at once.
//!
//! What holds in all of them: an approval releases at most one command, and that is the command it was given for; a
//! command is released only while it is claimed by the process that releases it, on the policy that there was then, and
//! never if that policy or a person refuses it.

use super::laws::runner;
use super::plane::{Plane, Process};
use super::samples::*;
use crate::*;
use hoop_audit::{Entry, Receipt};
use hoop_model::{ApprovalId, Code, CommandDigest, Intent, SessionId, UnixMillis, Verdict};
use hoop_policy::{Rules, VerdictCache};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const LIVE: Standing = Standing::Live(IDENTITY_REVISION);

/// The policies that there are in turn. What is asked by the first alone is asked by the second, too.
const POLICIES: [&[&str]; 5] = [&[ONE_HOLD], &[ONE_HOLD, SECOND_HOLD], &[TWO_VOTES], &[ALLOWED], &[FORBIDDEN]];
const ONE_HOLD: &str = concat!(
    r#"permit (principal, action, resource);"#,
    r#"@hold("on-call") forbid (principal, action == Hoop::Action::"http:PATCH", resource);"#
);
const SECOND_HOLD: &str = r#"@hold("security") forbid (principal, action == Hoop::Action::"http:PATCH", resource);"#;
const TWO_VOTES: &str = concat!(
    r#"permit (principal, action, resource);"#,
    r#"@hold("on-call") @quorum("2") forbid (principal, action == Hoop::Action::"http:PATCH", resource);"#
);
const ALLOWED: &str = r#"permit (principal, action, resource);"#;
const FORBIDDEN: &str = concat!(
    r#"permit (principal, action, resource);"#,
    r#"forbid (principal, action == Hoop::Action::"http:PATCH", resource);"#
);

/// Something that happens. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Event {
    /// A caller sends one of two commands; perhaps it names an approval.
    Submit {
        node: usize,
        command: u8,
        selected: Option<usize>,
    },
    /// A hold goes one step further; perhaps the answer on the way is lost.
    Advance {
        flight: usize,
        lost: bool,
    },
    /// What the control plane knows is pushed to a hold.
    Push {
        flight: usize,
    },
    Vote {
        approval: usize,
        person: u32,
    },
    Deny {
        approval: usize,
    },
    Expire {
        approval: usize,
    },
    Policy {
        which: usize,
    },
    /// A node takes the policy there is.
    Sync {
        node: usize,
    },
    /// A caller goes away.
    Hangup {
        flight: usize,
    },
    Crash {
        node: usize,
    },
    /// The control plane takes a node for dead, which is only cut off: its lease is over.
    Fence {
        node: usize,
    },
    /// A node tells what became of what it released or gave up.
    Finish {
        node: usize,
    },
}

fn any_event() -> impl Strategy<Value = Event> {
    let (some, node) = (0..8usize, 0..2usize);
    let selected = prop_oneof![1 => Just(None), 1 => (0..5usize).prop_map(Some)];
    let policy = prop_oneof![3 => 0..3usize, 2 => 3..5usize];
    prop_oneof![
        20 => (node.clone(), 0..2u8, selected)
            .prop_map(|(node, command, selected)| Event::Submit { node, command, selected }),
        120 => (some.clone(), prop::bool::weighted(0.1)).prop_map(|(flight, lost)| Event::Advance { flight, lost }),
        20 => some.clone().prop_map(|flight| Event::Push { flight }),
        50 => (some.clone(), 0..3u32).prop_map(|(approval, person)| Event::Vote { approval, person }),
        5 => some.clone().prop_map(|approval| Event::Deny { approval }),
        5 => some.clone().prop_map(|approval| Event::Expire { approval }),
        6 => policy.prop_map(|which| Event::Policy { which }),
        16 => node.clone().prop_map(|node| Event::Sync { node }),
        5 => some.prop_map(|flight| Event::Hangup { flight }),
        3 => node.clone().prop_map(|node| Event::Crash { node }),
        1 => node.clone().prop_map(|node| Event::Fence { node }),
        6 => node.prop_map(|node| Event::Finish { node }),
    ]
}

/// One request on its way, in one of the states it can be in.
enum Flight {
    Asking(Held, Option<ApprovalId>),
    /// The answer is on its way.
    Opening(Held, HoldAnswer),
    Waiting(Waiting),
    Rejudging(Waiting),
    Telling(Waiting, Rejudgement),
    Claiming(Claiming),
    Claimed(Claiming, HoldAnswer),
}

/// A data-plane process.
struct Node {
    process: Process,
    rules: usize,
    session: Session,
    kept: Kept,
    flights: Vec<(CommandDigest, Flight)>,
    spent: Vec<Spent>,
    cache: VerdictCache,
    lease: Lease,
}

struct World {
    plane: Plane,
    /// What each approval released.
    released: BTreeMap<ApprovalId, CommandDigest>,
    revisions: Vec<Rules>,
    nodes: Vec<Node>,
    processes: Process,
    seen: BTreeSet<&'static str>,
}

fn receipt(entry: &Entry) -> Receipt {
    record(SessionId::mint(9), entry).synchronised()
}

impl World {
    fn new() -> Self {
        let rules = compiled(POLICIES[0], 20, Some(&USUAL));
        let plane = Plane { revision: rules.revision(), ..Plane::default() };
        let mut world = Self {
            plane,
            released: BTreeMap::new(),
            revisions: vec![rules],
            nodes: vec![],
            processes: 0,
            seen: BTreeSet::new(),
        };
        for _ in 0..2 {
            let node = world.boot();
            world.nodes.push(node);
        }
        world
    }

    fn boot(&mut self) -> Node {
        self.processes += 1;
        let rules = self.revisions.len() - 1;
        let lease = Lease::NONE.renewed(BootMillis(0), LONGEST_GRANT);
        Node {
            process: self.processes,
            rules,
            session: session(),
            kept: Kept::new(),
            flights: vec![],
            spent: vec![],
            cache: VerdictCache::new(),
            lease,
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Submit { node, command, selected } => self.submit(node, command, selected),
            Event::Advance { flight, lost } => {
                self.with_flight(flight, |world, node, digest, flight| world.advance(node, digest, flight, lost))
            }
            Event::Push { flight } => self.with_flight(flight, |world, node, _, flight| match flight {
                Flight::Waiting(waiting) => {
                    let HoldAnswer::Stands { approval, state, .. } = world.plane.answer(waiting.approval(), 0) else {
                        panic!("unknown")
                    };
                    let pushed = HoldAnswer::Stands { approval, state, claimed_by_caller: false };
                    world.turn(node, waiting.told(pushed))
                }
                other @ (Flight::Asking(..)
                | Flight::Opening(..)
                | Flight::Rejudging(_)
                | Flight::Telling(..)
                | Flight::Claiming(_)
                | Flight::Claimed(..)) => Some(other),
            }),
            Event::Vote { approval, person } => {
                if let Some(id) = self.approval(approval) {
                    self.plane.vote(id, person);
                }
            }
            Event::Deny { approval } => self.end(approval, HoldState::Denied),
            Event::Expire { approval } => self.end(approval, HoldState::Expired),
            Event::Policy { which } => {
                self.revisions.push(compiled(POLICIES[which], 20 + self.revisions.len() as u64, Some(&USUAL)));
                self.plane.revision = self.revisions.last().unwrap().revision();
            }
            Event::Sync { node } => self.nodes[node].rules = self.revisions.len() - 1,
            Event::Hangup { flight } => self.with_flight(flight, |world, node, _, flight| world.hang_up(node, flight)),
            Event::Crash { node } => {
                let dead = self.nodes[node].process;
                self.nodes[node] = self.boot();
                self.plane.fence(dead);
                self.seen.insert("crash");
            }
            Event::Fence { node } => {
                self.nodes[node].lease = Lease::NONE;
                self.plane.fence(self.nodes[node].process);
            }
            Event::Finish { node } => {
                let node = &mut self.nodes[node];
                for spent in std::mem::take(&mut node.spent) {
                    if !self.plane.finish(spent.approval(), node.process) {
                        self.plane.leave(spent.approval(), node.process);
                    }
                    node.kept.finished(spent);
                }
            }
        }
    }

    fn approval(&self, choice: usize) -> Option<ApprovalId> {
        // The latest first: the others are mostly over.
        self.plane.approvals.keys().rev().nth(choice).copied()
    }

    fn end(&mut self, choice: usize, state: HoldState) {
        if let Some(id) = self.approval(choice) {
            self.plane.end(id, state);
        }
    }

    fn submit(&mut self, at: usize, command: u8, selected: Option<usize>) {
        let selected = selected.and_then(|choice| self.approval(choice));
        let node = &mut self.nodes[at];
        let rules = &self.revisions[node.rules];
        let decided = node.session.submit(rules, &mut node.cache, intent("http:PATCH"), None, UnixMillis(1));
        let decided = captured(decided, &[command]);
        let receipt = receipt(decided.entry());
        match decided.after(receipt) {
            Step::Hold(held) => {
                node.flights.push((held.request().digest, Flight::Asking(held, selected)));
            }
            Step::Forward(permit) => {
                assert_eq!((permit.approval(), permit.digest()), (None, None), "nobody was asked");
                self.seen.insert("allowed");
            }
            Step::Refuse(refusal) => assert_eq!(refusal.code, Code::Forbidden),
        }
    }

    fn with_flight(
        &mut self,
        choice: usize,
        go: impl FnOnce(&mut Self, usize, CommandDigest, Flight) -> Option<Flight>,
    ) {
        let places: Vec<_> = (0..self.nodes.len())
            .flat_map(|node| (0..self.nodes[node].flights.len()).map(move |at| (node, at)))
            .collect();
        if places.is_empty() {
            return;
        }
        let (node, at) = places[choice % places.len()];
        let (digest, flight) = self.nodes[node].flights.remove(at);
        if let Some(flight) = go(self, node, digest, flight) {
            self.nodes[node].flights.push((digest, flight));
        }
    }

    fn advance(&mut self, at: usize, digest: CommandDigest, flight: Flight, lost: bool) -> Option<Flight> {
        let process = self.nodes[at].process;
        match flight {
            Flight::Asking(held, selected) => {
                let answer = self.plane.open(&held.request(), process, selected);
                if lost {
                    return Some(Flight::Asking(held, selected));
                }
                Some(Flight::Opening(held, answer))
            }
            Flight::Opening(held, answer) => match held.opened(answer, &mut self.nodes[at].kept) {
                Opened::Turn(turn) => self.turn(at, turn),
                Opened::Resubmit(intent) => self.resubmitted(&intent),
            },
            Flight::Waiting(waiting) => Some(Flight::Waiting(waiting)),
            Flight::Rejudging(waiting) => self.rejudge(at, waiting),
            Flight::Telling(waiting, needs) => {
                let answer = self.plane.rejudged(needs.clone(), process);
                if lost { Some(Flight::Telling(waiting, needs)) } else { self.turn(at, waiting.told(answer)) }
            }
            Flight::Claiming(claiming) => {
                let answer = self.plane.claim(&claiming.request(), process);
                if lost {
                    return Some(Flight::Claiming(claiming));
                }
                Some(Flight::Claimed(claiming, answer))
            }
            Flight::Claimed(claiming, answer) => match claiming.answered(answer, &mut self.nodes[at].kept) {
                Claimed::Turn(turn) => self.turn(at, turn),
                Claimed::Released(released) => self.release(at, digest, released),
            },
        }
    }

    fn resubmitted(&mut self, again: &Intent) -> Option<Flight> {
        assert_eq!(*again, intent("http:PATCH"));
        self.seen.insert("resubmit");
        None
    }

    fn turn(&mut self, at: usize, turn: Turn) -> Option<Flight> {
        match turn {
            Turn::Wait(waiting) => Some(Flight::Waiting(waiting)),
            Turn::Rejudge(waiting) => Some(Flight::Rejudging(waiting)),
            Turn::Over(over) => self.over(at, over),
        }
    }

    fn rejudge(&mut self, at: usize, waiting: Waiting) -> Option<Flight> {
        let node = &mut self.nodes[at];
        let rules = &self.revisions[node.rules];
        let authority =
            Authority { lease: node.lease, stale: Duration::ZERO, applied: rules.revision(), standing: &|_| LIVE };
        let current = Current { rules, cache: &mut node.cache, generation: Some(GENERATION), authority };
        match waiting.rejudge(current, now(1, UnixMillis(1))) {
            Rejudged::Wait(waiting) => Some(Flight::Waiting(waiting)),
            Rejudged::Needs(waiting, needs) => Some(Flight::Telling(waiting, needs)),
            Rejudged::Claim(intended) => {
                let receipt = receipt(intended.entry());
                Some(Flight::Claiming(intended.after(receipt).unwrap()))
            }
            Rejudged::Over(over) => self.over(at, over),
        }
    }

    fn hang_up(&mut self, at: usize, flight: Flight) -> Option<Flight> {
        match flight {
            // A caller that is gone before there is an approval leaves one that nobody knows of, until it crashes.
            Flight::Asking(..) | Flight::Opening(..) => None,
            Flight::Waiting(waiting) | Flight::Rejudging(waiting) | Flight::Telling(waiting, _) => {
                self.over(at, waiting.left())
            }
            Flight::Claiming(claiming) | Flight::Claimed(claiming, _) => {
                let (over, spent) = claiming.unanswered(&mut self.nodes[at].kept);
                self.nodes[at].spent.push(spent);
                self.over(at, over)
            }
        }
    }

    fn over(&mut self, at: usize, over: Over) -> Option<Flight> {
        let process = self.nodes[at].process;
        self.seen.insert(over.refusal.code.as_str());
        match over.tell {
            Tell::Nothing => {}
            Tell::Leave(id) => self.plane.leave(id, process),
            Tell::Void(void) => drop(self.plane.rejudged(void, process)),
        }
        None
    }

    /// INVARIANT: see the module.
    fn release(&mut self, at: usize, submitted: CommandDigest, released: Released) -> Option<Flight> {
        let Released { permit, spent } = released;
        let (approval, digest) = (permit.approval().unwrap(), permit.digest().unwrap());
        assert_eq!(spent.approval(), approval);
        assert_eq!(digest, submitted, "another command than the one that was sent");
        let (kept, node) = (&self.plane.approvals[&approval], &mut self.nodes[at]);
        assert_eq!(kept.digest, digest, "another command than the one that people saw");
        assert_eq!(kept.claimer, Some(node.process), "claimed by another process");
        let judged = self.revisions.iter().find(|rules| rules.revision() == permit.revision()).unwrap();
        let subject = request().subject;
        let verdict = judged.judge(&mut node.cache, &subject, &name("react"), &intent("http:PATCH")).verdict;
        assert!(!matches!(verdict, Verdict::Refuse(_)), "the policy refuses it");
        node.spent.push(spent);
        let authority =
            Authority { lease: node.lease, stale: Duration::ZERO, applied: permit.revision(), standing: &|_| LIVE };
        let Ok(cleared) = permit.redeem(&authority, now(1, UnixMillis(1))) else {
            assert_eq!(node.lease, Lease::NONE);
            self.seen.insert("claimed and not sent");
            return None;
        };
        drop(cleared);
        assert_eq!(kept.state, HoldState::Claimed);
        assert_eq!(self.released.insert(approval, digest), None, "an approval was used twice");
        self.seen.insert("released");
        None
    }
}

#[test]
fn i9_whatever_happens_an_approval_releases_one_command_once() {
    let tally = RefCell::new(BTreeMap::<&'static str, u32>::new());
    let cases = std::cell::Cell::new(0u32);
    let law = |history: Vec<Event>| {
        let mut world = World::new();
        history.into_iter().for_each(|event| world.happen(event));
        cases.set(cases.get() + 1);
        for outcome in world.seen {
            *tally.borrow_mut().entry(outcome).or_insert(0) += 1;
        }
        Ok(())
    };
    runner().run(&proptest::collection::vec(any_event(), 300..400), law).unwrap();
    let tally = tally.into_inner();
    let kinds = [
        "released",
        "allowed",
        "approval_denied",
        "approval_expired",
        "approval_voided",
        "approval_spent",
        "approval_mismatch",
        "approval_required",
        "too_many_pending",
        "not_ready",
        "resubmit",
        "crash",
    ];
    for kind in kinds {
        let seen = tally.get(kind).copied().unwrap_or(0);
        assert!(seen * 10 >= cases.get(), "{kind} in {seen} of {} histories only: {tally:?}", cases.get());
    }
}
