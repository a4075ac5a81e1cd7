//! Rules, sessions and receipts to test with.

use crate::*;
use hoop_audit::{Chain, Durability, Entry, Named, Receipt};
use hoop_model::spec::{Access, Connection, Origin, Policy, Protocol, Recording, Stale};
use hoop_model::{
    ContentField, Effect, Incarnation, Intent, Metadata, Object, ResourceName, Revision, SessionId, Spec, Target,
    TraceId, Uid, UnixMillis, UnixSeconds, Value,
};
use hoop_policy::{Rules, Subject, VerdictCache};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The token's `exp`, the connection's grace, and the end of the session that follows from them.
pub(super) const EXP: UnixSeconds = UnixSeconds(2_000);
pub(super) const GRACE: Duration = Duration::from_secs(60);
pub(super) const END: UnixMillis = UnixMillis(2_060_000);

/// The revision of the identity's last change.
pub(super) const IDENTITY_REVISION: Revision = Revision { epoch: 1, index: 3 };

pub(super) const GET_ALLOWED: &str = r#"
permit (principal, action == Hoop::Action::"connect", resource);
@id("reads")
permit (principal, action in Hoop::Action::"read", resource);
permit (principal, action == Hoop::Action::"http:PATCH", resource);
@id("patches") @hold("on-call") @quorum("2") @message("updates wait")
forbid (principal, action == Hoop::Action::"http:PATCH", resource);
@id("deletes") @message("jobs never delete")
forbid (principal, action == Hoop::Action::"http:DELETE", resource);
"#;

/// The usual rules, at revision 10.
pub(super) static USUAL: LazyLock<Rules> = LazyLock::new(|| rules(GET_ALLOWED, 10));

pub(super) const NO_CONNECT: &str = r#"permit (principal, action in Hoop::Action::"read", resource);"#;

pub(super) fn name(text: &str) -> ResourceName {
    ResourceName::parse(text).unwrap()
}

pub(super) fn revision(index: u64) -> Revision {
    Revision { epoch: 1, index }
}

pub(super) fn rules(cedar: &str, index: u64) -> Rules {
    compiled(&[cedar], index, None)
}

/// Compiles several policies as one revision, after another.
pub(super) fn compiled(policies: &[&str], index: u64, previous: Option<&Rules>) -> Rules {
    compiled_with(Access::Any, policies, index, previous)
}

/// The same, of a connection with this access.
pub(super) fn compiled_with(access: Access, policies: &[&str], index: u64, previous: Option<&Rules>) -> Rules {
    let object = |name_of: &str, bits, spec| {
        let metadata = Metadata { name: name(name_of), uid: Uid::mint(bits), generation: 1, revision: revision(1) };
        Arc::new(Object { metadata, spec })
    };
    let connection = Connection {
        credential: None,
        mask: None,
        access,
        stale: Stale::Refuse,
        protocol: Protocol::Http,
        upstream: Origin::parse("https://react.internal").unwrap(),
        upstream_ca: None,
        environment: None,
        recording: Recording::Standard,
        session_grace: GRACE,
        response_timeout: Duration::from_secs(60),
        hold: Duration::from_secs(30),
        nodes: [].into(),
    };
    let mut objects = vec![object("react", 2, Spec::Connection(connection))];
    for (at, (cedar, name)) in policies.iter().zip(["agents", "second"]).enumerate() {
        objects.push(object(name, 5 + at as u128, Spec::Policy(Policy { cedar: (*cedar).into() })));
    }
    Rules::compile(&objects, revision(index), previous).unwrap()
}

pub(super) fn request() -> OpenSession {
    let subject = Subject {
        name: name("nightly-react"),
        uid: Uid::mint(1),
        groups: vec![],
        environment: None,
        tags: Arc::default(),
    };
    OpenSession {
        id: SessionId::mint(9),
        subject,
        identity_revision: IDENTITY_REVISION,
        connection: Named { uid: Uid::mint(2), name: name("react") },
        run: "4711".into(),
        issuer: "https://ci.example.com".into(),
        token_expires: EXP,
        grace: GRACE,
        durability: Durability::Written,
        trace: Some(TraceId::mint(1)),
    }
}

pub(super) fn intent(action: &'static str) -> Intent {
    let effects = vec![Effect { action: action.into(), target: Target::Connection }];
    let none = || Value::Set(vec![]);
    let method = action.trim_start_matches("http:");
    let context = vec![
        ("method".into(), Value::Text(method.into())),
        ("path".into(), Value::Text("/".into())),
        ("query".into(), none()),
        ("queryKeys".into(), none()),
        ("segments".into(), none()),
    ];
    Intent { effects, context, summary: action.into() }
}

/// Records an entry as the shell does.
pub(super) fn record(session: SessionId, entry: &Entry) -> Receipt {
    let mut chain = Chain::open(&name("edge-1"), Incarnation::mint(1), 0);
    chain.append(entry, session, UnixMillis(1), [7; 32]).unwrap().written()
}

/// A session that was opened at revision 10.
pub(super) fn session() -> Session {
    let admission = Session::open(request(), &USUAL, &mut VerdictCache::new(), UnixMillis(1));
    let receipt = record(SessionId::mint(9), admission.entry());
    admission.after(receipt).unwrap()
}

/// Submits one command at revision 10.
pub(super) fn submit(session: &mut Session, action: &'static str, now: UnixMillis) -> Decided {
    let trace = Some(TraceId::mint(2));
    session.submit(&USUAL, &mut VerdictCache::new(), intent(action), trace, now)
}

/// The generation of the connection.
pub(super) const GENERATION: u64 = 4;

pub(super) static KEY: LazyLock<DigestKey> = LazyLock::new(|| DigestKey::new([7; DigestKey::BYTES]));

/// Says what a command is, exactly.
pub(super) fn captured(decided: Decided, content: &[u8]) -> Decided {
    let content = [ContentField { tag: 1, bytes: content.into() }];
    decided.captured(&Capture { key: &KEY, generation: GENERATION, context: &[], content: &content })
}

/// Records a decision and opens it with the receipt.
pub(super) fn take(decided: Decided) -> Step {
    let receipt = record(SessionId::mint(9), decided.entry());
    let receipt = match decided.durability() {
        Durability::Written => receipt,
        Durability::Synchronised => receipt.synchronised(),
    };
    decided.after(receipt)
}

pub(super) fn permit() -> Permit {
    match take(submit(&mut session(), "http:GET", UnixMillis(1))) {
        Step::Forward(permit) => permit,
        other @ (Step::Hold(_) | Step::Refuse(_)) => panic!("{other:?}"),
    }
}

/// Redeems a permit at revision 10 with a lease up to `boot+15000ms`.
pub(super) fn redeem(permit: Permit, standing: Standing, now: Now) -> Result<Cleared, Box<hoop_model::Refusal>> {
    let lease = Lease::NONE.renewed(BootMillis(0), Duration::from_secs(15));
    permit.redeem(&Authority { lease, stale: Duration::ZERO, applied: revision(10), standing: &|_| standing }, now)
}

pub(super) fn now(boot: u64, wall: UnixMillis) -> Now {
    Now { boot: BootMillis(boot), wall }
}
