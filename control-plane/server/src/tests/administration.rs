//! Apply, delete, get, list.

use super::{PERMIT, Plane, connection, document, identity, issuer, names, policy, world};
use hoop_wire::v1::apply_response::Outcome;
use hoop_wire::v1::{self, precondition, spec};
use tonic::Code;

fn outcomes(response: &v1::ApplyResponse) -> Vec<Outcome> {
    response.applied.iter().map(v1::apply_response::Applied::outcome).collect()
}

#[tokio::test]
async fn what_is_applied_is_listed_and_outlives_a_restart() {
    let plane = Plane::start().await;
    let applied = plane.apply(world()).await.unwrap();
    assert_eq!(outcomes(&applied), [Outcome::Created; 4]);
    let before = plane.list().await;
    assert_eq!(names(&before.objects), ["ci", "nightly", "react", "agents-on-react"]);
    assert_eq!(before.revision, applied.revision);

    let plane = plane.restart().await.unwrap();
    assert_eq!(plane.list().await, before);
    let again = plane.apply(world()).await.unwrap();
    assert_eq!(outcomes(&again), [Outcome::Unchanged; 4]);
    assert_eq!(again.revision, before.revision, "what changes nothing makes no revision");

    let get = v1::GetRequest { kind: "Connection".into(), name: "react".into() };
    let got = plane.admin().await.get(plane.by_admin(get)).await.unwrap().into_inner();
    assert_eq!(got.object.as_ref(), before.objects.get(2));
    let get = v1::GetRequest { kind: "Connection".into(), name: "absent".into() };
    let missing = plane.admin().await.get(plane.by_admin(get)).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}

#[tokio::test]
async fn cp_13_an_apply_with_one_bad_document_leaves_everything_as_it_was() {
    let plane = Plane::start().await;
    plane.apply(world()).await.unwrap();
    let before = plane.list().await;
    let deep = format!("permit (principal, action, resource) when {{ {}true{} }};", "(".repeat(500), ")".repeat(500));
    let bad = [
        ("does not parse", policy("p", "permit (principal")),
        ("unknown action", policy("p", &PERMIT.replace("connect", "conect"))),
        ("unknown group", policy("p", &PERMIT.replace("agents", "agent"))),
        ("unknown connection", policy("p", &PERMIT.replace("react", "reakt"))),
        ("unknown annotation", policy("p", &format!("@note(\"x\") {PERMIT}"))),
        ("empty", policy("p", " ")),
        ("only a comment", policy("p", "// nothing")),
        ("null", policy("p", "null")),
        ("deeply nested", policy("p", &deep)),
        ("too large", policy("p", &format!("{PERMIT}//{}", "x".repeat(256 << 10)))),
        ("unknown issuer", identity("other", "cj", "agents")),
        ("overlapping identity", {
            let mut twin = identity("nightly", "ci", "agents");
            twin.name = "twin".into();
            twin
        }),
        ("no spec", v1::Document { name: "p".into(), ..Default::default() }),
        ("no kind", v1::Document { name: "p".into(), spec: Some(v1::Spec::default()), precondition: None }),
        ("a CA that no node could use", {
            let connection = v1::Connection {
                protocol: v1::connection::Protocol::Http.into(),
                upstream: "https://x.example.com".into(),
                upstream_ca: Some("garbage".into()),
                recording: v1::connection::Recording::Standard.into(),
                response_timeout_ms: 1000,
                ..Default::default()
            };
            let spec = v1::Spec { kind: Some(v1::spec::Kind::Connection(connection)) };
            v1::Document { name: "c".into(), spec: Some(spec), precondition: None }
        }),
        ("protocol missing", {
            let bare = v1::Connection { upstream: "https://x.example.com".into(), ..Default::default() };
            document("c", spec::Kind::Connection(bare))
        }),
        ("bad name", connection("Not A Name", &[])),
    ];
    let count = bad.len();
    for (why, document) in bad {
        let good = connection("another", &[]);
        let refused = plane.apply(vec![good, document]).await.expect_err(why);
        assert_eq!(refused.code(), Code::InvalidArgument, "{why}: {refused:?}");
        assert!(!refused.message().is_empty());
        assert_eq!(plane.list().await, before, "{why}");
    }
    assert_eq!(count, 17);
}

#[tokio::test]
async fn a_refused_apply_names_document_and_field() {
    let plane = Plane::start().await;
    let mut wrong = connection("react", &[]);
    if let Some(spec::Kind::Connection(spec)) = wrong.spec.as_mut().and_then(|spec| spec.kind.as_mut()) {
        spec.upstream = "react".into();
    }
    let refused = plane.apply(vec![issuer("ci"), wrong]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(refused.message(), "document 2 (Connection `react`): `upstream` is not well-formed");
    let twice = plane.apply(vec![issuer("ci"), issuer("ci")]).await.unwrap_err();
    assert_eq!(twice.message(), "document 2 (Issuer `ci`): is given twice");
    assert_eq!(plane.apply(vec![]).await.unwrap_err().code(), Code::InvalidArgument);
    let absent = Some(v1::Precondition { expect: Some(precondition::Expect::Absent(false)) });
    let unclear = plane.apply(vec![v1::Document { precondition: absent, ..issuer("ci") }]).await.unwrap_err();
    assert_eq!(unclear.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_dry_run_says_what_would_become_and_changes_nothing() {
    let plane = Plane::start().await;
    plane.apply(world()).await.unwrap();
    let before = plane.list().await;
    let documents = vec![connection("react", &[("zone", "a")]), connection("new", &[]), issuer("ci")];
    let trial = v1::ApplyRequest { documents, dry_run: true, ..Default::default() };
    let said = plane.apply_as(trial.clone()).await.unwrap();
    assert_eq!(outcomes(&said), [Outcome::Changed, Outcome::Created, Outcome::Unchanged]);
    assert_eq!(said.revision, before.revision);
    assert_eq!(plane.list().await, before);

    let bad = v1::ApplyRequest { documents: vec![policy("p", "permit")], ..trial.clone() };
    assert_eq!(plane.apply_as(bad).await.unwrap_err().code(), Code::InvalidArgument);
    let absent = Some(v1::Precondition { expect: Some(precondition::Expect::Absent(true)) });
    let exists = vec![v1::Document { precondition: absent, ..issuer("ci") }];
    let refused = plane.apply_as(v1::ApplyRequest { documents: exists, ..trial }).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
}

#[tokio::test]
async fn a_repeat_under_the_same_key_gets_the_same_reply_whatever_happened_since() {
    let plane = Plane::start().await;
    let keyed = v1::ApplyRequest { documents: world(), idempotency_key: vec![9; 16], ..Default::default() };
    let first = plane.apply_as(keyed.clone()).await.unwrap();
    plane.delete("Policy", "agents-on-react").await.unwrap();
    let after = plane.list().await;
    assert_eq!(plane.apply_as(keyed.clone()).await.unwrap(), first);
    assert_eq!(plane.list().await, after, "the repeat did not bring the policy back");

    let other = v1::ApplyRequest { documents: vec![issuer("other")], ..keyed.clone() };
    assert_eq!(plane.apply_as(other).await.unwrap_err().code(), Code::InvalidArgument);
    let short = v1::ApplyRequest { idempotency_key: vec![9; 15], ..keyed };
    assert_eq!(plane.apply_as(short).await.unwrap_err().code(), Code::InvalidArgument);

    let delete = v1::DeleteRequest {
        kind: "Connection".into(),
        name: "react".into(),
        precondition: None,
        idempotency_key: vec![8; 16],
    };
    let mut admin = plane.admin().await;
    let deleted = admin.delete(plane.by_admin(delete.clone())).await.unwrap().into_inner();
    assert_eq!(admin.delete(plane.by_admin(delete)).await.unwrap().into_inner(), deleted);
}

#[tokio::test]
async fn applies_that_race_are_judged_anew_until_all_are_in() {
    let plane = Plane::start().await;
    plane.apply(world()).await.unwrap();
    let applies = (0..6).map(|i| plane.apply(vec![connection(&format!("c{i}"), &[])]));
    let replies = futures_util::future::join_all(applies).await;
    let mut revisions: Vec<u64> = replies.into_iter().map(|r| r.unwrap().revision.unwrap().index).collect();
    revisions.sort_unstable();
    revisions.dedup();
    assert_eq!(revisions.len(), 6, "each is its own revision");
    assert_eq!(plane.list().await.objects.len(), 10);
}

#[tokio::test]
async fn nothing_is_deleted_that_the_rest_names() {
    let plane = Plane::start().await;
    plane.apply(world()).await.unwrap();
    let before = plane.list().await;
    // By reference, by what a policy names, and by the group that only this identity gives existence to.
    for (kind, name) in [("Issuer", "ci"), ("Connection", "react"), ("Identity", "nightly")] {
        let refused = plane.delete(kind, name).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{kind}: {refused:?}");
        assert_eq!(plane.list().await, before);
    }
    for (kind, name) in
        [("Policy", "agents-on-react"), ("Connection", "react"), ("Identity", "nightly"), ("Issuer", "ci")]
    {
        plane.delete(kind, name).await.unwrap();
    }
    assert!(plane.list().await.objects.is_empty());
    assert_eq!(plane.delete("Issuer", "ci").await.unwrap_err().code(), Code::NotFound);
    assert_eq!(plane.delete("Isuer", "ci").await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_precondition_on_the_revision_seen_protects_a_change() {
    let plane = Plane::start().await;
    let first = plane.apply(world()).await.unwrap().revision;
    let at = |revision| Some(v1::Precondition { expect: Some(precondition::Expect::Revision(revision)) });
    let change = |zone, revision| v1::Document { precondition: at(revision), ..connection("react", &[("zone", zone)]) };
    let second = plane.apply(vec![change("a", first.unwrap())]).await.unwrap().revision;
    let stale = plane.apply(vec![change("b", first.unwrap())]).await.unwrap_err();
    assert_eq!(stale.code(), Code::FailedPrecondition);
    plane.apply(vec![change("b", second.unwrap())]).await.unwrap();
}

#[tokio::test]
async fn the_whole_must_fit_one_snapshot() {
    let plane = Plane::start().await;
    let text = |name: &str| policy(name, &format!("{PERMIT}\n//{}", "x".repeat(255 << 10)));
    plane.apply(world()).await.unwrap();
    plane.apply((0..30).map(|i| text(&format!("a{i}"))).collect()).await.unwrap();
    plane.apply((0..30).map(|i| text(&format!("b{i}"))).collect()).await.unwrap();
    let refused = plane.apply(vec![text("c")]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    assert!(refused.message().contains("all objects and values together"), "{}", refused.message());
    assert_eq!(plane.list().await.objects.len(), 64);
}

#[tokio::test]
async fn cluster_status_says_what_this_node_knows() {
    let plane = Plane::start().await;
    let revision = plane.apply(world()).await.unwrap().revision;
    let request = plane.by_admin(v1::ClusterStatusRequest {});
    let status = plane.admin().await.cluster_status(request).await.unwrap().into_inner();
    assert_eq!((status.revision, status.leader, status.voters.as_slice()), (revision, Some(1), &[1][..]));
    assert!(status.applied_index > 0 && status.log_time_ms > 0 && status.cluster_version == 1, "{status:?}");
}
