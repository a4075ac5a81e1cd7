//! How approvals stand, in names.

use super::ask::Asked;
use super::eligible::{say, standing};
use hoop_model::{Approval, Uid};
use hoop_state::Electorate;
use hoop_wire::v1::{self, approval};
use std::collections::BTreeMap;

/// Writes summaries for one asker in one state.
pub(super) struct Summaries<'a> {
    asked: &'a Asked,
    electorate: Electorate<'a>,
    names: BTreeMap<Uid, &'a str>,
}

impl<'a> Summaries<'a> {
    /// Looks up the names there are.
    pub(super) fn of(asked: &'a Asked) -> Self {
        let named = asked.state.objects().map(|object| (object.metadata.uid, object.metadata.name.as_str()));
        Self { asked, electorate: asked.state.electorate(), names: named.collect() }
    }

    /// Writes a summary. What has no name any more is named by its uid.
    pub(super) fn write(&self, approval: &Approval) -> v1::ApprovalSummary {
        let says = say(self.asked, &self.electorate, approval, false);
        let requirements = approval.requirements.iter().zip(&says);
        let waits_for = if approval.state.is_waiting() { approval.expires.0 } else { 0 };
        v1::ApprovalSummary {
            id: approval.id.to_bytes().to_vec(),
            state: approval::State::from(&approval.state).into(),
            identity: self.name(approval.identity),
            connection: self.name(approval.connection),
            run: approval.run.to_string(),
            effects: approval.effects.iter().map(Into::into).collect(),
            requirements: requirements.map(|(required, say)| standing(required, say, |uid| self.name(uid))).collect(),
            opened_ms: approval.opened.0,
            expires_ms: approval.expires.0,
            remaining_ms: waits_for.saturating_sub(self.asked.state.log_time().0),
            digest: approval.digest.0.to_vec(),
            session: approval.session.to_bytes().to_vec(),
            any_run: approval.any_run,
        }
    }

    /// Returns whether an approval is of an identity of this name; none is asked for by the empty one.
    pub(super) fn is_of(&self, approval: &Approval, identity: &str) -> bool {
        identity.is_empty() || self.name(approval.identity) == identity
    }

    fn name(&self, uid: Uid) -> String {
        self.names.get(&uid).map_or_else(|| uid.to_string(), |name| (*name).to_owned())
    }
}
