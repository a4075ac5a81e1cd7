//! Held commands and the people who release them, in few words.

use super::support::*;
use crate::*;
use hoop_model::spec::{ClaimCondition, Person};
use hoop_model::{
    Approval, ApprovalId, ApprovalState, Choice, CommandDigest, ContentHash, Effect, Ending, Holder, Incarnation, Kind,
    PolicyRef, Requirement, SessionId, Spec, Target, Uid, UnixMillis,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(super) const MINUTE: u64 = 60_000;

/// On call.
pub(super) const ALICE: Uid = Uid::mint(0xa);
/// On call.
pub(super) const BOB: Uid = Uid::mint(0xb);
/// On call, and a database administrator.
pub(super) const CAROL: Uid = Uid::mint(0xc);
/// A database administrator.
pub(super) const DAVE: Uid = Uid::mint(0xd);

pub(crate) fn person(name: &str, teams: &[&str]) -> Spec {
    Spec::Person(of_teams(name, teams))
}

pub(super) fn of_teams(text: &str, teams: &[&str]) -> Person {
    Person {
        issuer: name("idp"),
        claims: BTreeMap::from([("sub".into(), ClaimCondition::Equals(text.into()))]),
        teams: teams.iter().map(|team| name(team)).collect(),
        suspended: false,
    }
}

pub(super) fn id(number: u128) -> ApprovalId {
    ApprovalId::mint(number)
}

pub(super) fn holder(incarnation: u128) -> Holder {
    Holder { node: name("edge"), incarnation: Incarnation::mint(incarnation) }
}

pub(super) fn requirement(team: &str, quorum: u32) -> Requirement {
    let policy =
        PolicyRef { statement: format!("holds/{team}").into(), uid: Uid::mint(7), hash: hash(7), message: None };
    Requirement { policy, team: name(team), quorum, expires: Duration::from_secs(30 * 60) }
}

fn hash(byte: u8) -> ContentHash {
    ContentHash([byte; 32])
}

/// A cluster with people who have just signed in.
pub(super) struct Case {
    pub(super) state: State,
    pub(super) index: u64,
    /// Whether to see after every change that what a snapshot holds of the state is the whole of it.
    snapshots: bool,
}

impl Case {
    pub(super) fn begun() -> Self {
        let mut case = Self { state: born(), index: 1, snapshots: true };
        let people = [("alice", ALICE), ("bob", BOB), ("carol", CAROL), ("dave", DAVE)];
        let teams = [vec!["on-call"], vec!["on-call"], vec!["on-call", "dba"], vec!["dba"]];
        let mut objects = vec![object("idp", issuer("https://idp.test"), 1)];
        objects.extend(
            people
                .iter()
                .zip(&teams)
                .map(|((name, uid), teams)| NewObject { uid: *uid, ..object(name, person(name, teams), 0) }),
        );
        case.objects(objects);
        for (_, person) in people {
            case.sign_in(person);
        }
        case
    }

    pub(super) fn without_snapshots() -> Self {
        Self { snapshots: false, ..Self::begun() }
    }

    /// Proposes a change at the time there is, and returns whose approvals changed.
    pub(super) fn propose(&mut self, change: Change) -> (Reply, Vec<ApprovalId>) {
        self.take(proposal(0, change))
    }

    pub(super) fn take(&mut self, proposal: Proposal) -> (Reply, Vec<ApprovalId>) {
        self.index += 1;
        let (reply, notices) = self.state.apply(self.index, proposal);
        assert!(!self.snapshots || restored(&self.state) == self.state, "a snapshot is the state");
        let changed = notices.into_iter().filter_map(|notice| match notice {
            Notice::ApprovalChanged { id } => Some(id),
            Notice::RevisionMoved { .. }
            | Notice::NodeJoined { .. }
            | Notice::NodeRemoved { .. }
            | Notice::EvidenceLogged { .. } => None,
        });
        (reply, changed.collect())
    }

    pub(super) fn later(&mut self, millis: u64) -> Vec<ApprovalId> {
        let time = self.state.log_time().0 + millis;
        self.take(proposal(time, Change::Tick)).1
    }

    /// Proposes a change of an approval and expects that it is made.
    pub(super) fn change(&mut self, change: ApprovalChange) -> Approval {
        let (reply, _) = self.propose(Change::Approval(change));
        let Reply::Approval(approval) = reply else { panic!("{reply:?}") };
        *approval
    }

    /// Proposes a change of an approval and expects that it is rejected.
    pub(super) fn refuse(&mut self, change: ApprovalChange) -> Rejection {
        self.reject(Change::Approval(change))
    }

    pub(super) fn reject(&mut self, change: Change) -> Rejection {
        let before = self.state.clone();
        let (reply, changed) = self.propose(change);
        assert_eq!((&self.state, changed), (&before, vec![]), "a rejection changed something");
        let Reply::Rejected(rejection) = reply else { panic!("{reply:?}") };
        rejection
    }

    pub(super) fn objects(&mut self, objects: Vec<NewObject>) {
        let reply = self.propose(apply(self.state.revision(), objects)).0;
        assert!(matches!(reply, Reply::Applied { .. }), "{reply:?}");
    }

    pub(super) fn put_person(&mut self, name: &str, person: Person) {
        self.objects(vec![object(name, Spec::Person(person), 0)]);
    }

    pub(super) fn delete_person(&mut self, name: &str) {
        let reply = self.propose(delete(self.state.revision(), reference(Kind::Person, name))).0;
        assert!(matches!(reply, Reply::Done { .. }), "{reply:?}");
    }

    pub(super) fn sign_in(&mut self, person: Uid) -> Vec<ApprovalId> {
        let (reply, changed) = self.propose(Change::SignIn { person, revision: self.state.revision() });
        assert!(matches!(reply, Reply::Done { .. }), "{reply:?}");
        changed
    }

    /// A command that the process 1 keeps and one person on call must release.
    pub(super) fn held(&self, number: u128) -> OpenApproval {
        OpenApproval {
            id: id(number),
            digest: CommandDigest([1; CommandDigest::BYTES]),
            identity: Uid::mint(20),
            connection: Uid::mint(21),
            run: "run".into(),
            session: SessionId::mint(22),
            effects: Arc::new([Effect { action: "http:PATCH".into(), target: Target::Connection }]),
            requirements: vec![requirement("on-call", 1)],
            revision: self.state.revision(),
            selected: None,
            holder: holder(1),
            barred: vec![],
            review_sealed: vec![1, 2, 3],
        }
    }

    /// Opens it, and returns the id of what was opened or taken up.
    pub(super) fn open(&mut self, open: OpenApproval) -> ApprovalId {
        self.change(ApprovalChange::Open(open)).id
    }

    pub(super) fn opened(&mut self, number: u128, requirements: &[Requirement]) -> ApprovalId {
        let requirements = requirements.to_vec();
        let digest = CommandDigest([number.to_be_bytes()[15]; CommandDigest::BYTES]);
        self.open(OpenApproval { requirements, digest, ..self.held(number) })
    }

    /// Opens one and has it approved.
    pub(super) fn approved(&mut self, number: u128) -> ApprovalId {
        let id = self.opened(number, &[requirement("on-call", 1)]);
        assert_eq!(self.approve(ALICE, id), "approved");
        id
    }

    pub(super) fn cast(&self, person: Uid, id: ApprovalId, choice: Choice) -> ApprovalChange {
        let revision = self.state.revision();
        ApprovalChange::Vote(CastVote { id, person, choice, any_run: false, revision })
    }

    pub(super) fn approve(&mut self, person: Uid, id: ApprovalId) -> &'static str {
        self.change(self.cast(person, id, Choice::Approve)).state.word()
    }

    pub(super) fn deny(&mut self, person: Uid, id: ApprovalId) -> &'static str {
        self.change(self.cast(person, id, Choice::Deny)).state.word()
    }

    /// The claim of the process 1, for what the approval asks for.
    pub(super) fn claiming(&self, id: ApprovalId) -> ApprovalChange {
        let asked = &self.state.approval(id).unwrap().requirements;
        let requirements = asked.iter().map(|required| required.requirement.clone()).collect();
        let revision = self.state.revision();
        ApprovalChange::Claim(ClaimApproval { id, holder: holder(1), revision, requirements })
    }

    pub(super) fn claim(&mut self, id: ApprovalId) -> &'static str {
        self.change(self.claiming(id)).state.word()
    }

    pub(super) fn finishing(id: ApprovalId, incarnation: u128, ending: Ending) -> ApprovalChange {
        ApprovalChange::Finish { id, holder: holder(incarnation), ending }
    }

    pub(super) fn resolving(&self, id: ApprovalId, ending: Ending) -> ApprovalChange {
        ApprovalChange::Resolve { id, ending, revision: self.state.revision() }
    }

    pub(super) fn rejudging(&self, id: ApprovalId, requirements: &[Requirement]) -> ApprovalChange {
        let (requirements, revision) = (requirements.to_vec(), self.state.revision());
        ApprovalChange::Rejudge(RejudgeApproval { id, holder: holder(1), revision, requirements })
    }

    pub(super) fn leave(&mut self, id: ApprovalId) {
        self.change(ApprovalChange::Leave { id, holder: holder(1) });
    }

    pub(super) fn fence(&mut self, incarnation: u128) -> Vec<ApprovalId> {
        let fence = ApprovalChange::Fence { holder: holder(incarnation) };
        let (reply, changed) = self.propose(Change::Approval(fence));
        assert!(matches!(reply, Reply::Done { .. }), "{reply:?}");
        changed
    }

    pub(super) fn state_of(&self, id: ApprovalId) -> &ApprovalState {
        &self.state.approval(id).unwrap().state
    }

    pub(super) fn word(&self, id: ApprovalId) -> &'static str {
        self.state_of(id).word()
    }

    pub(super) fn now(&self) -> UnixMillis {
        self.state.log_time()
    }
}
