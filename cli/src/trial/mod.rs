//! What the rules would say of a command: asked here, with the very crates by which a node decides, and nothing is sent.
//!
//! ```text
//!   objects (files, or the cluster's) ─▶ Trial ──ask(Asked)──▶ Explanation
//!                                                 │ hoop-http reads the request, hoop-policy judges it
//!                                                 └ what-if: judged again in other groups
//! ```

mod asked;
mod changes;

pub(crate) use asked::{Asked, InvalidField};

use anyhow::{Context, bail};
use hoop_model::spec::{ClassName, Connection, DataClass, Identity};
use hoop_model::{Effect, Intent, Judgement, Kind, Object, Refusal, ResourceName, Revision, Spec, Target, Verdict};
use hoop_policy::mask::{MaskKey, MaskPlan};
use hoop_policy::{Explained, Rules, Shown, Subject, VerdictCache};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The objects that are asked, compiled.
pub(crate) struct Trial {
    rules: Rules,
    objects: BTreeMap<(Kind, ResourceName), Arc<Object>>,
}

/// What the rules would say of one command, and why.
pub(crate) struct Explanation {
    /// The command in one line, in canonical form.
    pub(crate) command: String,
    /// Whether a session may be opened.
    pub(crate) connect: Judgement,
    /// What they say of the command; of one that no policy is asked about, the refusal.
    pub(crate) verdict: Result<Judgement, Box<Refusal>>,
    /// What each statement says whose scope admits opening a session, and each effect.
    pub(crate) statements: Vec<(String, Vec<Explained>)>,
    /// What was known of the command, as policy reads it.
    pub(crate) context: Vec<(String, String)>,
    /// What would change the verdict, as far as that is certain.
    pub(crate) changes: Vec<String>,
    /// What the caller would see of each data class that the connection masks.
    pub(crate) classes: Vec<(ClassName, Shown)>,
}

impl Trial {
    /// Compiles what there is.
    pub(crate) fn of(objects: Vec<Arc<Object>>) -> anyhow::Result<Self> {
        // What is compiled here is compiled for the first time.
        let rules = Rules::compile(&objects, Revision { epoch: 0, index: 1 }, None);
        let rules = rules
            .map_err(|errors| anyhow::anyhow!(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
        let keyed = objects.into_iter().map(|object| ((object.spec.kind(), object.metadata.name.clone()), object));
        Ok(Self { rules, objects: keyed.collect() })
    }

    /// Asks about one command.
    pub(crate) fn ask(&self, asked: &Asked) -> anyhow::Result<Explanation> {
        let (identity, connection) = (self.identity(&asked.identity)?, self.connection(&asked.connection)?);
        let subject = asked.subject(identity.0, identity.1);
        let cache = &mut VerdictCache::default();
        let connect = self.rules.may_connect(cache, &subject, &asked.connection);
        let opening = Effect { action: "connect".into(), target: Target::Connection };
        let mut statements = vec![self.explain(&subject, asked, &opening, &Vec::new())];
        let (command, intent) = match asked.intent() {
            Ok((command, intent)) => (command, Ok(intent)),
            Err(refusal) => (asked.line(), Err(refusal)),
        };
        let verdict = intent.as_ref().map(|intent| self.rules.judge(cache, &subject, &asked.connection, intent));
        let verdict = verdict.map_err(Clone::clone);
        let (mut context, mut changes) = (Vec::new(), Vec::new());
        if let Ok(intent) = &intent {
            let effects = intent.effects.iter();
            statements.extend(effects.map(|effect| self.explain(&subject, asked, effect, &intent.context)));
            context = asked::shown(&intent.context);
            changes = changes::of(self, &subject, asked, intent, &statements);
        }
        let classes = self.classes(&subject, asked, connection)?;
        Ok(Explanation { command, connect, verdict, statements, context, changes, classes })
    }

    /// Asks what the caller would see of each class that the connection masks.
    fn classes(
        &self,
        subject: &Subject,
        asked: &Asked,
        connection: &Connection,
    ) -> anyhow::Result<Vec<(ClassName, Shown)>> {
        let declared = self.objects.values().filter_map(|object| object.spec.get::<DataClass>());
        // The key is for hashes, and nothing is masked here.
        let plan = MaskPlan::compile(connection.mask.as_deref(), declared, &[], MaskKey::new(&[0; 32]))?;
        let ask = |class: &ClassName| (class.clone(), self.rules.explain_reveal(subject, &asked.connection, class));
        Ok(plan.classes().map(ask).collect())
    }

    fn explain(
        &self,
        subject: &Subject,
        asked: &Asked,
        effect: &Effect,
        context: &hoop_model::Context,
    ) -> (String, Vec<Explained>) {
        let explained = self.rules.explain(subject, &asked.connection, effect, context);
        // What cannot be explained is refused by the verdict beside it.
        (effect.action.to_string(), explained.unwrap_or_default())
    }

    fn judge(&self, subject: &Subject, asked: &Asked, intent: &Intent) -> (bool, Verdict) {
        let cache = &mut VerdictCache::default();
        let connects = matches!(self.rules.may_connect(cache, subject, &asked.connection).verdict, Verdict::Allow);
        (connects, self.rules.judge(cache, subject, &asked.connection, intent).verdict)
    }

    fn identity(&self, name: &ResourceName) -> anyhow::Result<(&Object, &Identity)> {
        let object = self.objects.get(&(Kind::Identity, name.clone()));
        let object = object.with_context(|| format!("there is no Identity `{name}`"))?;
        let Spec::Identity(identity) = &object.spec else { bail!("`{name}` is no Identity") };
        Ok((object, identity))
    }

    fn connection(&self, name: &ResourceName) -> anyhow::Result<&Connection> {
        let object = self.objects.get(&(Kind::Connection, name.clone()));
        let object = object.with_context(|| format!("there is no Connection `{name}`"))?;
        let Spec::Connection(connection) = &object.spec else { bail!("`{name}` is no Connection") };
        Ok(connection)
    }

    /// Returns every group that somebody is in.
    fn groups(&self) -> impl Iterator<Item = &ResourceName> {
        let groups = self.objects.values().filter_map(|object| object.spec.get::<Identity>());
        groups.flat_map(|identity| &identity.groups)
    }

    /// Returns a statement's text, and the line that it begins on in its object's.
    pub(crate) fn source(&self, explained: &Explained) -> Option<(usize, &str)> {
        let name = explained.policy.statement.split('/').next()?;
        let object = self.objects.get(&(Kind::Policy, ResourceName::parse(name).ok()?))?;
        let Spec::Policy(policy) = &object.spec else { return None };
        let before = policy.cedar.get(..explained.span.start)?;
        let own = policy.cedar.get(explained.span.clone())?;
        Some((before.matches('\n').count() + 1, own.trim()))
    }
}

impl Explanation {
    /// Returns the one word of what comes of the command: also a session that may not be opened refuses it.
    pub(crate) fn word(&self) -> &'static str {
        match (&self.connect.verdict, &self.verdict) {
            (Verdict::Allow, Ok(judgement)) => judgement.verdict.word(),
            (Verdict::Refuse(_) | Verdict::Hold(_), _) | (Verdict::Allow, Err(_)) => "refuse",
        }
    }

    /// Returns the teams whose people must release it.
    pub(crate) fn teams(&self) -> Vec<&ResourceName> {
        match self.verdict.as_ref().map(|judgement| &judgement.verdict) {
            Ok(Verdict::Hold(required)) => required.iter().map(|required| &required.team).collect(),
            Ok(Verdict::Allow | Verdict::Refuse(_)) | Err(_) => Vec::new(),
        }
    }

    /// Returns the refusal, if that is what comes of it.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match (&self.connect.verdict, &self.verdict) {
            (Verdict::Refuse(refusal), _) | (_, Err(refusal)) => Some(refusal),
            (_, Ok(judgement)) => match &judgement.verdict {
                Verdict::Refuse(refusal) => Some(refusal),
                Verdict::Allow | Verdict::Hold(_) => None,
            },
        }
    }
}
