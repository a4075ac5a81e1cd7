//! Whose tokens stand for people, and what the configuration must be for that.

use super::{Plane, SSO, claims, people, person, policy, signed, sso, token_of};
use crate::tests::{document, identity, issuer};
use hoop_model::{Kind, Uid};
use hoop_wire::v1::{self, spec};
use tonic::Code;

#[tokio::test]
async fn ap_11_a_token_is_a_persons_or_nobodys() {
    let plane = Plane::start().await;
    let ada = token_of("ada-id");
    assert_eq!(plane.list_as(&ada).await.unwrap_err().code(), Code::Unauthenticated, "nobody trusts the issuer yet");
    plane.apply(people()).await.unwrap();
    assert_eq!(plane.list_as(&ada).await.unwrap(), []);
    let other_issuer = claims("ada-id", 600).replace(SSO, "https://ci.example.com");
    let cases = [
        (signed("k1", &claims("ada-id", -60)), Code::Unauthenticated),
        (signed("k1", &claims("ada-id", 7_200)), Code::Unauthenticated),
        (signed("k1", &claims("ada-id", 600).replace("\"hoop\"", "\"other\"")), Code::Unauthenticated),
        (signed("k1", &other_issuer.replace("\"hoop\"", "\"gw://prod\"")), Code::PermissionDenied),
        (format!("{}.{}", ada.rsplit_once('.').unwrap().0, super::b64([0; 64])), Code::Unauthenticated),
        (token_of("mallory-id"), Code::PermissionDenied),
        (token_of("ada-id "), Code::PermissionDenied),
    ];
    for (token, code) in cases {
        assert_eq!(plane.list_as(&token).await.unwrap_err().code(), code, "{token}");
    }
    let unknown_key = plane.list_as(&signed("k2", &claims("ada-id", 600))).await.unwrap_err();
    assert_eq!(unknown_key.code(), Code::Unauthenticated);
    assert!(unknown_key.message().contains("try again"), "{}", unknown_key.message());
    plane.apply(vec![person("ada", &["on-call"], true)]).await.unwrap();
    assert_eq!(plane.list_as(&ada).await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn who_comes_is_signed_in_once_a_minute() {
    let plane = Plane::start().await;
    plane.apply(people()).await.unwrap();
    let uid = |name: &str| -> Uid { plane.object(Kind::Person, name).metadata.uid };
    let signed_in = |name: &str| plane.running.cluster.state().signed_in(uid(name));
    assert_eq!(signed_in("ada"), None);
    plane.list_as(&token_of("ada-id")).await.unwrap();
    let at = signed_in("ada").unwrap();
    plane.list_as(&token_of("ada-id")).await.unwrap();
    assert_eq!((signed_in("ada"), signed_in("bob")), (Some(at), None));
    plane.list_as(&plane.token).await.unwrap();
    assert_eq!(plane.running.cluster.state().sign_ins().count(), 1);
}

#[tokio::test]
async fn a_hold_for_a_team_that_could_not_release_it_is_refused() {
    let plane = Plane::start().await;
    plane.apply(people()).await.unwrap();
    let hold = |team: &str, quorum: u8| {
        let text = format!(
            r#"@hold("{team}") @quorum("{quorum}") forbid (principal, action == Hoop::Action::"http:PUT", resource);"#
        );
        vec![policy("more", &text)]
    };
    for (team, quorum) in [("nobody", 1), ("on-call", 4), ("dba", 2)] {
        let refused = plane.apply(hold(team, quorum)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(team) && refused.message().contains("more"), "{}", refused.message());
    }
    plane.apply(hold("dba", 1)).await.unwrap();
    // Who is needed stays.
    assert_eq!(plane.delete("Person", "cyd").await.unwrap_err().code(), Code::FailedPrecondition);
    let suspended = plane.apply(vec![person("cyd", &["on-call", "dba"], true)]).await;
    assert_eq!(suspended.unwrap_err().code(), Code::InvalidArgument);
    plane.delete("Person", "eve").await.unwrap();
    assert_eq!(plane.delete("Issuer", "sso").await.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn people_and_identities_do_not_share_an_issuer() {
    let plane = Plane::start().await;
    plane.apply(people()).await.unwrap();
    let mut twin = person("ada", &[], false);
    twin.name = "ada-again".into();
    let of_an_identity = {
        let mut of_ci = person("zoe", &[], false);
        let Some(spec::Kind::Person(zoe)) = of_ci.spec.as_mut().and_then(|spec| spec.kind.as_mut()) else { panic!() };
        zoe.issuer = "ci".into();
        of_ci
    };
    let by_mail = {
        let is = v1::claim_condition::Condition::Equals("zoe@example.com".into());
        let claims = [("email".to_owned(), v1::ClaimCondition { condition: Some(is) })].into();
        document("zoe", spec::Kind::Person(v1::Person { issuer: "sso".into(), claims, ..Default::default() }))
    };
    let bad = [
        sso("sso-of-machines", v1::issuer::Audience::Identities),
        identity("robot", "sso", "agents"),
        twin,
        of_an_identity,
        by_mail,
    ];
    for wrong in bad {
        let name = wrong.name.clone();
        let refused = plane.apply(vec![wrong, issuer("another")]).await;
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument, "{name}");
    }
}
