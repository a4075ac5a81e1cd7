//! Applying a proposal: log time, then memory, then the change itself.

use crate::state::FIRST_EPOCH;
use crate::{
    ApprovalChange, Bootstrap, Change, IdempotencyKey, Notice, Proposal, Rejection, Remembered, Reply, State,
    fingerprint,
};
use hoop_model::Revision;
use std::sync::Arc;

impl State {
    /// Applies one proposal from the log entry `index`. Total and deterministic: every input yields a reply, and the
    /// same inputs yield the same state. One entry may carry several proposals; only one of them can move the revision.
    ///
    /// A rejection changes nothing but the log time and what time expires, so it is not remembered either: the same
    /// request under the same key is judged afresh.
    pub fn apply(&mut self, index: u64, proposal: Proposal) -> (Reply, Vec<Notice>) {
        let Proposal { time, key, caller, change } = proposal;
        self.log_time = self.log_time.max(time);
        self.memory.forget_before(self.log_time);
        self.joining.pass_time(self.log_time);
        let mut notices = self.pass_approval_time();
        let (reply, more) = self.answer(index, key, caller, change);
        notices.extend(more);
        (reply, notices)
    }

    fn answer(
        &mut self,
        index: u64,
        key: Option<IdempotencyKey>,
        caller: Box<str>,
        change: Change,
    ) -> (Reply, Vec<Notice>) {
        // What once was claimed may be unknown by now: who claims is told what is, and not what was.
        let is_claim = matches!(change, Change::Approval(ApprovalChange::Claim(_)));
        let Some(key) = key.filter(|_| !is_claim) else { return replied(self.change(index, change)) };
        let request = fingerprint::of(&change);
        match self.memory.recall(&caller, key) {
            Some(known) if known.request == request => return (known.reply.clone(), Vec::new()),
            Some(_) => return replied(Err(Rejection::KeyReused)),
            None if !self.memory.has_room_for(&caller) => return replied(Err(Rejection::TooManyKeys)),
            None => {}
        }
        let made = self.change(index, change);
        if let Ok((reply, _)) = &made {
            self.memory.put(caller, key, Remembered { request, reply: reply.clone(), at: self.log_time });
        }
        replied(made)
    }

    fn change(&mut self, index: u64, change: Change) -> Made {
        if self.birth.is_none() && !matches!(change, Change::Bootstrap(_)) {
            return Err(Rejection::NotBorn);
        }
        match change {
            Change::Bootstrap(bootstrap) => self.bootstrap(index, bootstrap),
            Change::ApplyObjects(apply) => self.apply_objects(index, apply),
            Change::DeleteObject(delete) => self.delete_object(index, &delete),
            Change::MintJoinToken(mint) => {
                self.joining.mint(mint, self.log_time)?;
                Ok((Reply::Done { revision: self.revision }, Vec::new()))
            }
            Change::SpendJoinToken(spend) => {
                let node = self.joining.spend(spend, self.log_time)?;
                let notice = Notice::NodeJoined { node: node.name.clone(), at: node.joined };
                Ok((Reply::Joined { uid: node.uid, role: node.role, labels: node.labels.clone() }, vec![notice]))
            }
            Change::RemoveNode(remove) => self.remove_node(&remove),
            Change::Tick => Ok((Reply::Done { revision: self.revision }, Vec::new())),
            Change::AnchorEvidence(anchor) => self.anchor_evidence(anchor),
            Change::LogStored(stored) => self.log_stored(stored),
            Change::Approval(change) => self.change_approval(change),
            Change::SignIn { person, revision } => self.sign_in(person, revision),
            Change::SetSecret(set) => self.set_secret(index, set),
            Change::OpenAdminSession(open) => self.open_admin_session(open),
            Change::EndAdminSession { session_hash } => self.end_admin_session(&session_hash),
        }
    }

    fn bootstrap(&mut self, index: u64, bootstrap: Bootstrap) -> Made {
        if self.birth.is_some() {
            return Err(Rejection::AlreadyBorn);
        }
        self.cluster_version = bootstrap.cluster_version;
        self.birth = Some(Arc::new(bootstrap));
        let notice = self.move_revision(Revision { epoch: FIRST_EPOCH, index });
        Ok((Reply::Done { revision: self.revision }, vec![notice]))
    }

    /// Checks that a change was judged at the revision there is, and that this entry has not moved it yet.
    /// INVARIANT: every move of the revision comes after this check, so the revision grows with each.
    pub(crate) fn check_base(&self, index: u64, base: Revision) -> Result<Revision, Rejection> {
        let current = self.revision;
        if base != current || index <= current.index {
            return Err(Rejection::BaseMoved { base, current });
        }
        Ok(Revision { epoch: current.epoch, index })
    }

    pub(crate) const fn move_revision(&mut self, revision: Revision) -> Notice {
        let base = self.revision;
        self.revision = revision;
        Notice::RevisionMoved { base, revision }
    }
}

/// A change that was made, or why it was not.
pub(crate) type Made = Result<(Reply, Vec<Notice>), Rejection>;

fn replied(made: Made) -> (Reply, Vec<Notice>) {
    made.unwrap_or_else(|rejection| (Reply::Rejected(rejection), Vec::new()))
}
