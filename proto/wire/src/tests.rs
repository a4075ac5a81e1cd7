//! What was encoded reads back the same, and what is not well-formed does not read at all.

use crate::v1;
use hoop_model::spec::{
    Access, Algorithm, Audience, Builtin, ClaimCondition, ClassName, Connection, ContainsText, Credential,
    CredentialForm, DataClass, Identity, IntegerIs, Issuer, KeySource, Origin, Person, Policy, Protocol, Recognise,
    Recording, Right, Role, Secret, SecretSource, Stale, Transform,
};
use hoop_model::{Metadata, Object, ResourceName, Revision, Spec, Uid};
use prost::Message;
use std::collections::BTreeMap;
use std::time::Duration;

fn name(text: &str) -> ResourceName {
    ResourceName::parse(text).unwrap()
}

fn issuer(jwks: KeySource) -> Spec {
    Spec::Issuer(Issuer {
        audience: Audience::People,
        url: "https://idp.test/a".into(),
        audiences: vec!["gw://prod".into()],
        algorithms: vec![Algorithm::RS256, Algorithm::EdDSA, Algorithm::ES384],
        max_token_lifetime: Duration::from_secs(90),
        token_type: Some("at+jwt".into()),
        jwks,
        ca: Some("pem".into()),
    })
}

fn connection_with(form: CredentialForm) -> Spec {
    Spec::Connection(Connection {
        access: Access::Any,
        stale: Stale::Refuse,
        protocol: Protocol::Http,
        upstream: Origin::parse("https://a.test").unwrap(),
        upstream_ca: None,
        credential: Some(Credential { secret: name("a"), form }),
        mask: Some(vec![ClassName::parse("pii.email").unwrap(), ClassName::parse("secret").unwrap()]),
        environment: None,
        recording: Recording::Strict,
        session_grace: Duration::ZERO,
        response_timeout: Duration::from_secs(9),
        hold: Duration::ZERO,
        nodes: BTreeMap::new(),
    })
}

fn plain_connection() -> Connection {
    let Spec::Connection(connection) = connection_with(CredentialForm::Bearer) else { panic!("not a connection") };
    Connection { credential: None, mask: None, ..connection }
}

fn class(builtin: Option<Builtin>, transform: Transform) -> Spec {
    let recognise = Recognise { builtin, fields: vec!["a".into(), "b".into()] };
    Spec::DataClass(DataClass { class: ClassName::parse("pii.a").unwrap(), recognise, transform })
}

fn secret(source: SecretSource) -> Spec {
    let sent_to = ["https://a.test", "http://b.test:81"].map(|origin| Origin::parse(origin).unwrap());
    Spec::Secret(Secret { source, sent_to: sent_to.into() })
}

fn specs() -> Vec<Spec> {
    let claims = BTreeMap::from([
        ("a".to_owned(), ClaimCondition::Equals("x".into())),
        ("b".to_owned(), ClaimCondition::Integer(IntegerIs { integer: -7 })),
        ("c".to_owned(), ClaimCondition::Contains(ContainsText { contains: "y".into() })),
    ]);
    vec![
        issuer(KeySource::Discover {}),
        issuer(KeySource::Keys("{}".into())),
        Spec::Identity(Identity {
            issuer: name("ci"),
            claims,
            run: "run_id".into(),
            owner: "o".into(),
            groups: vec![name("g")],
            environment: Some(name("e")),
            expires: Some(9),
            suspended: true,
        }),
        Spec::Connection(Connection {
            protocol: Protocol::Http,
            upstream: Origin::parse("https://a.test:8443").unwrap(),
            upstream_ca: Some("pem".into()),
            environment: None,
            recording: Recording::Standard,
            session_grace: Duration::from_millis(1500),
            response_timeout: Duration::from_secs(9),
            hold: Duration::from_secs(8),
            nodes: BTreeMap::from([("zone".to_owned(), "a".to_owned())]),
            credential: None,
            mask: None,
            access: Access::Any,
            stale: Stale::Refuse,
        }),
        Spec::Connection(Connection { mask: Some(vec![]), ..plain_connection() }),
        Spec::Connection(Connection { access: Access::Read, ..plain_connection() }),
        Spec::Connection(Connection {
            access: Access::Read,
            stale: Stale::Serve(Duration::from_millis(1500)),
            ..plain_connection()
        }),
        class(Some(Builtin::PaymentCard), Transform::KeepLast(4)),
        class(Some(Builtin::Email), Transform::KeyedHash),
        class(None, Transform::Redact),
        connection_with(CredentialForm::Bearer),
        connection_with(CredentialForm::Basic("svc".into())),
        connection_with(CredentialForm::Header("X-Api-Key".into())),
        connection_with(CredentialForm::Query("api_key".into())),
        secret(SecretSource::File("/run/secrets/a".into())),
        secret(SecretSource::Env("HOOP_SECRET_A".into())),
        secret(SecretSource::Sealed),
        Spec::Person(Person {
            issuer: name("people"),
            claims: BTreeMap::from([("sub".to_owned(), ClaimCondition::Equals("x".into()))]),
            teams: vec![name("on-call")],
            suspended: true,
        }),
        Spec::Role(Role { teams: vec![name("platform")], rights: Right::ALL.into() }),
        Spec::Policy(Policy { cedar: "permit(principal, action, resource);".into() }),
    ]
}

#[test]
fn an_object_of_every_kind_reads_back_the_same() {
    for spec in specs() {
        let metadata =
            Metadata { name: name("x"), uid: Uid::mint(7), generation: 3, revision: Revision { epoch: 1, index: 9 } };
        let object = Object { metadata, spec };
        let bytes = v1::Object::from(&object).encode_to_vec();
        let read = v1::Object::decode(bytes.as_slice()).unwrap();
        assert_eq!(Object::try_from(read), Ok(object));
    }
}

#[test]
fn a_spec_that_breaks_a_rule_does_not_read() {
    let mut spoilt = Vec::new();
    for spec in specs() {
        let mut wire = v1::Spec::from(&spec);
        let field = match wire.kind.as_mut().unwrap() {
            v1::spec::Kind::Issuer(issuer) => {
                issuer.algorithms = vec!["HS256".into()];
                "algorithms"
            }
            v1::spec::Kind::Identity(identity) => {
                identity.claims.clear();
                "claims"
            }
            v1::spec::Kind::Connection(v1::Connection { credential: Some(credential), .. }) => {
                credential.form = Some(v1::credential::Form::Bearer(false));
                "credential.as.bearer"
            }
            v1::spec::Kind::Connection(v1::Connection { mask: Some(mask), .. }) => {
                mask.classes = vec!["PII".into()];
                "mask"
            }
            v1::spec::Kind::DataClass(class) if class.builtin.is_some() => {
                class.builtin = Some(99);
                "recognise.builtin"
            }
            v1::spec::Kind::DataClass(class) => {
                class.transform = Some(v1::data_class::Transform::Redact(false));
                "transform.redact"
            }
            v1::spec::Kind::Connection(connection) => {
                connection.protocol = 99;
                "protocol"
            }
            v1::spec::Kind::Role(role) => {
                role.rights = vec!["admin:*".into()];
                "rights"
            }
            v1::spec::Kind::Person(person) => {
                person.teams = vec![String::new()];
                "teams"
            }
            v1::spec::Kind::Policy(policy) => {
                policy.cedar.clear();
                "cedar"
            }
            v1::spec::Kind::Secret(secret) => {
                secret.sent_to = vec!["https://a.test/path".into()];
                "for"
            }
        };
        assert_eq!(Spec::try_from(wire).unwrap_err().field, field);
        spoilt.push(field);
    }
    assert_eq!(spoilt.len(), specs().len());
    assert!(Spec::try_from(v1::Spec { kind: None }).is_err());
    assert!(Object::try_from(v1::Object::default()).is_err());
}

#[test]
fn se_02_debug_of_a_message_with_a_value_does_not_print_it() {
    let value = b"CANARY-5c1e".to_vec();
    let set = v1::SetSecretRequest { name: "a".into(), value: value.clone(), ..Default::default() };
    let opened = v1::OpenedSecret { secret_uid: vec![1; 16], version: 3, value: value.clone() };
    let snapshot = v1::Snapshot { secrets: vec![opened], digest_key: vec![1; 32], ..Default::default() };
    let sent = v1::ToNode { message: Some(v1::to_node::Message::Snapshot(snapshot)) };
    let shown = format!("{set:?} {set:#?} {sent:?} {sent:#?}");
    assert!(shown.contains("version: 3") && shown.contains("must_have_value"), "{shown}");
    let as_list = format!("{value:?}");
    assert!(!shown.contains("CANARY") && !shown.contains(as_list.trim_matches(['[', ']'])), "{shown}");
}
