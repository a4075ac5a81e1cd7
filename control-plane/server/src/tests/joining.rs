//! Joining (CP-11).

use super::{Node, Plane, world};
use crate::fleet::LEASE_MS;
use futures_util::future::join_all;
use hoop_model::ResourceName;
use hoop_node::clock::unix_now;
use hoop_node::pki::{self, NodeKey, PeerIdentity, pem};
use hoop_state::Change;
use hoop_wire::v1::join_client::JoinClient;
use hoop_wire::v1::node_receipt::Standing;
use hoop_wire::v1::{self, create_join_token_request::Role};
use std::time::Duration;
use tonic::Code;

#[tokio::test]
async fn cp_11_of_fifty_joins_with_one_token_exactly_one_succeeds() {
    let plane = Plane::start().await;
    let token = plane.join_token(&[("zone", "a")], 60_000).await.unwrap();
    let names: Vec<String> = (0..50).map(|i| format!("n{i}")).collect();
    let joins = join_all(names.iter().map(|name| plane.join(&token, name))).await;
    let (joined, refused): (Vec<_>, Vec<_>) = joins.into_iter().partition(Result::is_ok);
    assert_eq!((joined.len(), refused.len()), (1, 49));
    for refusal in refused {
        assert_eq!(refusal.err().unwrap().code(), Code::PermissionDenied);
    }
    let fleet = plane.fleet().await;
    assert_eq!(fleet.len(), 1);
    let node = joined.into_iter().next().unwrap().unwrap();
    assert_eq!(node.labels, [("zone".to_string(), "a".to_string())].into());
    assert_eq!(fleet.values().next().unwrap().labels, node.labels);
    let plane = plane.restart().await.unwrap();
    assert_eq!(plane.join(&token, "late").await.err().unwrap().code(), Code::PermissionDenied, "spent for ever");
}

#[tokio::test]
async fn cp_11_an_expired_or_unknown_token_admits_nobody() {
    let plane = Plane::start().await;
    let short = plane.join_token(&[], 1_000).await.unwrap();
    let expiry = plane.running.cluster.state().log_time().after(Duration::from_secs(1));
    while plane.running.cluster.state().log_time() < expiry {
        // A clock far ahead: log time then goes twice as fast as time passes.
        let ahead = unix_now().after(Duration::from_secs(3_600));
        plane.running.cluster.replica().propose(Change::Tick, None, "test", ahead).await.unwrap();
    }
    let expired = plane.join(&short, "n1").await.err().unwrap();
    assert_eq!((expired.code(), expired.message()), (Code::PermissionDenied, "the join token expired"));
    for unknown in ["", "0", &"0".repeat(64), &"0".repeat(300), &plane.token] {
        assert_eq!(plane.join(unknown, "n1").await.err().unwrap().code(), Code::PermissionDenied, "{unknown}");
    }
    assert!(plane.fleet().await.is_empty());
}

#[tokio::test]
async fn cp_11_a_token_is_for_one_role_and_at_most_a_day() {
    let plane = Plane::start().await;
    let day = 24 * 3600 * 1000;
    for (role, lifetime_ms, accepted) in [
        (Role::DataPlane as i32, day, true),
        (Role::DataPlane as i32, day + 1, false),
        (Role::DataPlane as i32, u64::MAX, false),
        (Role::DataPlane as i32, 0, false),
        (Role::Unspecified as i32, day, false),
        (99, day, false),
    ] {
        let request =
            v1::CreateJoinTokenRequest { role, labels: Default::default(), lifetime_ms, again: String::new() };
        let reply = plane.admin().await.create_join_token(plane.by_admin(request)).await;
        match reply {
            Ok(_) => assert!(accepted, "{role} {lifetime_ms}"),
            Err(status) => {
                assert!(!accepted, "{role} {lifetime_ms}: {status:?}");
                assert_eq!(status.code(), Code::InvalidArgument);
            }
        }
    }
    let control = plane.join_token(&[("zone", "a\nb")], 60_000).await.unwrap_err();
    assert_eq!(control.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_join_that_cannot_be_served_costs_no_token() {
    let plane = Plane::start().await;
    plane.joined("taken", &[]).await;
    let token = plane.join_token(&[], 60_000).await.unwrap();
    assert_eq!(plane.join(&token, "taken").await.err().unwrap().code(), Code::AlreadyExists);
    let name = ResourceName::parse("n1").unwrap();
    let mut tampered = NodeKey::generate().unwrap().request(&name).unwrap();
    *tampered.last_mut().unwrap() ^= 1;
    for certificate_request in [vec![], vec![0; 10], tampered] {
        let request = v1::JoinRequest { token: token.clone(), node: "n1".into(), certificate_request };
        let refused = JoinClient::new(plane.channel(None).await).join(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    plane.join(&token, "n1").await.unwrap();
}

#[tokio::test]
async fn a_node_renews_its_own_certificate_and_no_other() {
    let plane = Plane::start().await;
    let first = plane.joined("n1", &[("zone", "a")]).await;
    plane.joined("n2", &[]).await;
    let key = NodeKey::generate().unwrap();
    // The request asks to be another node; who calls decides.
    let certificate_request = key.request(&ResourceName::parse("n2").unwrap()).unwrap();
    let channel = plane.channel(Some((&first.certificate, &first.key))).await;
    let request = v1::RenewCertificateRequest { certificate_request };
    let reply = v1::fleet_client::FleetClient::new(channel).renew_certificate(request).await.unwrap().into_inner();
    let peer = PeerIdentity::of(&reply.certificate).unwrap();
    assert_eq!((peer.node.as_str(), peer.role), ("n1", pki::Role::DataPlane));
    assert_eq!(reply.labels, first.labels, "labels stay those of the join token");
    let renewed = Node {
        certificate: pem(&reply.certificate, "CERTIFICATE"),
        key: key.to_pem().reveal().clone(),
        labels: reply.labels,
    };
    plane.attached(&renewed).await.snapshot().await;
}

#[tokio::test]
async fn a_removed_node_is_nobody_and_neither_is_its_certificate_once_another_has_its_name() {
    let plane = Plane::start().await;
    plane.apply(world()).await.unwrap();
    let node = plane.joined("n1", &[("zone", "a")]).await;
    let mut link = plane.attached(&node).await;
    link.snapshot().await;
    let revision = plane.list().await.revision;
    assert_eq!(link.renew(1, revision).await, LEASE_MS);

    let attached = plane.remove("n1", false).await.unwrap_err();
    assert_eq!(attached.code(), Code::FailedPrecondition, "{attached:?}");
    assert!(attached.message().contains("is attached"), "{attached:?}");
    let fenced_at = plane.remove("n1", true).await.unwrap().fenced_at_ms;
    assert!(fenced_at >= unix_now().0 + LEASE_MS, "a lease may have been granted just now");
    // What happens next is not for it to hear.
    plane.apply(vec![super::connection("another", &[])]).await.unwrap();
    let ended = link.hear().await.unwrap_err();
    assert_eq!((ended.code(), ended.message()), (Code::PermissionDenied, "the node is not in the cluster"));
    assert_eq!(plane.remove("n1", true).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(plane.remove("N", true).await.unwrap_err().code(), Code::InvalidArgument);

    let newer = plane.list().await.revision;
    let waited = plane.wait_applied(newer, 300).await.unwrap();
    let standings: Vec<_> = waited.nodes.iter().map(|node| (node.node.as_str(), node.standing())).collect();
    assert_eq!(standings, [("n1", Standing::FenceRunning)], "it may act until its lease is over");

    assert_eq!(plane.refused_to_attach(&node).await.code(), Code::PermissionDenied);
    let another = plane.joined("n1", &[]).await;
    assert_eq!(plane.refused_to_attach(&node).await.code(), Code::PermissionDenied);
    plane.attached(&another).await.snapshot().await;
    let waited = plane.wait_applied(newer, 300).await.unwrap();
    assert_eq!(waited.nodes.iter().map(|node| node.node.as_str()).collect::<Vec<_>>(), ["n1", "n1"], "both of them");
}

#[tokio::test]
async fn a_node_that_lost_its_certificate_joins_again_as_who_it_is() {
    let plane = Plane::start().await;
    let first = plane.joined("n1", &[("zone", "a")]).await;
    plane.joined("n2", &[]).await;
    let mint = async |again: &str, labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let again = again.to_owned();
        let role = Role::DataPlane.into();
        let request = v1::CreateJoinTokenRequest { role, labels, lifetime_ms: 60_000, again };
        plane.admin().await.create_join_token(plane.by_admin(request)).await.map(|reply| reply.into_inner().token)
    };
    assert_eq!(mint("nobody", &[]).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(mint("n1", &[("zone", "b")]).await.unwrap_err().code(), Code::InvalidArgument);
    let token = mint("n1", &[]).await.unwrap();
    for other in ["n2", "n3"] {
        assert_eq!(plane.join(&token, other).await.err().unwrap().code(), Code::PermissionDenied, "{other}");
    }
    let again = plane.join(&token, "n1").await.unwrap();
    assert_eq!(again.labels, first.labels);
    for node in [first, again] {
        plane.attached(&node).await.snapshot().await;
    }
    assert_eq!(plane.fleet().await.len(), 2, "it is the node that it was");
    assert_eq!(plane.join(&token, "n1").await.err().unwrap().code(), Code::PermissionDenied, "once");
}
