//! A slow, obvious evaluator: every statement, no scope index, no cache, no Cedar.

use crate::support::{AT, connection, identity, name, policy, text};
use hoop_model::{Code, Context, Effect, Judgement, Object, Refusal, Target, Value, Verdict};
use hoop_policy::Subject;
use std::collections::BTreeSet;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    Permit,
    Forbid,
    Hold,
}

#[derive(Debug, Clone)]
pub(crate) enum Who {
    Anyone,
    AnyIdentity,
    Identity(&'static str),
    Group(&'static str),
    IdentityIn(&'static str),
    Environment(&'static str),
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Anything,
    Action(&'static str),
    Group(&'static str),
    Either(&'static str, &'static str),
}

#[derive(Debug, Clone)]
pub(crate) enum Where {
    Anywhere,
    Connection(&'static str),
    InConnection(&'static str),
    InEnvironment(&'static str),
    AnyRoute,
    RouteIn(&'static str),
}

#[derive(Debug, Clone)]
pub(crate) enum When {
    Always,
    Path(&'static str),
    PathLike(&'static str),
    Query(&'static str),
    BodyOver(i64),
    BodyOverflows,
    PathOfSomeContext(&'static str),
    Tag(&'static str, &'static str),
    TagNamedByPath,
    HasTag(&'static str),
    InGroup(&'static str),
    Not(Box<When>),
    And(Box<When>, Box<When>),
    Or(Box<When>, Box<When>),
}

#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) does: Does,
    pub(crate) shadow: bool,
    pub(crate) who: Who,
    pub(crate) what: What,
    pub(crate) place: Where,
    pub(crate) when: When,
}

/// Something cannot be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fails;

impl Rule {
    pub(crate) fn cedar(&self, id: usize) -> String {
        let effect = if self.does == Does::Permit { "permit" } else { "forbid" };
        let hold = if self.does == Does::Hold { "@hold(\"on-call\") " } else { "" };
        let mode = if self.shadow { "@mode(\"shadow\") " } else { "" };
        let who = match self.who {
            Who::Anyone => String::from("principal"),
            Who::AnyIdentity => String::from("principal is Hoop::Identity"),
            Who::Identity(id) => format!("principal == Hoop::Identity::\"{id}\""),
            Who::Group(id) => format!("principal in Hoop::Group::\"{id}\""),
            Who::IdentityIn(id) => format!("principal is Hoop::Identity in Hoop::Group::\"{id}\""),
            Who::Environment(id) => format!("principal in Hoop::Environment::\"{id}\""),
        };
        let what = match self.what {
            What::Anything => String::from("action"),
            What::Action(id) => format!("action == Hoop::Action::\"{id}\""),
            What::Group(id) => format!("action in Hoop::Action::\"{id}\""),
            What::Either(a, b) => format!("action in [Hoop::Action::\"{a}\", Hoop::Action::\"{b}\"]"),
        };
        let place = match self.place {
            Where::Anywhere => String::from("resource"),
            Where::Connection(id) => format!("resource == Hoop::Connection::\"{id}\""),
            Where::InConnection(id) => format!("resource in Hoop::Connection::\"{id}\""),
            Where::InEnvironment(id) => format!("resource in Hoop::Environment::\"{id}\""),
            Where::AnyRoute => String::from("resource is Hoop::Route"),
            Where::RouteIn(id) => format!("resource is Hoop::Route in Hoop::Connection::\"{id}\""),
        };
        format!("@id(\"s{id}\") {hold}{mode}{effect}({who}, {what}, {place}) when {{ {} }};\n", self.when.cedar())
    }

    fn concerns(&self, subject: &Subject, at: &str, effect: &Effect) -> bool {
        let in_group = |id: &str| subject.groups.contains(&name(id));
        let environment = if at == "react" { "production" } else { "staging" };
        let on_route = effect.target != Target::Connection;
        let group = if matches!(&*effect.action, "http:GET" | "http:HEAD" | "http:OPTIONS") { "read" } else { "write" };
        let who = match self.who {
            Who::Anyone | Who::AnyIdentity => true,
            Who::Identity(id) => subject.name == name(id),
            Who::Group(id) | Who::IdentityIn(id) => in_group(id),
            Who::Environment(id) => subject.environment == Some(name(id)),
        };
        let what = match self.what {
            What::Anything => true,
            What::Action(id) => effect.action == id,
            What::Group(id) => id == group,
            What::Either(a, b) => effect.action == a || effect.action == b,
        };
        let place = match self.place {
            Where::Anywhere => true,
            Where::Connection(id) => !on_route && at == id,
            Where::InConnection(id) => at == id,
            Where::InEnvironment(id) => environment == id,
            Where::AnyRoute => on_route,
            Where::RouteIn(id) => on_route && at == id,
        };
        who && what && place
    }
}

fn value<'a>(context: &'a Context, wanted: &str) -> Result<&'a Value, Fails> {
    context.iter().find(|(known, _)| known == wanted).map(|(_, value)| value).ok_or(Fails)
}

impl When {
    fn cedar(&self) -> String {
        match self {
            Self::Always => String::from("true"),
            Self::Path(path) => format!("context.path == \"{path}\""),
            Self::PathLike(start) => format!("context.path like \"{start}*\""),
            Self::Query(pair) => format!("context.query.contains(\"{pair}\")"),
            Self::BodyOver(bytes) => format!("context.bodyBytes > {bytes}"),
            Self::BodyOverflows => format!("context.bodyBytes + {} > 0", i64::MAX),
            Self::PathOfSomeContext(path) => {
                format!("(if principal.hasTag(\"tier\") then context else context).path == \"{path}\"")
            }
            Self::Tag(tag, value) => format!("principal.getTag(\"{tag}\").contains(\"{value}\")"),
            Self::TagNamedByPath => String::from("principal.hasTag(context.path)"),
            Self::HasTag(tag) => format!("principal.hasTag(\"{tag}\")"),
            Self::InGroup(group) => format!("principal in Hoop::Group::\"{group}\""),
            Self::Not(of) => format!("!({})", of.cedar()),
            Self::And(a, b) => format!("(({}) && ({}))", a.cedar(), b.cedar()),
            Self::Or(a, b) => format!("(({}) || ({}))", a.cedar(), b.cedar()),
        }
    }

    fn holds(&self, subject: &Subject, context: &Context) -> Result<bool, Fails> {
        let path = value(context, "path")?;
        let Value::Text(path_text) = path else { return Err(Fails) };
        match self {
            Self::Always => Ok(true),
            Self::Path(wanted) | Self::PathOfSomeContext(wanted) => Ok(*path == text(wanted)),
            Self::PathLike(start) => Ok(path_text.starts_with(start)),
            Self::Query(pair) => match value(context, "query")? {
                Value::Set(pairs) => Ok(pairs.contains(&text(pair))),
                Value::Bool(_) | Value::Long(_) | Value::Text(_) | Value::Record(_) => Err(Fails),
            },
            Self::BodyOver(bytes) => Ok(*value(context, "bodyBytes")? > Value::Long(*bytes)),
            Self::BodyOverflows => match value(context, "bodyBytes")? {
                Value::Long(bytes) => bytes.checked_add(i64::MAX).map(|sum| sum > 0).ok_or(Fails),
                Value::Bool(_) | Value::Text(_) | Value::Set(_) | Value::Record(_) => Err(Fails),
            },
            Self::Tag(tag, value) => subject.tags.get(*tag).map(|values| values.contains(*value)).ok_or(Fails),
            Self::TagNamedByPath => Ok(subject.tags.contains_key(path_text)),
            Self::HasTag(tag) => Ok(subject.tags.contains_key(*tag)),
            Self::InGroup(group) => Ok(subject.groups.contains(&name(group))),
            Self::Not(of) => of.holds(subject, context).map(|holds| !holds),
            Self::And(a, b) => Ok(a.holds(subject, context)? && b.holds(subject, context)?),
            Self::Or(a, b) => Ok(a.holds(subject, context)? || b.holds(subject, context)?),
        }
    }
}

/// What matters of a judgement: its word or code, the effect refused, the statements of its reasons and its shadows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Essence {
    pub(crate) word: &'static str,
    effect: Option<Effect>,
    reasons: BTreeSet<String>,
    shadow: BTreeSet<String>,
}

impl Essence {
    pub(crate) fn of(judgement: &Judgement) -> Self {
        assert_eq!(judgement.revision, AT);
        let ids = |of: &[hoop_model::PolicyRef]| -> BTreeSet<_> {
            of.iter().map(|r| r.statement.split_once('/').unwrap().1.to_owned()).collect()
        };
        let (word, effect) = match &judgement.verdict {
            Verdict::Allow => ("allow", None),
            Verdict::Refuse(refusal) => (code(refusal), refusal.effect.clone()),
            Verdict::Hold(requirements) => {
                let policies: Vec<_> = requirements.iter().map(|r| r.policy.clone()).collect();
                assert_eq!(ids(&policies), ids(&judgement.reasons), "a hold's reasons are its requirements'");
                ("hold", None)
            }
        };
        Self { word, effect, reasons: ids(&judgement.reasons), shadow: ids(&judgement.shadow) }
    }
}

fn code(refusal: &Refusal) -> &'static str {
    assert!(Code::ALL.contains(&refusal.code));
    refusal.code.as_str()
}

/// The rules as objects, spread over two policies, with the connections and identities that they name.
pub(crate) fn objects(rules: &[Rule], order: &[usize]) -> Vec<Arc<Object>> {
    let mut texts = [String::new(), String::new()];
    for &id in order {
        texts[id % 2].push_str(&rules[id].cedar(id));
    }
    let mut objects = vec![
        connection("react", Some("production")),
        connection("stage", Some("staging")),
        identity("nightly", &["agents"], None),
    ];
    let filled = texts.iter().zip(["even", "odd"]).zip(1..).filter(|((text, _), _)| !text.is_empty());
    objects.extend(filled.map(|((text, of), uid)| policy(of, uid, text)));
    objects
}

/// Judges a command, one rule and one effect at a time.
pub(crate) fn judge(rules: &[Rule], subject: &Subject, at: &str, effects: &[Effect], context: &Context) -> Essence {
    let settled: Vec<_> = effects.iter().map(|effect| settle(rules, subject, at, effect, context)).collect();
    let mut shadow = BTreeSet::new();
    for (effect, (word, reasons)) in effects.iter().zip(&settled) {
        for (id, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.shadow) {
            let mut enforced = rules.to_vec();
            enforced[id] = Rule { shadow: false, ..rule.clone() };
            let (then, then_reasons) = settle(&enforced, subject, at, effect, context);
            let refused = |word: &str| !matches!(word, "allow" | "hold");
            let same =
                (refused(word) && refused(then)) || (*word == then && (then == "allow" || *reasons == then_reasons));
            if !same {
                shadow.insert(format!("s{id}"));
            }
        }
    }
    let union = |wanted: &str| {
        settled.iter().filter(|(word, _)| *word == wanted).flat_map(|(_, reasons)| reasons.clone()).collect()
    };
    let refused = effects.iter().zip(&settled).find(|(_, (word, _))| !matches!(*word, "allow" | "hold"));
    match refused {
        Some((effect, (word, reasons))) => {
            Essence { word, effect: Some(effect.clone()), reasons: reasons.clone(), shadow }
        }
        None if settled.iter().any(|(word, _)| *word == "hold") => {
            Essence { word: "hold", effect: None, reasons: union("hold"), shadow }
        }
        None => Essence { word: "allow", effect: None, reasons: union("allow"), shadow },
    }
}

fn settle(
    rules: &[Rule],
    subject: &Subject,
    at: &str,
    effect: &Effect,
    context: &Context,
) -> (&'static str, BTreeSet<String>) {
    let mut failed = BTreeSet::new();
    let mut satisfied = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
    for (id, rule) in rules.iter().enumerate() {
        if rule.shadow || !rule.concerns(subject, at, effect) {
            continue;
        }
        match (rule.when.holds(subject, context), rule.does) {
            (Ok(true), does) => drop(satisfied[does as usize].insert(format!("s{id}"))),
            (Err(Fails), Does::Forbid | Does::Hold) => drop(failed.insert(format!("s{id}"))),
            (Ok(false), _) | (Err(Fails), Does::Permit) => {}
        }
    }
    let [permits, forbids, holds] = satisfied;
    match () {
        () if !failed.is_empty() => ("policy_error", failed),
        () if !forbids.is_empty() => ("forbidden", forbids),
        () if permits.is_empty() => ("not_permitted", BTreeSet::new()),
        () if !holds.is_empty() => ("hold", holds),
        () => ("allow", permits),
    }
}
