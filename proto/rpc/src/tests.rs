//! Real handshakes between a real server and real clients.

use crate::authority::peer_certificate;
use crate::{ConnectError, MAX_MESSAGE_BYTES, SERVER_NAME, connect, server, server_tls};
use hoop_wire::v1::join_client::JoinClient;
use hoop_wire::v1::join_server::{Join, JoinServer};
use hoop_wire::v1::{JoinRequest, JoinResponse};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use std::net::SocketAddr;
use tonic::transport::Channel;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};

/// Answers with the caller's certificate, or with nothing for a caller that showed none.
struct WhoAmI;

#[tonic::async_trait]
impl Join for WhoAmI {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let certificate = peer_certificate(&request).unwrap_or_default();
        Ok(Response::new(JoinResponse { certificate, ..JoinResponse::default() }))
    }
}

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

struct Holder {
    cert: String,
    key: String,
    der: Vec<u8>,
}

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Authority { pem, issuer: Issuer::new(params, key) }
}

impl Authority {
    fn holder(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> Holder {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Holder { cert: cert.pem(), key: key.serialize_pem(), der: cert.der().to_vec() }
    }

    fn client(&self) -> Holder {
        self.holder("edge-1", ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn server(&self, name: &str) -> Holder {
        self.holder(name, ExtendedKeyUsagePurpose::ServerAuth)
    }
}

async fn serve(ca: &Authority, holder: &Holder) -> String {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse::<SocketAddr>().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    let service = JoinServer::new(WhoAmI).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let mut server = server(server_tls(&holder.cert, &holder.key, &ca.pem)).unwrap();
    tokio::spawn(server.add_service(service).serve_with_incoming(incoming));
    format!("https://{address}")
}

async fn ask(channel: Channel) -> Result<Vec<u8>, Status> {
    let answer = JoinClient::new(channel).join(JoinRequest::default()).await?;
    Ok(answer.into_inner().certificate)
}

fn pair(holder: &Holder) -> Option<(&str, &str)> {
    Some((&holder.cert, &holder.key))
}

#[tokio::test]
async fn a_client_without_a_certificate_connects_and_has_no_authority() {
    let ca = authority();
    let endpoint = serve(&ca, &ca.server(SERVER_NAME)).await;
    let channel = connect(&endpoint, &ca.pem, SERVER_NAME, None).await.unwrap();
    assert_eq!(ask(channel).await.unwrap(), Vec::<u8>::new());
}

#[tokio::test]
async fn the_service_sees_exactly_the_certificate_that_the_client_proved() {
    let ca = authority();
    let endpoint = serve(&ca, &ca.server(SERVER_NAME)).await;
    let client = ca.client();
    let channel = connect(&endpoint, &ca.pem, SERVER_NAME, pair(&client)).await.unwrap();
    assert_eq!(ask(channel).await.unwrap(), client.der);
}

#[tokio::test]
async fn a_certificate_of_another_ca_or_for_servers_is_not_treated_as_none() {
    let (ca, other) = (authority(), authority());
    let endpoint = serve(&ca, &ca.server(SERVER_NAME)).await;
    for holder in [other.client(), ca.server("edge-1")] {
        let refused = match connect(&endpoint, &ca.pem, SERVER_NAME, pair(&holder)).await {
            Ok(channel) => ask(channel).await.is_err(),
            Err(ConnectError::Unreachable { .. }) => true,
            Err(other) => panic!("{other}"),
        };
        assert!(refused);
    }
}

#[tokio::test]
async fn a_server_of_another_ca_or_name_or_with_a_clients_certificate_is_not_trusted() {
    let (ca, other) = (authority(), authority());
    let impostors = [
        other.server(SERVER_NAME),
        ca.server("elsewhere.hoop.internal"),
        ca.holder(SERVER_NAME, ExtendedKeyUsagePurpose::ClientAuth),
    ];
    for impostor in impostors {
        let endpoint = serve(&ca, &impostor).await;
        let result = connect(&endpoint, &ca.pem, SERVER_NAME, None).await;
        assert!(matches!(result, Err(ConnectError::Unreachable { .. })));
    }
}

#[tokio::test]
async fn only_https_with_host_and_port_is_an_endpoint() {
    let ca = authority();
    let bad = [
        "",
        "http://a:1",
        "a:1",
        "https://a",
        "https://a:0",
        "https://:1",
        "https://u@a:1",
        "https://a:1/x",
        "https://a:1?q",
        "HTTPS//a:1",
        "unix:/run/x",
        "https://a:99999",
    ];
    for endpoint in bad {
        let result = connect(endpoint, &ca.pem, SERVER_NAME, None).await;
        assert!(matches!(result, Err(ConnectError::Endpoint { .. })), "{endpoint}");
    }
}

#[tokio::test]
async fn without_a_ca_or_a_usable_identity_nothing_is_dialled() {
    let ca = authority();
    let (client, stranger) = (ca.client(), ca.client());
    for pem in ["", "no pem", client.key.as_str()] {
        let result = connect("https://127.0.0.1:1", pem, SERVER_NAME, None).await;
        assert!(matches!(result, Err(ConnectError::NoAuthority)), "{pem}");
    }
    for pair in [("", ""), (client.cert.as_str(), ""), (&client.cert, stranger.key.as_str())] {
        let result = connect("https://127.0.0.1:1", &ca.pem, SERVER_NAME, Some(pair)).await;
        assert!(matches!(result, Err(ConnectError::Identity(_))), "{result:?}");
    }
    let result = connect("https://127.0.0.1:1", &ca.pem, "not a name", None).await;
    assert!(matches!(result, Err(ConnectError::Identity(_))), "{result:?}");
}

#[tokio::test]
async fn a_server_does_not_start_without_a_usable_certificate_key_and_ca() {
    let ca = authority();
    let (holder, stranger) = (ca.server(SERVER_NAME), ca.server(SERVER_NAME));
    assert!(server(server_tls(&holder.cert, &holder.key, &ca.pem)).is_ok());
    for (cert, key, ca) in [
        ("", holder.key.as_str(), ca.pem.as_str()),
        (&holder.cert, "", &ca.pem),
        (&holder.cert, &stranger.key, &ca.pem),
        (&holder.cert, &holder.key, ""),
    ] {
        assert!(server(server_tls(cert, key, ca)).is_err());
    }
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let ca = authority();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let result = connect(&format!("https://{closed}"), &ca.pem, SERVER_NAME, None).await;
    assert!(matches!(result, Err(ConnectError::Unreachable { .. })), "{result:?}");
}

/// The transport's own connect timeout ends with TCP: a server that never answers the handshake outlasted it.
#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_given_up_after_five_seconds() {
    let ca = authority();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", silent.local_addr().unwrap());
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    let result = connect(&endpoint, &ca.pem, SERVER_NAME, None).await;
    // Both deadlines fall on the same instant: either may speak.
    assert!(matches!(result, Err(ConnectError::TimedOut { .. } | ConnectError::Unreachable { .. })), "{result:?}");
    assert!((4900..5100).contains(&started.elapsed().as_millis()));
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused_and_one_below_is_not() {
    let ca = authority();
    let endpoint = serve(&ca, &ca.server(SERVER_NAME)).await;
    let channel = connect(&endpoint, &ca.pem, SERVER_NAME, None).await.unwrap();
    let mut client = JoinClient::new(channel);
    let of = |size| JoinRequest { certificate_request: vec![0; size], ..JoinRequest::default() };
    assert!(client.join(of(MAX_MESSAGE_BYTES - 64)).await.is_ok());
    let refused = client.join(of(MAX_MESSAGE_BYTES)).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
}
