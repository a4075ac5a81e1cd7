//! Laws of approvals: random histories, followed by a slow and obvious account of what must have become of each.

use super::approval_support::*;
use super::support::*;
use crate::*;
use hoop_model::spec::Person;
use hoop_model::{ApprovalId, Choice, CommandDigest, Ending, Holder, Kind, Requirement, Revision, Uid};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

const CASES: u32 = 400;
const PEOPLE: [(&str, Uid); 4] = [("alice", ALICE), ("bob", BOB), ("carol", CAROL), ("dave", DAVE)];
const TEAMS: [&str; 2] = ["on-call", "dba"];
const EXPIRES: u64 = 45 * MINUTE;

/// One step of a history. Which approval it concerns is how many newer ones there are, modulo how many there are at all.
#[derive(Debug, Clone)]
enum Step {
    Open { digest: u8, run: u8, holder: u8, asks: u8, selected: Option<usize>, barred: Option<usize> },
    Leave { which: usize, by: By },
    Rejudge { which: usize, by: By, asks: u8 },
    Vote { which: usize, person: usize, against: bool, any_run: bool },
    Claim { which: usize, by: By, asks: Option<u8> },
    Finish { which: usize, by: By, ending: Ending },
    Resolve { which: usize, ending: Ending },
    Fence { holder: u8 },
    SignIn { person: usize, missed: bool },
    Person { person: usize, teams: u8, suspended: bool },
    Delete { person: usize },
}

/// Whoever keeps the command or has claimed it, or a certain process.
#[derive(Debug, Clone, Copy)]
enum By {
    Right,
    Process(u8),
}

#[derive(Debug, Clone)]
struct Move {
    step: Step,
    later: u64,
    stale: bool,
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![Just(Ending::NotSent), Just(Ending::Answered), Just(Ending::FailedAfterSend)]
}

fn step() -> impl Strategy<Value = Step> {
    let by = || prop_oneof![5 => Just(By::Right), 1 => (0..2u8).prop_map(By::Process)];
    let rarely = proptest::bool::weighted;
    let which = || prop_oneof![3 => 0..3usize, 1 => 0..64usize];
    let named = (proptest::option::weighted(0.15, which()), proptest::option::weighted(0.15, 0..4usize));
    prop_oneof![
        6 => (0..2u8, 0..2u8, 0..2u8, 0..5u8, named)
            .prop_map(|(digest, run, holder, asks, (selected, barred))| Step::Open { digest, run, holder, asks, selected, barred }),
        2 => (which(), by()).prop_map(|(which, by)| Step::Leave { which, by }),
        2 => (which(), by(), 0..6u8).prop_map(|(which, by, asks)| Step::Rejudge { which, by, asks }),
        10 => (which(), 0..4usize, rarely(0.05), rarely(0.1))
            .prop_map(|(which, person, against, any_run)| Step::Vote { which, person, against, any_run }),
        10 => (which(), by(), proptest::option::weighted(0.15, 0..6u8))
            .prop_map(|(which, by, asks)| Step::Claim { which, by, asks }),
        5 => (which(), by(), ending()).prop_map(|(which, by, ending)| Step::Finish { which, by, ending }),
        4 => (which(), ending()).prop_map(|(which, ending)| Step::Resolve { which, ending }),
        3 => (0..2u8).prop_map(|holder| Step::Fence { holder }),
        4 => (0..4usize, rarely(0.7)).prop_map(|(person, missed)| Step::SignIn { person, missed }),
        1 => (0..4usize, prop_oneof![2 => Just(3u8), 1 => 0..4u8], rarely(0.2))
            .prop_map(|(person, teams, suspended)| Step::Person { person, teams, suspended }),
        1 => (0..4usize).prop_map(|person| Step::Delete { person }),
    ]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let later = prop_oneof![12 => 0..1_000u64, 1 => 0..12 * MINUTE];
    let one = (step(), later, proptest::bool::weighted(0.04));
    proptest::collection::vec(one.prop_map(|(step, later, stale)| Move { step, later, stale }), 100..220)
}

/// What a judgement may ask for; 5 is nothing.
fn asked(asks: u8) -> Vec<Requirement> {
    let of = |team: usize, quorum| Requirement {
        expires: std::time::Duration::from_millis(EXPIRES),
        ..requirement(TEAMS[team], quorum)
    };
    match asks {
        0 | 1 => vec![of(0, 1)],
        2 => vec![of(1, 1)],
        3 => vec![of(0, 1), of(1, 1)],
        4 => vec![of(0, 2)],
        _ => vec![],
    }
}

/// What is known of one approval, in the simplest form there is.
#[derive(Debug, Clone)]
struct Told {
    digest: u8,
    run: u8,
    any_run: bool,
    state: &'static str,
    /// Who keeps the command, claimed it or may have sent it.
    process: Option<u8>,
    /// The team, how many of it, and who of them said yes.
    asks: Vec<(usize, u32, BTreeSet<Uid>)>,
    barred: BTreeSet<Uid>,
    opened: u64,
}

/// A person as they are: teams, suspended, last sign-in.
#[derive(Debug, Clone)]
struct Human {
    uid: Uid,
    teams: Vec<usize>,
    suspended: bool,
    signed_in: Option<u64>,
}

/// The account.
#[derive(Debug, Clone)]
struct Account {
    now: u64,
    approvals: BTreeMap<ApprovalId, Told>,
    people: BTreeMap<usize, Human>,
}

fn waits(told: &Told) -> bool {
    matches!(told.state, "pending" | "approved")
}

/// Whether each seat can be taken by somebody else, tried in every way.
fn can_be_seated(seats: &[Vec<Uid>], seated: &BTreeSet<Uid>) -> bool {
    let Some((first, rest)) = seats.split_first() else { return true };
    first.iter().any(|person| {
        let mut seated = seated.clone();
        seated.insert(*person) && can_be_seated(rest, &seated)
    })
}

impl Account {
    fn of(case: &Case) -> Self {
        let now = case.now().0;
        let human = |(uid, teams): (Uid, &[usize])| Human {
            uid,
            teams: teams.to_vec(),
            suspended: false,
            signed_in: Some(now),
        };
        let people = [(ALICE, &[0][..]), (BOB, &[0]), (CAROL, &[0, 1]), (DAVE, &[1])].map(human);
        Self { now, approvals: BTreeMap::new(), people: people.into_iter().enumerate().collect() }
    }

    fn counts(&self, person: Uid, team: usize, told: &Told) -> bool {
        self.people.values().any(|human| {
            let recently = human.signed_in.is_some_and(|at| self.now < at + 15 * MINUTE);
            let may = human.uid == person && !human.suspended && recently;
            may && human.teams.contains(&team) && !told.barred.contains(&person)
        })
    }

    fn is_fulfilled(&self, told: &Told) -> bool {
        let seats: Vec<Vec<Uid>> = told
            .asks
            .iter()
            .flat_map(|(team, quorum, yes)| {
                let voters: Vec<Uid> = yes.iter().copied().filter(|person| self.counts(*person, *team, told)).collect();
                vec![voters; *quorum as usize]
            })
            .collect();
        can_be_seated(&seats, &BTreeSet::new())
    }

    fn settle(&mut self, id: ApprovalId) {
        let state = if self.is_fulfilled(&self.approvals[&id]) { "approved" } else { "pending" };
        self.approvals.get_mut(&id).unwrap().state = state;
    }

    fn end(&mut self, id: ApprovalId, state: &'static str, process: Option<u8>) {
        let told = self.approvals.get_mut(&id).unwrap();
        (told.state, told.process) = (state, process);
    }

    fn pass(&mut self, later: u64) {
        self.now += later;
        let over = self.approvals.iter().filter(|(_, told)| waits(told) && told.opened + EXPIRES <= self.now);
        let over: Vec<ApprovalId> = over.map(|(id, _)| *id).collect();
        over.into_iter().for_each(|id| self.end(id, "expired", None));
    }

    fn ask(&mut self, id: ApprovalId, requirements: &[Requirement]) {
        let told = self.approvals.get_mut(&id).unwrap();
        let before = std::mem::take(&mut told.asks);
        for requirement in requirements {
            let team = TEAMS.iter().position(|team| *team == requirement.team.as_str()).unwrap();
            let same = |(known, quorum, _): &&(usize, u32, _)| (*known, *quorum) == (team, requirement.quorum);
            let yes = before.iter().find(same).map(|(_, _, yes)| yes.clone()).unwrap_or_default();
            told.asks.push((team, requirement.quorum, yes));
        }
        self.settle(id);
    }

    fn asks_of(&self, id: ApprovalId) -> Vec<Requirement> {
        let told = &self.approvals[&id];
        told.asks
            .iter()
            .map(|(team, quorum, _)| {
                let expires = std::time::Duration::from_millis(EXPIRES);
                Requirement { expires, ..requirement(TEAMS[*team], *quorum) }
            })
            .collect()
    }

    fn process(&self, id: ApprovalId, by: By) -> u8 {
        match by {
            By::Right => self.approvals[&id].process.unwrap_or(0),
            By::Process(number) => number,
        }
    }
}

/// What a step must come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// It is made; in which way.
    Made(&'static str),
    /// It is rejected; why.
    Rejected(&'static str),
}
use Expected::{Made, Rejected};

/// What a step is resolved against: the revision it claims, whether that is the current one, and the id that is free.
#[derive(Clone, Copy)]
struct At {
    revision: Revision,
    stale: bool,
    free: ApprovalId,
}

impl Account {
    /// Turns a step into a change, and follows it.
    fn follow(&mut self, case: &Case, one: &Move) -> (Change, Expected) {
        let revision = if one.stale { Revision { epoch: 0, index: 1 } } else { case.state.revision() };
        let at = At { revision, stale: one.stale, free: id(1 << 64 | u128::from(case.index)) };
        // Of those that are claimed or unknown, for what is done to such.
        let in_use = |which: usize| {
            let in_use = self.approvals.iter().filter(|(_, told)| matches!(told.state, "claimed" | "unknown"));
            let in_use: Vec<ApprovalId> = in_use.map(|(id, _)| *id).collect();
            in_use.get(which % in_use.len().max(1)).copied()
        };
        let which = |which: usize| self.approvals.keys().rev().nth(which % self.approvals.len().max(1)).copied();
        let nothing = id(u128::MAX);
        let (change, expected) = match &one.step {
            Step::Open { selected, .. } => {
                let selected = selected.map(|number| which(number).unwrap_or(nothing));
                self.open(case, at, selected, &one.step)
            }
            Step::Fence { holder: process } => {
                let fence = ApprovalChange::Fence { holder: holder((*process).into()) };
                (fence, self.fence(*process))
            }
            Step::SignIn { .. } | Step::Person { .. } | Step::Delete { .. } => return self.people(at, &one.step),
            Step::Leave { which: number, .. }
            | Step::Rejudge { which: number, .. }
            | Step::Vote { which: number, .. }
            | Step::Claim { which: number, .. }
            | Step::Finish { which: number, by: By::Process(_), .. } => match which(*number) {
                Some(id) => self.of_one(at, id, &one.step),
                None => (ApprovalChange::Leave { id: nothing, holder: holder(0) }, Rejected("nothing there")),
            },
            Step::Finish { which: number, by: By::Right, .. } | Step::Resolve { which: number, .. } => {
                match in_use(*number).or_else(|| which(*number)) {
                    Some(id) => self.of_one(at, id, &one.step),
                    None => (ApprovalChange::Leave { id: nothing, holder: holder(0) }, Rejected("nothing there")),
                }
            }
        };
        (Change::Approval(change), expected)
    }

    fn open(&mut self, case: &Case, at: At, selected: Option<ApprovalId>, step: &Step) -> (ApprovalChange, Expected) {
        let Step::Open { digest, run, holder: process, asks, barred, .. } = step else { panic!("{step:?}") };
        let barred: Vec<Uid> = barred.map(|person| PEOPLE[person].1).into_iter().collect();
        let open = OpenApproval {
            id: at.free,
            digest: CommandDigest([*digest; CommandDigest::BYTES]),
            run: run.to_string().into(),
            requirements: asked(*asks),
            revision: at.revision,
            selected,
            holder: holder((*process).into()),
            barred: barred.clone(),
            ..case.held(0)
        };
        let change = ApprovalChange::Open(open);
        if at.stale {
            return (change, Rejected("stale"));
        }
        let fits = |told: &Told| told.digest == *digest && (told.any_run || told.run == *run);
        let found = match selected {
            Some(id) => match self.approvals.get(&id).filter(|told| fits(told)) {
                None => return (change, Rejected("mismatch")),
                Some(told) if !waits(told) => return (change, Rejected("over")),
                Some(told) if told.process.is_some_and(|known| known != *process) => {
                    return (change, Rejected("kept by another"));
                }
                Some(_) => Some(id),
            },
            None => {
                let free =
                    self.approvals.iter().filter(|(_, told)| waits(told) && told.process.is_none() && fits(told));
                free.min_by_key(|(id, told)| (told.state == "pending", told.opened, **id)).map(|(id, _)| *id)
            }
        };
        if let Some(id) = found {
            let told = self.approvals.get_mut(&id).unwrap();
            told.process = Some(*process);
            told.barred.extend(barred);
            self.ask(id, &asked(*asks));
            return (change, Made("taken up"));
        }
        if self.approvals.values().filter(|told| waits(told) && told.run == *run).count() == 5 {
            return (change, Rejected("too many"));
        }
        let told = Told {
            digest: *digest,
            run: *run,
            any_run: false,
            state: "pending",
            process: Some(*process),
            asks: vec![],
            barred: barred.into_iter().collect(),
            opened: self.now,
        };
        self.approvals.insert(at.free, told);
        self.ask(at.free, &asked(*asks));
        (change, Made("opened"))
    }

    fn of_one(&mut self, at: At, id: ApprovalId, step: &Step) -> (ApprovalChange, Expected) {
        let told = self.approvals[&id].clone();
        let revision = at.revision;
        let by = |by: By| (self.process(id, by), holder(self.process(id, by).into()));
        match step {
            Step::Leave { by: who, .. } => {
                let (process, holder) = by(*who);
                if waits(&told) && told.process == Some(process) {
                    self.approvals.get_mut(&id).unwrap().process = None;
                }
                (ApprovalChange::Leave { id, holder }, Made("left"))
            }
            Step::Rejudge { by: who, asks, .. } => {
                let (process, holder) = by(*who);
                let requirements = asked(*asks);
                let expected = self.rejudge(at, id, process, &requirements);
                (ApprovalChange::Rejudge(RejudgeApproval { id, holder, revision, requirements }), expected)
            }
            Step::Vote { person, against, any_run, .. } => {
                let person = self.people.get(person).map_or(PEOPLE[*person].1, |human| human.uid);
                let (choice, any_run) = (if *against { Choice::Deny } else { Choice::Approve }, *any_run);
                let expected = self.vote(at, id, person, (*against, any_run));
                (ApprovalChange::Vote(CastVote { id, person, choice, any_run, revision }), expected)
            }
            Step::Claim { by: who, asks, .. } => {
                let (process, holder) = by(*who);
                let requirements = asks.map_or_else(|| self.asks_of(id), asked);
                let expected = self.claim(at, id, process, &requirements);
                (ApprovalChange::Claim(ClaimApproval { id, holder, revision, requirements }), expected)
            }
            Step::Finish { by: who, ending, .. } => {
                let (process, holder) = by(*who);
                let expected = self.finish(id, process, *ending);
                (ApprovalChange::Finish { id, holder, ending: *ending }, expected)
            }
            Step::Resolve { ending, .. } => {
                let expected = self.resolve(at, id, *ending);
                (ApprovalChange::Resolve { id, ending: *ending, revision }, expected)
            }
            Step::Open { .. }
            | Step::Fence { .. }
            | Step::SignIn { .. }
            | Step::Person { .. }
            | Step::Delete { .. } => panic!("of no approval: {step:?}"),
        }
    }

    fn rejudge(&mut self, at: At, id: ApprovalId, process: u8, requirements: &[Requirement]) -> Expected {
        let told = &self.approvals[&id];
        if at.stale {
            Rejected("stale")
        } else if !waits(told) {
            Rejected("over")
        } else if told.process != Some(process) {
            Rejected("kept by another")
        } else if requirements.is_empty() {
            self.end(id, "voided", None);
            Made("voided")
        } else {
            self.ask(id, requirements);
            Made("rejudged")
        }
    }

    fn vote(&mut self, at: At, id: ApprovalId, person: Uid, (against, any_run): (bool, bool)) -> Expected {
        let told = self.approvals[&id].clone();
        if at.stale {
            return Rejected("stale");
        }
        if !waits(&told) {
            return Rejected("over");
        }
        let says: Vec<bool> = told.asks.iter().map(|(team, ..)| self.counts(person, *team, &told)).collect();
        if !says.contains(&true) {
            return Rejected("no say");
        }
        let told = self.approvals.get_mut(&id).unwrap();
        if against {
            told.asks.iter_mut().zip(says).filter(|(_, says)| *says).for_each(|((_, _, yes), _)| {
                yes.remove(&person);
            });
            self.end(id, "denied", None);
            return Made("denied");
        }
        told.any_run |= any_run;
        for ((_, _, yes), _) in told.asks.iter_mut().zip(says).filter(|(_, says)| *says) {
            yes.insert(person);
        }
        self.settle(id);
        Made("voted")
    }

    fn claim(&mut self, at: At, id: ApprovalId, process: u8, requirements: &[Requirement]) -> Expected {
        let told = &self.approvals[&id];
        if told.state == "claimed" && told.process == Some(process) {
            return Made("claimed again");
        }
        if at.stale {
            return Rejected("stale");
        }
        if !waits(told) {
            return Rejected("over");
        }
        if told.process != Some(process) {
            return Rejected("kept by another");
        }
        if !requirements.is_empty() {
            self.ask(id, requirements);
            if self.approvals[&id].state == "pending" {
                return Made("votes are missing");
            }
        }
        self.end(id, "claimed", Some(process));
        Made("claimed")
    }

    fn finish(&mut self, id: ApprovalId, process: u8, ending: Ending) -> Expected {
        let told = &self.approvals[&id];
        let word = hoop_model::ApprovalState::Done(ending).word();
        match told.state {
            "claimed" | "unknown" if told.process == Some(process) => {
                let was = told.state;
                self.end(id, word, None);
                Made(if was == "unknown" { "found out" } else { "done" })
            }
            "pending" | "approved" if ending == Ending::NotSent => {
                if told.process == Some(process) {
                    self.approvals.get_mut(&id).unwrap().process = None;
                }
                Made("not claimed")
            }
            "denied" | "expired" | "voided" if ending == Ending::NotSent => Made("not claimed"),
            known if known == word => Made("done again"),
            _ => Rejected("not the claimer"),
        }
    }

    fn resolve(&mut self, at: At, id: ApprovalId, ending: Ending) -> Expected {
        let word = hoop_model::ApprovalState::Done(ending).word();
        match self.approvals[&id].state {
            _ if at.stale => Rejected("stale"),
            "unknown" => {
                self.end(id, word, None);
                Made("resolved")
            }
            known if known == word => Made("done again"),
            _ => Rejected("not unknown"),
        }
    }

    fn fence(&mut self, process: u8) -> Expected {
        let mut met = false;
        for told in self.approvals.values_mut().filter(|told| told.process == Some(process)) {
            match told.state {
                "claimed" => {
                    met = true;
                    told.state = "unknown";
                }
                "pending" | "approved" => told.process = None,
                _ => {}
            }
        }
        Made(if met { "unknown" } else { "fenced" })
    }

    /// Somebody whose vote for something that is pending has ceased to count.
    fn missed(&self) -> Option<usize> {
        let lapsed = |human: &Human| {
            self.approvals.values().filter(|told| told.state == "pending").any(|told| {
                let mut asks = told.asks.iter();
                asks.any(|(team, _, yes)| yes.contains(&human.uid) && !self.counts(human.uid, *team, told))
            })
        };
        self.people.iter().find(|(_, human)| !human.suspended && lapsed(human)).map(|(person, _)| *person)
    }

    fn people(&mut self, at: At, step: &Step) -> (Change, Expected) {
        match step {
            Step::SignIn { person, missed } => {
                let person = &self.missed().filter(|_| *missed).unwrap_or(*person);
                let uid = self.people.get(person).map_or(PEOPLE[*person].1, |human| human.uid);
                let change = Change::SignIn { person: uid, revision: at.revision };
                match self.people.get_mut(person) {
                    _ if at.stale => return (change, Rejected("stale")),
                    Some(human) if !human.suspended => human.signed_in = Some(self.now),
                    Some(_) | None => return (change, Rejected("barred")),
                }
                let voted =
                    |told: &Told| told.state == "pending" && told.asks.iter().any(|(.., yes)| yes.contains(&uid));
                let voted: Vec<_> = self.approvals.iter().filter(|(_, told)| voted(told)).map(|(id, _)| *id).collect();
                voted.iter().for_each(|id| self.settle(*id));
                let again = voted.iter().any(|id| self.approvals[id].state == "approved");
                (change, Made(if again { "counts again" } else { "signed in" }))
            }
            Step::Person { person, teams, suspended } => {
                let teams: Vec<usize> = (0..2).filter(|team| teams & (1 << team) != 0).collect();
                let names: Vec<&str> = teams.iter().map(|team| TEAMS[*team]).collect();
                let (name, uid) = (PEOPLE[*person].0, Uid::from_slice(&at.free.to_bytes()).unwrap());
                let spec = Person { suspended: *suspended, ..of_teams(name, &names) };
                let new = NewObject { uid, ..object(name, hoop_model::Spec::Person(spec), 0) };
                let change = apply(at.revision, vec![new]);
                if at.stale {
                    return (change, Rejected("stale"));
                }
                let new = Human { uid, teams: vec![], suspended: false, signed_in: None };
                let human = self.people.entry(*person).or_insert(new);
                (human.teams, human.suspended) = (teams, *suspended);
                (change, Made("person"))
            }
            Step::Delete { person } => {
                let change = delete(at.revision, reference(Kind::Person, PEOPLE[*person].0));
                if at.stale {
                    return (change, Rejected("stale"));
                }
                let gone = self.people.remove(person).is_some();
                (change, if gone { Made("person") } else { Rejected("nothing there") })
            }
            Step::Open { .. }
            | Step::Leave { .. }
            | Step::Rejudge { .. }
            | Step::Vote { .. }
            | Step::Claim { .. }
            | Step::Finish { .. }
            | Step::Resolve { .. }
            | Step::Fence { .. } => panic!("of no person: {step:?}"),
        }
    }
}

/// Where each approval stands, who keeps its command, and who said yes to what.
type Standing = BTreeMap<ApprovalId, (&'static str, Option<Holder>, Vec<BTreeSet<Uid>>)>;

/// What the state says of every approval.
fn said(state: &State) -> Standing {
    let said = state.approvals().map(|approval| {
        let yes = |votes: &[hoop_model::Vote]| {
            let yes = votes.iter().filter(|vote| vote.choice == Choice::Approve);
            yes.map(|vote| vote.person).collect()
        };
        let votes = approval.requirements.iter().map(|required| yes(&required.votes)).collect();
        (approval.id, (approval.state.word(), approval.holder.clone(), votes))
    });
    said.collect()
}

/// What the account says of every approval.
fn told(account: &Account) -> Standing {
    let told = account.approvals.iter().map(|(id, told)| {
        let keeps = told.process.filter(|_| waits(told)).map(|process| holder(process.into()));
        (*id, (told.state, keeps, told.asks.iter().map(|(.., yes)| yes.clone()).collect()))
    });
    told.collect()
}

fn run(test: impl Fn(Vec<Move>) -> Result<(), TestCaseError>) {
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let rng = proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(config, rng);
    runner.run(&moves(), test).unwrap();
}

/// Counts the cases in which something was met, each once.
struct Met(RefCell<BTreeMap<&'static str, u32>>);

impl Met {
    fn case(&self, met: BTreeSet<&'static str>) {
        let mut counts = self.0.borrow_mut();
        met.into_iter().for_each(|what| *counts.entry(what).or_default() += 1);
    }

    fn require(&self, outcomes: &[&str]) {
        let counts = self.0.borrow();
        for outcome in outcomes {
            let met = counts.get(outcome).copied().unwrap_or(0);
            assert!(met * 10 >= CASES, "`{outcome}` was met in {met} of {CASES} cases only: {counts:?}");
        }
    }
}

#[test]
fn what_becomes_of_approvals_is_what_their_histories_say() {
    let met = Met(RefCell::default());
    run(|moves| {
        let mut case = Case::without_snapshots();
        let mut account = Account::of(&case);
        let mut here = BTreeSet::new();
        for one in &moves {
            let before = told(&account);
            account.pass(one.later);
            let (change, expected) = account.follow(&case, one);
            let (reply, _) = case.take(proposal(account.now, change));
            let is_made = !matches!(reply, Reply::Rejected(_));
            prop_assert_eq!(is_made, matches!(expected, Made(_)), "{:?}: {:?}", one, &reply);
            prop_assert_eq!(said(&case.state), told(&account), "{:?} {:?}", one, expected);
            let (Made(how) | Rejected(how)) = expected;
            here.insert(how);
            let moved = told(&account).into_iter().filter(|(id, now)| before.get(id) != Some(now));
            here.extend(moved.map(|(_, (state, ..))| state));
        }
        met.case(here);
        Ok(())
    });
    met.require(&[
        "approved",
        "barred",
        "claimed",
        "claimed again",
        "counts again",
        "denied",
        "done",
        "done again",
        "expired",
        "found out",
        "kept by another",
        "left",
        "mismatch",
        "no say",
        "not claimed",
        "not the claimer",
        "nothing there",
        "opened",
        "over",
        "rejudged",
        "resolved",
        "stale",
        "taken up",
        "too many",
        "unknown",
        "voided",
        "votes are missing",
    ]);
}

/// I9: whatever happens, an approval is claimed at most once, and only out of waiting; what is over stays over.
#[test]
fn i9_an_approval_is_claimed_at_most_once_ever() {
    let met = Met(RefCell::default());
    run(|moves| {
        let mut case = Case::without_snapshots();
        let mut account = Account::of(&case);
        let (mut claims, mut here) = (BTreeMap::<ApprovalId, u32>::new(), BTreeSet::new());
        for one in &moves {
            account.pass(one.later);
            let (change, _) = account.follow(&case, one);
            let before = case.state.clone();
            let (reply, changed) = case.take(proposal(account.now, change.clone()));
            for now in case.state.approvals() {
                let was = before.approval(now.id).map(|was| was.state.clone());
                let Some(was) = was.filter(|was| *was != now.state) else { continue };
                here.insert(now.state.word());
                if let hoop_model::ApprovalState::Claimed(claim) = &now.state {
                    *claims.entry(now.id).or_default() += 1;
                    prop_assert!(was.is_waiting());
                    prop_assert!(claim.revision == case.state.revision() && claim.at == case.now());
                    prop_assert!(
                        matches!(&change, Change::Approval(ApprovalChange::Claim(c)) if c.holder == claim.holder)
                    );
                }
                prop_assert!(!was.is_final(), "{:?} became {:?}", was, now.state);
                let spent = matches!(was.word(), "claimed" | "unknown");
                prop_assert!(!spent || !now.state.is_waiting(), "{:?} became {:?}", was, now.state);
            }
            prop_assert!(claims.values().all(|times| *times == 1));
            // A claimer is told so only of what it has.
            if let (Reply::Approval(told), Change::Approval(ApprovalChange::Claim(claim))) = (&reply, &change)
                && let hoop_model::ApprovalState::Claimed(known) = &told.state
            {
                prop_assert!(known.holder == claim.holder && told.id == claim.id);
            }
            // Whoever is told of is whoever changed.
            let differs = case.state.approvals().filter(|now| before.approval(now.id) != Some(now));
            prop_assert_eq!(differs.map(|now| now.id).collect::<BTreeSet<_>>(), changed.into_iter().collect());
        }
        met.case(here);
        Ok(())
    });
    met.require(&["approved", "claimed", "denied", "expired", "pending", "unknown", "voided"]);
}

/// Two replicas, one of them replaced by a snapshot of itself after every step, with keys that come again.
#[test]
fn replicas_agree_on_approvals() {
    let met = Met(RefCell::default());
    run(|moves| {
        let mut case = Case::without_snapshots();
        let mut account = Account::of(&case);
        let mut second = restored(&case.state);
        let (mut here, mut last) = (BTreeSet::new(), None);
        for (number, one) in moves.iter().enumerate() {
            account.pass(one.later);
            let (change, _) = account.follow(&case, one);
            let mut key = [0; 16];
            key[..8].copy_from_slice(&number.to_be_bytes());
            let proposal = Proposal { key: Some(IdempotencyKey(key)), ..proposal(account.now, change) };
            let (reply, _) = case.take(proposal.clone());
            let (same, _) = second.apply(case.index, proposal.clone());
            prop_assert_eq!(&same, &reply);
            prop_assert_eq!(&second, &case.state);
            second = restored(&second);
            // What was asked before and made is answered as it was, and changes nothing; but for a claim, which says
            // what is.
            let is_claim = matches!(proposal.change, Change::Approval(ApprovalChange::Claim(_)));
            let is_remembered = !is_claim && !matches!(reply, Reply::Rejected(_));
            if let Some((known, answer)) = std::mem::replace(&mut last, is_remembered.then_some((proposal, reply))) {
                let before = case.state.clone();
                prop_assert_eq!(case.take(known), (answer, vec![]));
                prop_assert_eq!(&case.state, &before);
                here.insert("repeated");
            }
        }
        met.case(here);
        Ok(())
    });
    met.require(&["repeated"]);
}
