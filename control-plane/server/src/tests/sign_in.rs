//! Signing in, and who may what.

use super::approvals::{bearing, people, person, token_of};
use super::{Plane, config, connection, document, policy, role};
use crate::ControlPlane;
use hoop_model::spec::Right;
use hoop_wire::v1::{self, sign_in_client::SignInClient, spec};
use tonic::{Code, Status};

impl Plane {
    async fn who(&self, token: &str) -> Result<v1::WhoAmIResponse, Status> {
        let request = bearing(token, v1::WhoAmIRequest {});
        SignInClient::new(self.channel(None).await).who_am_i(request).await.map(tonic::Response::into_inner)
    }

    async fn apply_by(&self, token: &str, documents: Vec<v1::Document>) -> Result<v1::ApplyResponse, Status> {
        let request = bearing(token, v1::ApplyRequest { documents, ..Default::default() });
        self.admin().await.apply(request).await.map(tonic::Response::into_inner)
    }

    async fn delete_by(&self, token: &str, kind: &str, name: &str) -> Result<v1::DeleteResponse, Status> {
        let request = v1::DeleteRequest { kind: kind.into(), name: name.into(), ..Default::default() };
        self.admin().await.delete(bearing(token, request)).await.map(tonic::Response::into_inner)
    }
}

fn denied(result: Result<impl std::fmt::Debug, Status>) -> String {
    let status = result.unwrap_err();
    assert!(matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated), "{status:?}");
    status.message().to_owned()
}

#[tokio::test]
async fn cp_11_the_first_token_opens_one_session_and_nothing_else_whatever_crashes() {
    let plane = Plane::start().await;
    let who = plane.who(&plane.token).await.unwrap();
    assert_eq!((who.name.as_str(), who.person, who.rights.len()), ("administrator", false, Right::ALL.len()));
    assert!(denied(plane.sign_in(&plane.first).await).contains("used up"));
    assert!(denied(plane.who(&plane.first).await).contains("one-time token"));
    assert!(denied(plane.sign_in(&"0".repeat(64)).await).contains("not this cluster's"));
    assert!(denied(plane.sign_in(&"0".repeat(300)).await).contains("not this cluster's"));

    let plane = plane.restart().await.unwrap();
    assert!(denied(plane.sign_in(&plane.first).await).contains("used up"), "also after a restart");
    assert_eq!(plane.who(&plane.token).await.unwrap(), who, "and the session goes on");

    let end = bearing(&plane.token, v1::EndRequest {});
    SignInClient::new(plane.channel(None).await).end(end).await.unwrap();
    assert!(denied(plane.who(&plane.token).await).contains("no session"));
    assert!(denied(plane.apply_by(&plane.token, people()).await).contains("no session"));
}

#[tokio::test]
async fn who_has_the_seal_key_lets_themselves_in_once() {
    let plane = Plane::start().await;
    std::fs::write(plane.dir.path().join("data/ca.pem"), &plane.running.ca_pem).unwrap();
    let token = ControlPlane::recover(&config(plane.dir.path())).unwrap();
    let session = plane.sign_in(&token).await.unwrap();
    let who = plane.who(&session).await.unwrap();
    assert!(who.name.starts_with("recovery/") && who.rights.len() == Right::ALL.len(), "{who:?}");
    assert!(denied(plane.sign_in(&token).await).contains("used up"));
    let forged = token.replace("recover-", "recover-0");
    assert!(denied(plane.sign_in(&forged).await).contains("not this cluster's"));
    let other = Plane::start().await;
    std::fs::write(other.dir.path().join("data/ca.pem"), &other.running.ca_pem).unwrap();
    let foreign = ControlPlane::recover(&config(other.dir.path())).unwrap();
    assert!(denied(plane.sign_in(&foreign).await).contains("not this cluster's"));
    let plane = plane.restart().await.unwrap();
    assert!(denied(plane.sign_in(&token).await).contains("used up"), "also after a restart");
    assert_eq!(plane.who(&session).await.unwrap().name, who.name);
}

#[tokio::test]
async fn cp_11_people_do_what_their_roles_say_and_what_changes_is_felt_at_once() {
    let plane = Plane::start().await;
    plane.apply(people()).await.unwrap();
    let eve = token_of("eve-id");
    let change = || vec![policy("more", "permit (principal, action == Hoop::Action::\"connect\", resource);")];
    assert!(denied(plane.apply_by(&eve, change()).await).contains("`admin:apply` is needed"));
    plane.apply(vec![role("finance", &["finance"], &[Right::Apply, Right::Read])]).await.unwrap();
    let who = plane.who(&eve).await.unwrap();
    assert_eq!((who.name.as_str(), who.person, who.teams), ("eve", true, vec!["finance".to_owned()]));
    assert_eq!(who.rights, ["admin:read", "admin:apply"]);
    plane.apply_by(&eve, change()).await.unwrap();
    plane.delete_by(&eve, "Policy", "more").await.unwrap();

    let secret = v1::Secret { source: Some(v1::secret::Source::Sealed(true)), sent_to: vec!["https://a.test".into()] };
    let use_secret = || vec![document("vault", spec::Kind::Secret(secret.clone()))];
    assert!(denied(plane.apply_by(&eve, use_secret()).await).contains("`admin:secret:use` is needed"));
    let role_of_own = || vec![role("finance", &["finance"], Right::ALL)];
    assert!(denied(plane.apply_by(&eve, role_of_own()).await).contains("`admin:people` is needed"));
    assert!(denied(plane.delete_by(&eve, "Person", "bob").await).contains("`admin:people` is needed"));

    plane.apply(vec![role("finance", &["finance"], &[Right::Apply, Right::People])]).await.unwrap();
    assert!(denied(plane.apply_by(&eve, role_of_own()).await).contains("which you do not have"));
    plane.apply_by(&eve, vec![person("bob", &["on-call", "finance"], false)]).await.unwrap();
    let without = vec![role("finance", &["nobody"], &[Right::Apply])];
    assert!(denied(plane.apply_by(&eve, without.clone()).await).contains("nobody would have"));
    assert!(denied(plane.apply(without).await).contains("nobody would have"), "not even by an administrator");

    plane.apply(vec![person("eve", &["on-call"], false)]).await.unwrap();
    assert!(denied(plane.apply_by(&eve, change()).await).contains("`admin:apply` is needed"));
    plane.apply(vec![person("eve", &["finance"], true)]).await.unwrap();
    assert!(denied(plane.who(&eve).await).contains("suspended"));
}

/// `orders`, which sends the secret `vault`, as `change` makes of it.
fn sending(change: impl FnOnce(&mut v1::Connection)) -> Vec<v1::Document> {
    let mut document = connection("orders", &[("zone", "a")]);
    let Some(v1::Spec { kind: Some(spec::Kind::Connection(connection)) }) = &mut document.spec else { unreachable!() };
    let form = Some(v1::credential::Form::Bearer(true));
    connection.credential = Some(v1::Credential { secret: "vault".into(), form });
    change(connection);
    vec![document]
}

#[tokio::test]
async fn cp_11_who_may_not_use_a_secret_cannot_have_it_sent_elsewhere() {
    let plane = Plane::start().await;
    let other = Plane::start().await.running.ca_pem.clone();
    let ca = &plane.running.ca_pem;
    plane.apply(people()).await.unwrap();
    plane.apply(vec![role("finance", &["finance"], &[Right::Apply, Right::Read])]).await.unwrap();
    let origins = ["https://react.internal.example.com", "https://b.test"].map(str::to_owned).to_vec();
    let secret = v1::Secret { source: Some(v1::secret::Source::Sealed(true)), sent_to: origins };
    let before = |connection: &mut v1::Connection| connection.upstream_ca = Some(ca.clone());
    let vault = document("vault", spec::Kind::Secret(secret));
    plane.apply([vec![vault], sending(before)].concat()).await.unwrap();

    let eve = token_of("eve-id");
    type Edit<'a> = &'a dyn Fn(&mut v1::Connection);
    let elsewhere: [(&str, Edit<'_>); 9] = [
        ("another authority", &|c| c.upstream_ca = Some(other.clone())),
        ("one authority more", &|c| c.upstream_ca = Some(format!("{ca}{other}"))),
        ("whatever the system trusts", &|c| c.upstream_ca = None),
        ("every node", &|c| c.nodes.clear()),
        ("other nodes", &|c| drop(c.nodes.insert("zone".into(), "b".into()))),
        ("nodes of another label", &|c| c.nodes = [("rack".into(), "1".into())].into()),
        ("another upstream", &|c| c.upstream = "https://b.test".into()),
        ("in the clear", &|c| (c.upstream, c.upstream_ca) = ("http://react.internal.example.com".into(), None)),
        ("another place in the request", &|c| {
            c.credential.as_mut().unwrap().form = Some(v1::credential::Form::Query("q".into()));
        }),
    ];
    for (what, edit) in elsewhere {
        let documents = sending(|connection| {
            before(connection);
            edit(connection);
        });
        let said = denied(plane.apply_by(&eve, documents).await);
        assert!(said.contains("Secret `vault`: the right `admin:secret:use` is needed"), "{what}: {said}");
    }
    let as_before: [(&str, Edit<'_>); 3] = [
        ("as it is", &|_| ()),
        ("fewer nodes", &|c| drop(c.nodes.insert("rack".into(), "1".into()))),
        ("another patience", &|c| (c.response_timeout_ms, c.hold_ms) = (1000, 0)),
    ];
    for (what, edit) in as_before {
        plane.apply(sending(before)).await.unwrap();
        let documents = sending(|connection| {
            before(connection);
            edit(connection);
        });
        assert!(plane.apply_by(&eve, documents).await.is_ok(), "{what}");
    }
    plane.apply_by(&eve, sending(|c| (c.credential, c.upstream_ca) = (None, None))).await.unwrap();
    let again = denied(plane.apply_by(&eve, sending(before)).await);
    assert!(again.contains("`admin:secret:use` is needed"), "what was taken away is not given back: {again}");
}
