//! What is asked of approvals. Left out is what differs in a repeat: the id and the sealing, which are drawn; who is
//! barred and the revision at which a person was found entitled, which are looked up.

use super::Hash;
use crate::{ApprovalChange, CastVote, ClaimApproval, OpenApproval, RejudgeApproval};
use hoop_model::{ApprovalId, Choice, Effect, Ending, Holder, PolicyRef, Requirement, ResourceName, Revision, Target};

impl Hash {
    pub(super) fn approval(&mut self, change: &ApprovalChange) {
        self.number(9);
        match change {
            ApprovalChange::Open(open) => self.open(open),
            ApprovalChange::Leave { id, holder } => {
                self.number(2);
                self.approval_id(*id);
                self.holder(holder);
            }
            ApprovalChange::Rejudge(RejudgeApproval { id, holder, revision, requirements }) => {
                self.number(3);
                self.judged(*id, holder, *revision, requirements);
            }
            ApprovalChange::Vote(CastVote { id, person, choice, any_run, revision: _ }) => {
                self.number(4);
                self.approval_id(*id);
                self.bytes(&person.to_bytes());
                self.number(match choice {
                    Choice::Approve => 1,
                    Choice::Deny => 2,
                });
                self.number(u64::from(*any_run));
            }
            ApprovalChange::Claim(ClaimApproval { id, holder, revision, requirements }) => {
                self.number(5);
                self.judged(*id, holder, *revision, requirements);
            }
            ApprovalChange::Finish { id, holder, ending } => {
                self.number(6);
                self.approval_id(*id);
                self.holder(holder);
                self.ending(*ending);
            }
            ApprovalChange::Resolve { id, ending, revision: _ } => {
                self.number(7);
                self.approval_id(*id);
                self.ending(*ending);
            }
            ApprovalChange::Fence { holder } => {
                self.number(8);
                self.holder(holder);
            }
        }
    }

    fn open(&mut self, open: &OpenApproval) {
        let OpenApproval {
            id: _,
            digest,
            identity,
            connection,
            run,
            session,
            effects,
            requirements,
            revision,
            selected,
            holder,
            barred: _,
            review_sealed: _,
        } = open;
        self.number(1);
        self.bytes(&digest.0);
        self.bytes(&identity.to_bytes());
        self.bytes(&connection.to_bytes());
        self.text(run);
        self.bytes(&session.to_bytes());
        self.list(effects.iter(), |hash, Effect { action, target }| {
            hash.text(action);
            hash.optional(route(target), Self::name);
        });
        self.list(requirements.iter(), Self::requirement);
        self.revision(*revision);
        self.optional(*selected, Self::approval_id);
        self.holder(holder);
    }

    fn judged(&mut self, id: ApprovalId, holder: &Holder, revision: Revision, requirements: &[Requirement]) {
        self.approval_id(id);
        self.holder(holder);
        self.revision(revision);
        self.list(requirements.iter(), Self::requirement);
    }

    fn requirement(&mut self, requirement: &Requirement) {
        let Requirement { policy: PolicyRef { statement, uid, hash, message }, team, quorum, expires } = requirement;
        self.text(statement);
        self.bytes(&uid.to_bytes());
        self.bytes(&hash.0);
        self.optional(message.as_deref(), Self::text);
        self.name(team);
        self.number(u64::from(*quorum));
        self.millis(*expires);
    }

    fn approval_id(&mut self, id: ApprovalId) {
        self.bytes(&id.to_bytes());
    }

    fn holder(&mut self, Holder { node, incarnation }: &Holder) {
        self.incarnation(node, *incarnation);
    }

    fn ending(&mut self, ending: Ending) {
        self.number(match ending {
            Ending::NotSent => 1,
            Ending::Answered => 2,
            Ending::FailedAfterSend => 3,
        });
    }
}

const fn route(target: &Target) -> Option<&ResourceName> {
    match target {
        Target::Connection => None,
        Target::Route(route) => Some(route),
    }
}

#[cfg(test)]
mod tests {
    use super::super::of;
    use super::*;
    use crate::Change;
    use hoop_model::{CommandDigest, ContentHash, Incarnation, SessionId, Uid};
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::time::Duration;

    const HOLDER: u128 = 3;

    fn name(text: &str) -> ResourceName {
        ResourceName::parse(text).unwrap()
    }

    fn id(number: u128) -> ApprovalId {
        ApprovalId::mint(number)
    }

    fn holder(incarnation: u128) -> Holder {
        Holder { node: name("edge"), incarnation: Incarnation::mint(incarnation) }
    }

    fn at(index: u64) -> Revision {
        Revision { epoch: 1, index }
    }

    fn requirement() -> Requirement {
        let (statement, message) = ("holds/a".into(), Some("why".into()));
        let policy = PolicyRef { statement, uid: Uid::mint(4), hash: ContentHash([5; 32]), message };
        Requirement { policy, team: name("on-call"), quorum: 2, expires: Duration::from_secs(60) }
    }

    fn open() -> OpenApproval {
        OpenApproval {
            id: id(1),
            digest: CommandDigest([2; CommandDigest::BYTES]),
            identity: Uid::mint(6),
            connection: Uid::mint(7),
            run: "run".into(),
            session: SessionId::mint(8),
            effects: Arc::new([Effect { action: "http:GET".into(), target: Target::Connection }]),
            requirements: vec![requirement()],
            revision: at(9),
            selected: None,
            holder: holder(HOLDER),
            barred: vec![],
            review_sealed: vec![1],
        }
    }

    fn rejudge() -> RejudgeApproval {
        RejudgeApproval { id: id(1), holder: holder(HOLDER), revision: at(9), requirements: vec![requirement()] }
    }

    fn claim() -> ClaimApproval {
        ClaimApproval { id: id(1), holder: holder(HOLDER), revision: at(9), requirements: vec![requirement()] }
    }

    fn vote() -> CastVote {
        let (person, choice) = (Uid::mint(10), Choice::Approve);
        CastVote { id: id(1), person, choice, any_run: false, revision: at(9) }
    }

    fn finish(ending: Ending) -> ApprovalChange {
        ApprovalChange::Finish { id: id(1), holder: holder(HOLDER), ending }
    }

    fn resolve(ending: Ending) -> ApprovalChange {
        ApprovalChange::Resolve { id: id(1), ending, revision: at(9) }
    }

    fn hash(change: ApprovalChange) -> ContentHash {
        of(&Change::Approval(change))
    }

    #[test]
    fn hashes_of_cluster_version_1_are_frozen() {
        let changes = [
            (ApprovalChange::Open(open()), "ddc14eca57175d7a"),
            (ApprovalChange::Leave { id: id(1), holder: holder(HOLDER) }, "0f281326f485079f"),
            (ApprovalChange::Rejudge(rejudge()), "eb69628145b34e2c"),
            (ApprovalChange::Vote(vote()), "ab5c119143fd2f34"),
            (ApprovalChange::Claim(claim()), "7cdd6ed4980b4ee8"),
            (finish(Ending::Answered), "cc97c4c6bdb46ffd"),
            (resolve(Ending::Answered), "d89c9132fb0541ed"),
            (ApprovalChange::Fence { holder: holder(HOLDER) }, "9f8467e915ea92c0"),
        ];
        let (changes, mut frozen): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
        frozen.push("b8437039d2fef08e");
        let sign_in = of(&Change::SignIn { person: Uid::mint(10), revision: at(9) });
        let found = changes.into_iter().map(hash).chain([sign_in]).map(|hash| hash.to_string());
        let heads: Vec<String> = found.filter_map(|hash| hash.get(..16).map(str::to_owned)).collect();
        assert_eq!(heads, frozen);
    }

    /// Every one of these asks for something else.
    #[test]
    fn everything_that_is_asked_of_approvals_is_hashed() {
        let opened = |change: &dyn Fn(&mut OpenApproval)| {
            let mut open = open();
            change(&mut open);
            ApprovalChange::Open(open)
        };
        let asked = |change: &dyn Fn(&mut Requirement)| {
            let mut requirement = requirement();
            change(&mut requirement);
            ApprovalChange::Rejudge(RejudgeApproval { requirements: vec![requirement], ..rejudge() })
        };
        let effect = |action: &'static str, route: Option<&str>| {
            let target = route.map_or(Target::Connection, |route| Target::Route(name(route)));
            Effect { action: action.into(), target }
        };
        let elsewhere = Holder { node: name("other"), ..holder(HOLDER) };
        let changes = vec![
            opened(&|_| {}),
            opened(&|open| open.digest.0[32] = 0),
            opened(&|open| open.identity = Uid::mint(0)),
            opened(&|open| open.connection = Uid::mint(0)),
            opened(&|open| open.run = "other".into()),
            opened(&|open| open.session = SessionId::mint(0)),
            opened(&|open| open.effects = Arc::new([])),
            opened(&|open| open.effects = Arc::new([effect("http:PUT", None)])),
            opened(&|open| open.effects = Arc::new([effect("http:GET", Some("a"))])),
            opened(&|open| open.effects = Arc::new([effect("http:GET", Some("b"))])),
            opened(&|open| open.requirements.clear()),
            opened(&|open| open.requirements.push(requirement())),
            opened(&|open| open.revision = at(10)),
            opened(&|open| open.revision.epoch = 2),
            opened(&|open| open.selected = Some(id(1))),
            opened(&|open| open.selected = Some(id(2))),
            opened(&|open| open.holder = holder(0)),
            opened(&|open| open.holder = elsewhere.clone()),
            ApprovalChange::Leave { id: id(1), holder: holder(HOLDER) },
            ApprovalChange::Leave { id: id(2), holder: holder(HOLDER) },
            ApprovalChange::Leave { id: id(1), holder: elsewhere.clone() },
            asked(&|_| {}),
            asked(&|requirement| requirement.policy.statement = "holds/b".into()),
            asked(&|requirement| requirement.policy.uid = Uid::mint(0)),
            asked(&|requirement| requirement.policy.hash.0[31] = 0),
            asked(&|requirement| requirement.policy.message = None),
            asked(&|requirement| requirement.team = name("dba")),
            asked(&|requirement| requirement.quorum = 3),
            asked(&|requirement| requirement.expires = Duration::from_secs(61)),
            ApprovalChange::Rejudge(RejudgeApproval { id: id(2), ..rejudge() }),
            ApprovalChange::Rejudge(RejudgeApproval { holder: elsewhere.clone(), ..rejudge() }),
            ApprovalChange::Rejudge(RejudgeApproval { revision: at(10), ..rejudge() }),
            ApprovalChange::Rejudge(RejudgeApproval { requirements: vec![], ..rejudge() }),
            ApprovalChange::Claim(claim()),
            ApprovalChange::Claim(ClaimApproval { id: id(2), ..claim() }),
            ApprovalChange::Claim(ClaimApproval { holder: elsewhere.clone(), ..claim() }),
            ApprovalChange::Claim(ClaimApproval { revision: at(10), ..claim() }),
            ApprovalChange::Claim(ClaimApproval { requirements: vec![], ..claim() }),
            ApprovalChange::Vote(vote()),
            ApprovalChange::Vote(CastVote { id: id(2), ..vote() }),
            ApprovalChange::Vote(CastVote { person: Uid::mint(0), ..vote() }),
            ApprovalChange::Vote(CastVote { choice: Choice::Deny, ..vote() }),
            ApprovalChange::Vote(CastVote { any_run: true, ..vote() }),
            finish(Ending::NotSent),
            finish(Ending::Answered),
            finish(Ending::FailedAfterSend),
            ApprovalChange::Finish { id: id(2), holder: holder(HOLDER), ending: Ending::NotSent },
            ApprovalChange::Finish { id: id(1), holder: elsewhere.clone(), ending: Ending::NotSent },
            resolve(Ending::NotSent),
            resolve(Ending::Answered),
            ApprovalChange::Resolve { id: id(2), ending: Ending::NotSent, revision: at(9) },
            ApprovalChange::Fence { holder: holder(HOLDER) },
            ApprovalChange::Fence { holder: elsewhere },
        ];
        let number = changes.len();
        let hashes: BTreeSet<ContentHash> = changes.into_iter().map(hash).collect();
        assert_eq!(hashes.len(), number);
    }

    #[test]
    fn what_the_proposer_draws_and_looks_up_is_left_out() {
        let barred = vec![Uid::mint(1)];
        let again = OpenApproval { id: id(2), barred, review_sealed: vec![9], ..open() };
        assert_eq!(hash(ApprovalChange::Open(open())), hash(ApprovalChange::Open(again)));
        let again = CastVote { revision: at(10), ..vote() };
        assert_eq!(hash(ApprovalChange::Vote(vote())), hash(ApprovalChange::Vote(again)));
        let again = ApprovalChange::Resolve { id: id(1), ending: Ending::NotSent, revision: at(10) };
        assert_eq!(hash(resolve(Ending::NotSent)), hash(again));
        let sign_in = |person, index| of(&Change::SignIn { person: Uid::mint(person), revision: at(index) });
        assert_eq!(sign_in(1, 1), sign_in(1, 2));
        assert_ne!(sign_in(1, 1), sign_in(2, 1));
    }
}
