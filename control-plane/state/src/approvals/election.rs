//! Whose vote counts, and voting.

use super::store::end;
use super::{CastVote, check_waits};
use crate::apply::Made;
use crate::{Notice, Rejection, Reply, State};
use hoop_model::spec::Person;
use hoop_model::{Approval, ApprovalState, Choice, Object, Required, Revision, Spec, Uid, UnixMillis, Vote};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long after a sign-in a person's membership of teams counts, in log time.
pub const MEMBERSHIP_COUNTS_FOR: Duration = Duration::from_secs(15 * 60);

/// The people as they are at one moment.
#[derive(Debug)]
pub struct Electorate<'a> {
    people: BTreeMap<Uid, &'a Person>,
    sign_ins: &'a BTreeMap<Uid, UnixMillis>,
    now: UnixMillis,
}

impl Electorate<'_> {
    /// Returns of each requirement of an approval, in order, whether this person's vote on it counts; none does on an
    /// approval that waits for none. Whether policy lets them vote is not known here.
    #[must_use]
    pub fn may_vote(&self, person: Uid, approval: &Approval) -> Vec<bool> {
        let waits = approval.state.is_waiting();
        approval.requirements.iter().map(|required| waits && self.counts(person, required, approval)).collect()
    }

    /// Returns whether a vote of this person counts for a requirement of an approval.
    pub(super) fn counts(&self, person: Uid, required: &Required, approval: &Approval) -> bool {
        let is_member = self.people.get(&person).is_some_and(|p| p.teams.contains(&required.requirement.team));
        is_member && self.check(person).is_ok() && !approval.barred.contains(&person)
    }

    /// Checks that somebody may vote at all.
    fn check(&self, person: Uid) -> Result<(), Rejection> {
        match self.people.get(&person) {
            None => Err(Rejection::PersonUnknown),
            Some(found) if found.suspended => Err(Rejection::PersonSuspended),
            Some(_) if !self.is_signed_in(person) => Err(Rejection::NotSignedIn),
            Some(_) => Ok(()),
        }
    }

    fn is_signed_in(&self, person: Uid) -> bool {
        self.sign_ins.get(&person).is_some_and(|at| at.after(MEMBERSHIP_COUNTS_FOR) > self.now)
    }
}

impl State {
    /// Returns the people as they are: whose votes count, and on what.
    #[must_use]
    pub fn electorate(&self) -> Electorate<'_> {
        let people = self.objects().filter_map(|object| Some((object.metadata.uid, person_of(object)?)));
        Electorate { people: people.collect(), sign_ins: &self.sign_ins, now: self.log_time }
    }

    /// One person's say on everything they have a say on. One against is enough, and wins at once.
    pub(super) fn vote(&mut self, cast: &CastVote) -> Made {
        self.check_judged(cast.revision)?;
        self.with(cast.id, |approval, state| {
            check_waits(approval)?;
            let electorate = state.electorate();
            electorate.check(cast.person)?;
            let may_vote = electorate.may_vote(cast.person, approval);
            if !may_vote.contains(&true) {
                return Err(Rejection::MayNotVote);
            }
            let on = approval.requirements.iter_mut().zip(may_vote).filter(|(_, may_vote)| *may_vote);
            for (required, _) in on {
                required.votes.retain(|vote| vote.person != cast.person);
                required.votes.push(Vote { person: cast.person, choice: cast.choice, at: state.log_time });
            }
            match cast.choice {
                Choice::Deny => end(approval, ApprovalState::Denied, state.log_time),
                Choice::Approve => {
                    approval.any_run |= cast.any_run;
                    state.settle(approval, &electorate);
                }
            }
            Ok(())
        })
    }

    /// Notes that a person signed in. Votes of theirs that had ceased to count do so again.
    pub(crate) fn sign_in(&mut self, person: Uid, revision: Revision) -> Made {
        self.check_judged(revision)?;
        let found = self.objects().filter(|object| object.metadata.uid == person).find_map(|object| person_of(object));
        if found.ok_or(Rejection::PersonUnknown)?.suspended {
            return Err(Rejection::PersonSuspended);
        }
        Arc::make_mut(&mut self.sign_ins).insert(person, self.log_time);
        let settled = self.settled_anew(person);
        let notices: Vec<Notice> = settled.into_iter().flat_map(|approval| self.put(approval).1).collect();
        Ok((Reply::Done { revision: self.revision }, notices))
    }

    /// Forgets the sign-in of a Person that is no more, or that other tokens stand for from here on.
    pub(crate) fn follow_person(&mut self, before: &Object, after: Option<&Object>) {
        let (Some(was), is) = (person_of(before), after.and_then(person_of)) else { return };
        let stays = is.is_some_and(|is| is.issuer == was.issuer && is.claims == was.claims);
        if !stays && self.sign_ins.contains_key(&before.metadata.uid) {
            Arc::make_mut(&mut self.sign_ins).remove(&before.metadata.uid);
        }
    }

    fn settled_anew(&self, person: Uid) -> Vec<Approval> {
        let has_voted = |approval: &&Arc<Approval>| {
            let mut votes = approval.requirements.iter().flat_map(|required| &required.votes);
            approval.state == ApprovalState::Pending && votes.any(|vote| vote.person == person)
        };
        let electorate = self.electorate();
        let settled = self.approvals.waiting().filter(has_voted).map(|approval| {
            let mut approval = approval.as_ref().clone();
            self.settle(&mut approval, &electorate);
            approval
        });
        settled.collect()
    }
}

fn person_of(object: &Object) -> Option<&Person> {
    let Spec::Person(person) = &object.spec else { return None };
    Some(person)
}
