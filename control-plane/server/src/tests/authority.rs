//! Who may call what (CP-10): every method of the contract, with every kind of caller.

use super::approvals::{people, token_of};
use super::{Node, Plane, role};
use crate::authorise::{METHODS, Requires};
use hoop_model::spec::Right;
use hoop_model::{ResourceName, Uid};
use hoop_node::clock::unix_now;
use hoop_node::pki::{ClusterCa, NodeKey, Role, Subject, pem};
use hoop_rpc::SERVER_NAME;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

/// Reads the methods from the contract itself, so that one added there is missed here.
fn contract() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto/hoop/v1");
    let mut methods = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let mut service = String::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["service", name, ..] => service = (*name).to_owned(),
                ["rpc", rest, ..] => {
                    let method = rest.split('(').next().unwrap();
                    methods.insert(format!("/hoop.v1.{service}/{method}"));
                }
                _ => {}
            }
        }
    }
    methods
}

#[test]
fn every_method_of_the_contract_has_exactly_one_row() {
    let rows: Vec<String> = METHODS.iter().map(|(path, _)| (*path).to_owned()).collect();
    let unique: BTreeSet<String> = rows.iter().cloned().collect();
    assert_eq!(rows.len(), unique.len());
    assert_eq!(unique, contract());
    assert_eq!(rows.len(), 35);
}

async fn call(channel: Channel, path: &str, authorization: &[String]) -> Code {
    let mut request = Request::new(());
    for value in authorization {
        request.metadata_mut().append("authorization", value.parse().unwrap());
    }
    let mut client = tonic::client::Grpc::new(channel);
    if client.ready().await.is_err() {
        return Code::Unavailable;
    }
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    // Whoever is denied is denied before anything else is said; some of the methods never end by themselves.
    let reply = client.server_streaming(request, path.parse().unwrap(), codec).await;
    reply.map_or_else(|status: Status| status.code(), |_: tonic::Response<Streaming<()>>| Code::Ok)
}

fn certified(ca: &ClusterCa, name: &str, uid: Uid, role: Role, (age, lifetime): (Duration, Duration)) -> Node {
    let key = NodeKey::generate().unwrap();
    let name = ResourceName::parse(name).unwrap();
    let then = hoop_model::UnixMillis(unix_now().0 - age.as_millis() as u64);
    let subject = Subject { node: &name, uid, role };
    let certificate = ca.sign_request(&key.request(&name).unwrap(), &subject, then, lifetime).unwrap();
    let key = key.to_pem().reveal().clone();
    Node { certificate: pem(&certificate, "CERTIFICATE"), key, labels: Default::default() }
}

fn uid_of(plane: &Plane, node: &str) -> Uid {
    plane.running.cluster.state().node(&ResourceName::parse(node).unwrap()).unwrap().uid
}

/// A caller: what it shows, and which requirements that meets.
struct Case {
    who: &'static str,
    node: Option<Node>,
    authorization: Vec<String>,
    meets: fn(&Requires) -> bool,
}

#[tokio::test]
async fn cp_10_every_method_is_denied_to_every_caller_but_its_own() {
    let plane = Plane::start().await;
    plane.apply(people()).await.unwrap();
    plane.apply(vec![role("operators", &["finance"], &[Right::Read, Right::Revoke])]).await.unwrap();
    let ca = plane.running.cluster.ca();
    let other = Plane::start().await;
    let day = Duration::from_secs(86_400);
    let now = Duration::ZERO;
    let bearer = |token: &str| vec![format!("Bearer {token}")];
    let admin = bearer(&plane.token);
    let wrong_token = bearer(&"0".repeat(64));
    let join = |requires: &Requires| *requires == Requires::OneTimeToken;
    let as_admin = |requires: &Requires| match requires {
        Requires::Right(_) | Requires::Anybody | Requires::OneTimeToken => true,
        Requires::Person | Requires::NodeCertificate => false,
    };
    let as_person =
        |requires: &Requires| matches!(requires, Requires::OneTimeToken | Requires::Person | Requires::Anybody);
    let as_operator = |requires: &Requires| match requires {
        Requires::Right(right) => matches!(right, Right::Read | Right::Revoke),
        Requires::OneTimeToken | Requires::Person | Requires::Anybody => true,
        Requires::NodeCertificate => false,
    };
    let as_node = |requires: &Requires| matches!(requires, Requires::OneTimeToken | Requires::NodeCertificate);
    let case = |who, node, authorization, meets| Case { who, node, authorization, meets };
    let node = plane.joined("n1", &[]).await;
    let (n1, earlier) = (uid_of(&plane, "n1"), Uid::mint(1));
    let signed = |name, uid, role| Some(certified(ca, name, uid, role, (now, day)));
    let cases = [
        case("nobody", None, vec![], join),
        case("wrong token", None, wrong_token, join),
        case("token of another cluster", None, bearer(&other.token), join),
        case("the first token, which is used up", None, bearer(&plane.first), join),
        case("another cluster's first token", None, bearer(&other.first), join),
        case("token without its scheme", None, vec![plane.token.clone()], join),
        case("token in another scheme", None, vec![format!("Basic {}", plane.token)], join),
        case("empty token", None, bearer(""), join),
        case("two tokens", None, vec![admin.concat(), admin.concat()], join),
        case("administrator", None, admin.clone(), as_admin),
        case("person without a role", None, bearer(&token_of("ada-id")), as_person),
        case("person with a role", None, bearer(&token_of("eve-id")), as_operator),
        case("nobody's token", None, bearer(&token_of("mallory-id")), join),
        case("person and administrator", None, vec![admin.concat(), bearer(&token_of("ada-id")).concat()], join),
        case("node", Some(node), vec![], as_node),
        case("unknown node", signed("ghost", n1, Role::DataPlane), vec![], join),
        case("node of its name that was removed", signed("n1", earlier, Role::DataPlane), vec![], join),
        case("voter", signed("n1", n1, Role::ControlPlane), vec![], join),
        case("voter and administrator", signed("n1", n1, Role::ControlPlane), admin, as_admin),
    ];
    let (mut allowed, mut denied) = (0, 0);
    for Case { who, node, authorization, meets } in cases {
        let client = node.as_ref().map(|node| (node.certificate.as_str(), node.key.as_str()));
        let channel = plane.channel(client).await;
        for (path, requires) in METHODS {
            // It would end the session that the next calls show; tests of signing in call it.
            if *path == "/hoop.v1.SignIn/End" && meets(&Requires::Right(Right::Apply)) {
                continue;
            }
            let code = call(channel.clone(), path, &authorization).await;
            let is_denied = matches!(code, Code::Unauthenticated | Code::PermissionDenied);
            assert_eq!(is_denied, !meets(requires), "{who} on {path}: {code:?}");
            *(if is_denied { &mut denied } else { &mut allowed }) += 1;
        }
        for path in ["/hoop.v1.Admin/Nothing", "/hoop.v1.Nothing/Apply", "/", "/hoop.v1.Admin/Apply/"] {
            let code = call(channel.clone(), path, &authorization).await;
            assert!(matches!(code, Code::Unauthenticated | Code::PermissionDenied), "{who} on {path}: {code:?}");
        }
    }
    assert!(allowed >= 20 && denied >= 80, "{allowed} allowed, {denied} denied");
}

#[tokio::test]
async fn cp_10_a_certificate_that_is_not_valid_ends_the_connection() {
    let plane = Plane::start().await;
    plane.joined("n1", &[]).await;
    let n1 = uid_of(&plane, "n1");
    let foreign = ClusterCa::create(unix_now()).unwrap();
    let seconds = Duration::from_secs;
    let expired = certified(plane.running.cluster.ca(), "n1", n1, Role::DataPlane, (seconds(250), seconds(100)));
    let wrong_ca = certified(&foreign, "n1", n1, Role::DataPlane, (seconds(0), seconds(100)));
    for node in [expired, wrong_ca] {
        let endpoint = format!("https://{}", plane.running.address);
        let client = Some((node.certificate.as_str(), node.key.as_str()));
        let Ok(channel) = hoop_rpc::connect(&endpoint, &plane.running.ca_pem, SERVER_NAME, client).await else {
            continue;
        };
        for (path, _) in METHODS {
            let code = call(channel.clone(), path, &[format!("Bearer {}", plane.token)]).await;
            assert!(matches!(code, Code::Unavailable | Code::Unknown), "{path}: {code:?}");
        }
    }
}

#[tokio::test]
async fn cp_10_plaintext_is_not_spoken() {
    let plane = Plane::start().await;
    let mut socket = tokio::net::TcpStream::connect(plane.running.address).await.unwrap();
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // A reset is an end as well.
    let _ = socket.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.first() == Some(&21), "nothing but a TLS alert: {answer:?}");
}
