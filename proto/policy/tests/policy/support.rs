//! Objects, subjects and commands in few words.

use hoop_model::spec::{
    Access, ClaimCondition, Connection, Identity, Origin, Person, Policy, Protocol, Recording, Stale,
};
use hoop_model::{
    Context, Effect, Intent, Judgement, Metadata, Object, Refusal, ResourceName, Revision, Spec, Target, Uid, Value,
    Verdict,
};
use hoop_policy::{Rules, Subject, VerdictCache};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const AT: Revision = Revision { epoch: 1, index: 7 };

pub(crate) fn name(text: &str) -> ResourceName {
    ResourceName::parse(text).unwrap()
}

pub(crate) fn object(text: &str, uid: u128, spec: Spec) -> Arc<Object> {
    let metadata = Metadata { name: name(text), uid: Uid::mint(uid), generation: 1, revision: AT };
    Arc::new(Object { metadata, spec })
}

pub(crate) fn policy(text: &str, uid: u128, cedar: &str) -> Arc<Object> {
    object(text, uid, Spec::Policy(Policy { cedar: cedar.to_owned() }))
}

pub(crate) fn connection(text: &str, environment: Option<&str>) -> Arc<Object> {
    let spec = Connection {
        credential: None,
        mask: None,
        access: Access::Any,
        stale: Stale::Refuse,
        protocol: Protocol::Http,
        upstream: Origin::parse("http://127.0.0.1:1").unwrap(),
        upstream_ca: None,
        environment: environment.map(name),
        recording: Recording::Standard,
        session_grace: Duration::ZERO,
        response_timeout: Duration::from_secs(60),
        hold: Duration::from_secs(30),
        nodes: BTreeMap::new(),
    };
    object(text, 1000 + text.len() as u128, Spec::Connection(spec))
}

pub(crate) fn identity(text: &str, groups: &[&str], environment: Option<&str>) -> Arc<Object> {
    let spec = Identity {
        issuer: name("ci"),
        claims: [("ref".to_owned(), ClaimCondition::Equals("main".to_owned()))].into(),
        run: "run_id".to_owned(),
        owner: "team@example.com".to_owned(),
        groups: groups.iter().map(|g| name(g)).collect(),
        environment: environment.map(name),
        expires: None,
        suspended: false,
    };
    object(text, 2000 + text.len() as u128, Spec::Identity(spec))
}

pub(crate) fn person(text: &str, teams: &[&str], suspended: bool) -> Arc<Object> {
    let spec = Person {
        issuer: name("sso"),
        claims: [("sub".to_owned(), ClaimCondition::Equals(text.to_owned()))].into(),
        teams: teams.iter().map(|team| name(team)).collect(),
        suspended,
    };
    object(text, 3000 + text.len() as u128, Spec::Person(spec))
}

/// `nightly` in `agents` and `production`; `react` in `production`; `bare` nowhere.
pub(crate) fn world(cedar: &str) -> Vec<Arc<Object>> {
    vec![
        identity("nightly", &["agents"], Some("production")),
        connection("react", Some("production")),
        connection("bare", None),
        policy("rules", 1, cedar),
    ]
}

pub(crate) fn rules(cedar: &str) -> Rules {
    Rules::compile(&world(cedar), AT, None).unwrap()
}

pub(crate) fn subject(tags: &[(&str, &[&str])]) -> Subject {
    let tags = tags.iter().map(|(name, values)| ((*name).into(), values.iter().map(|v| (*v).into()).collect()));
    Subject {
        name: name("nightly"),
        uid: Uid::mint(5),
        groups: vec![name("agents")],
        environment: Some(name("production")),
        tags: Arc::new(tags.collect()),
    }
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.into())
}

pub(crate) fn context(method: &str, path: &str) -> Context {
    let segments = path.split('/').filter(|s| !s.is_empty()).map(text).collect();
    vec![
        ("method".into(), text(method)),
        ("path".into(), text(path)),
        ("query".into(), Value::Set(vec![text("q=1")])),
        ("queryKeys".into(), Value::Set(vec![text("q")])),
        ("segments".into(), Value::Set(segments)),
    ]
}

pub(crate) fn effect(action: &str, target: Target) -> Effect {
    Effect { action: action.to_owned().into(), target }
}

pub(crate) fn request(method: &str, path: &str) -> Intent {
    Intent {
        effects: vec![effect(&format!("http:{method}"), Target::Connection)],
        context: context(method, path),
        summary: format!("{method} {path}").into(),
    }
}

pub(crate) fn judge(rules: &Rules, subject: &Subject, intent: &Intent) -> Judgement {
    rules.judge(&mut VerdictCache::new(), subject, &name("react"), intent)
}

pub(crate) fn refusal(judgement: &Judgement) -> &Refusal {
    match &judgement.verdict {
        Verdict::Refuse(refusal) => refusal,
        Verdict::Allow | Verdict::Hold(_) => panic!("not refused: {judgement:?}"),
    }
}

pub(crate) fn statements(of: &[hoop_model::PolicyRef]) -> Vec<&str> {
    of.iter().map(|reference| &*reference.statement).collect()
}
