//! Which classified values a caller sees as they are.

use crate::mask::MaskPlan;
use crate::settle::{Outcome, settle};
use crate::slice::Unjudgeable;
use crate::vocabulary::reveal_context;
use crate::{Explained, Rules, Subject, VerdictCache};
use hoop_model::spec::ClassName;
use hoop_model::{ResourceName, Target};
use std::sync::Arc;

/// Whether the values of a class are shown to somebody, and what each statement had to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Whether they are left clear. Nothing but a permit does that.
    pub clear: bool,
    /// What the statements say whose scope admits it; none where policy could not be asked.
    pub statements: Vec<Explained>,
}

impl Rules {
    /// Returns the plan by which a subject is answered, which leaves every class clear that policy shows to it; `None`
    /// where that is the whole plan. Cheap where no policy shows anything to anybody, and else worth being kept: the answer
    /// stays the same for as long as rules, subject and plan do.
    #[must_use]
    pub fn view(
        &self,
        cache: &mut VerdictCache,
        subject: &Subject,
        connection: &ResourceName,
        plan: &Arc<MaskPlan>,
    ) -> Option<Arc<MaskPlan>> {
        if !self.could_reveal() {
            return None;
        }
        let is_shown = |class: &&ClassName| self.reveals(subject, connection, class).is_ok_and(|shown| shown.clear);
        let shown: Vec<_> = plan.classes().filter(is_shown).cloned().collect();
        if shown.is_empty() {
            return None;
        }
        cache.begin(&self.seal, 0);
        cache.view(plan, shown)
    }

    /// Returns whether values of a class are shown to a subject, and why. What cannot be judged is masked.
    #[must_use]
    pub fn explain_reveal(&self, subject: &Subject, connection: &ResourceName, class: &ClassName) -> Shown {
        let masked = |Unjudgeable| Shown { clear: false, statements: Vec::new() };
        self.reveals(subject, connection, class).unwrap_or_else(masked)
    }

    fn reveals(&self, subject: &Subject, connection: &ResourceName, class: &ClassName) -> Result<Shown, Unjudgeable> {
        let environment = self.connection(connection).ok_or(Unjudgeable)?;
        let context = reveal_context(&self.vocabulary.resource(connection, environment, &Target::Connection));
        let slice = self.reveal_slice(subject, class)?;
        let ended = slice.evaluate(&mut None, &subject.tags, context)?;
        let clear = match settle(&ended).outcome {
            Outcome::Allow => *class != ClassName::injected(),
            Outcome::Hold(_) | Outcome::Forbidden | Outcome::NotPermitted | Outcome::Failed => false,
        };
        Ok(Shown { clear, statements: ended.iter().map(Explained::of).collect() })
    }
}
