//! A subject and an intent become a judgement.

use crate::settle::{Outcome, Settled, settle};
use crate::slice::{Ended, Ending, Unjudgeable};
use crate::statement::{Mode, Role};
use crate::vocabulary::{APPROVE, CONNECT, REVEAL, cedar_context, fits, is_read};
use crate::{Rules, Subject, VerdictCache};
use hoop_model::spec::Access;
use hoop_model::{
    Code, Context, Effect, Intent, Judgement, PolicyRef, Refusal, Requirement, ResourceName, Target, Verdict,
};
use std::collections::BTreeSet;
use std::ops::Range;

/// Most effects one command may have.
pub const MAX_EFFECTS: usize = 256;

/// What one statement had to say about an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The statement.
    pub policy: PolicyRef,
    /// What it does when it is satisfied.
    pub role: Role,
    /// Whether it counts.
    pub mode: Mode,
    /// How its evaluation ended.
    pub ending: Ending,
    /// Where it stands in its Policy object's text, in bytes.
    pub span: Range<usize>,
}

impl Explained {
    pub(crate) fn of((statement, ending): &Ended<'_>) -> Self {
        Self {
            policy: statement.reference.clone(),
            role: statement.role.clone(),
            mode: statement.mode,
            ending: ending.clone(),
            span: statement.span.clone(),
        }
    }
}

/// What is asked.
struct Question<'a> {
    subject: &'a Subject,
    connection: &'a ResourceName,
    effects: &'a [Effect],
    context: &'a Context,
    about: About,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    /// Opening a session.
    Session,
    /// A command in a session.
    Command,
}

impl Rules {
    /// Judges a command. Total: whatever cannot be judged is refused, with its own reason.
    ///
    /// The verdict is the worst over the effects; a refusal is that of the first effect refused, and a hold has the
    /// requirements of all of them. `shadow` has the statements that, enforced alone, would have changed the outcome of
    /// some effect.
    pub fn judge(
        &self,
        cache: &mut VerdictCache,
        subject: &Subject,
        connection: &ResourceName,
        intent: &Intent,
    ) -> Judgement {
        let (effects, context, about) = (&intent.effects, &intent.context, About::Command);
        self.answer(cache, &Question { subject, connection, effects, context, about })
    }

    /// Judges whether the subject may open a session on a connection; only the base set has a say.
    pub fn may_connect(&self, cache: &mut VerdictCache, subject: &Subject, connection: &ResourceName) -> Judgement {
        let effects = &[Effect { action: CONNECT.into(), target: Target::Connection }];
        self.answer(cache, &Question { subject, connection, effects, context: &Vec::new(), about: About::Session })
    }

    /// Returns what each statement whose scope admits one effect has to say about it. `connect` may be asked too.
    ///
    /// # Errors
    /// The refusal of a question that has no answer, as [`Rules::judge`] would give it.
    pub fn explain(
        &self,
        subject: &Subject,
        connection: &ResourceName,
        effect: &Effect,
        context: &Context,
    ) -> Result<Vec<Explained>, Box<Refusal>> {
        let about = if effect.action == CONNECT { About::Session } else { About::Command };
        let question = Question { subject, connection, effects: std::slice::from_ref(effect), context, about };
        self.admit(&question)?;
        let refuse = |Unjudgeable| question.refuse(Code::PolicyError, UNJUDGEABLE, Some(effect));
        let slice = self.slice(subject, connection, &effect.action, &effect.target).map_err(refuse)?;
        let mut prepared = None;
        let ended = slice.evaluate(&mut prepared, &subject.tags, cedar_context(context)).map_err(refuse)?;
        Ok(ended.iter().map(Explained::of).collect())
    }

    fn answer(&self, cache: &mut VerdictCache, question: &Question<'_>) -> Judgement {
        let refused = |refusal| Judgement {
            verdict: Verdict::Refuse(refusal),
            reasons: [].into(),
            shadow: [].into(),
            revision: self.revision(),
        };
        if let Err(refusal) = self.admit(question) {
            return refused(refusal);
        }
        match self.look_up_or_evaluate(cache, question) {
            Ok(judgement) => judgement,
            Err(Unjudgeable) => refused(question.refuse(Code::PolicyError, UNJUDGEABLE, question.effects.first())),
        }
    }

    /// Refuses what policy has no words for. Cheap, for it comes before the look-up.
    fn admit(&self, question: &Question<'_>) -> Result<(), Box<Refusal>> {
        if question.effects.is_empty() {
            let message = "the command has no effect that policy could judge";
            return Err(question.refuse(Code::NothingToJudge, message, None));
        }
        if question.effects.len() > MAX_EFFECTS {
            return Err(question.refuse(Code::PolicyError, "the command has too many effects to be judged", None));
        }
        let Some(access) = self.access(question.connection) else {
            return Err(question.refuse(Code::ConnectionUnknown, "there is no such connection", None));
        };
        for effect in question.effects {
            let fitting = match question.about {
                About::Session => effect.action == CONNECT && effect.target == Target::Connection,
                About::Command => ![CONNECT, APPROVE, REVEAL].contains(&&*effect.action),
            };
            if !fitting || self.vocabulary.action(&effect.action).is_none() {
                return Err(question.refuse(Code::PolicyError, "policy does not know this action", Some(effect)));
            }
            let is_open = match (question.about, access) {
                (About::Session, _) | (About::Command, Access::Any) => true,
                (About::Command, Access::Read) => is_read(effect),
            };
            if !is_open {
                return Err(question.refuse(Code::ReadOnly, "this connection only reads", Some(effect)));
            }
            if !fits(&effect.action, question.context) {
                let message = "what is known about the command is not what policy expects";
                return Err(question.refuse(Code::PolicyError, message, Some(effect)));
            }
        }
        Ok(())
    }

    fn look_up_or_evaluate(&self, cache: &mut VerdictCache, question: &Question<'_>) -> Result<Judgement, Unjudgeable> {
        let Question { subject, connection, effects, context, .. } = *question;
        cache.begin(&self.seal, effects.len());
        let mut positions = Vec::with_capacity(effects.len());
        for Effect { action, target } in effects {
            let build = || self.slice(subject, connection, action, target);
            let position = cache.slice(subject, connection, (action, target), build)?;
            cache.add_to_key(position, subject, context);
            positions.push(position);
        }
        if let Some(known) = cache.verdict() {
            return Ok(known.clone());
        }
        let mut outcomes = Vec::with_capacity(effects.len());
        for position in positions {
            let entry = cache.entry(position).ok_or(Unjudgeable)?;
            outcomes.push(settle(&entry.slice.evaluate(&mut entry.prepared, &subject.tags, cedar_context(context))?));
        }
        let judgement = self.worst(question, &outcomes);
        cache.remember(&judgement);
        Ok(judgement)
    }

    /// Puts the outcomes of all effects together.
    fn worst(&self, question: &Question<'_>, outcomes: &[Settled]) -> Judgement {
        let each = || question.effects.iter().zip(outcomes);
        let mut requirements: BTreeSet<Requirement> = BTreeSet::new();
        for settled in outcomes {
            if let Outcome::Hold(more) = &settled.outcome {
                requirements.extend(more.iter().cloned());
            }
        }
        let refusal = each().find_map(|(effect, settled)| Some((question.refusal(effect, settled)?, settled)));
        let (verdict, reasons) = if let Some((refusal, settled)) = refusal {
            (Verdict::Refuse(refusal), settled.reasons.iter().cloned().collect())
        } else if !requirements.is_empty() {
            let holding = outcomes.iter().filter(|settled| matches!(settled.outcome, Outcome::Hold(_)));
            (Verdict::Hold(requirements.into_iter().collect()), union(holding.map(|settled| &settled.reasons)))
        } else {
            (Verdict::Allow, union(outcomes.iter().map(|settled| &settled.reasons)))
        };
        let shadow = union(outcomes.iter().map(|settled| &settled.shadow));
        Judgement {
            verdict,
            reasons: reasons.into_iter().collect(),
            shadow: shadow.into_iter().collect(),
            revision: self.revision(),
        }
    }
}

const UNJUDGEABLE: &str = "the command could not be put to policy";

fn union<'a>(lists: impl Iterator<Item = &'a Vec<PolicyRef>>) -> BTreeSet<PolicyRef> {
    lists.flatten().cloned().collect()
}

impl Question<'_> {
    /// Returns the refusal of one effect, if it is refused.
    fn refusal(&self, effect: &Effect, settled: &Settled) -> Option<Box<Refusal>> {
        let (code, message) = match (&settled.outcome, self.about) {
            (Outcome::Allow | Outcome::Hold(_), _) => return None,
            (Outcome::Failed, _) => (Code::PolicyError, "a policy could not be evaluated"),
            (Outcome::Forbidden, About::Command) => (Code::Forbidden, "a policy forbids this"),
            (Outcome::Forbidden, About::Session) => (Code::ConnectNotPermitted, "a policy forbids this connection"),
            (Outcome::NotPermitted, About::Command) => (Code::NotPermitted, "no policy permits this"),
            (Outcome::NotPermitted, About::Session) => (Code::ConnectNotPermitted, "no policy permits this connection"),
        };
        let mut refusal = self.refuse(code, message, Some(effect));
        if settled.outcome == Outcome::NotPermitted {
            let missing = format!("a permit for `{}` on connection `{}`", effect.action, self.connection);
            refusal.missing = Some(missing.into());
        }
        settled.blame(&mut refusal);
        Some(refusal)
    }

    fn refuse(&self, code: Code, message: &str, effect: Option<&Effect>) -> Box<Refusal> {
        let mut refusal = Refusal::because(code, message);
        refusal.identity = Some(self.subject.name.clone());
        refusal.connection = Some(self.connection.clone());
        refusal.effect = effect.cloned();
        Box::new(refusal)
    }
}
