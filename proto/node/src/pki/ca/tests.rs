use super::*;
use crate::pki::{PeerIdentity, UntrustedPeer};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, Error, RootCertStore};
use rustls_pki_types::UnixTime;
use std::sync::Arc;

const NOW: UnixMillis = UnixMillis(1_790_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);

fn ca() -> ClusterCa {
    ClusterCa::create(NOW).unwrap()
}

fn node() -> ResourceName {
    ResourceName::parse("edge-1").unwrap()
}

fn subject(node: &ResourceName, role: Role) -> Subject<'_> {
    Subject { node, uid: Uid::mint(7), role }
}

fn request() -> Vec<u8> {
    NodeKey::generate().unwrap().request(&node()).unwrap()
}

fn roots(ca: &ClusterCa) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.certificate_der().to_vec().into()).unwrap();
    Arc::new(roots)
}

fn at(seconds_from_now: i64) -> UnixTime {
    let now = i64::try_from(NOW.to_seconds().0).unwrap();
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now + seconds_from_now).unwrap()))
}

/// Asks rustls whether a server that trusts `ca` accepts the certificate from a client.
fn as_client(ca: &ClusterCa, cert: &[u8], when: UnixTime) -> Result<(), Error> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(ca), default_provider().into()).build().unwrap();
    verifier.verify_client_cert(&cert.into(), &[], when).map(drop)
}

/// Asks rustls whether a client that trusts `ca` accepts the certificate from the server it calls `name`.
fn as_server(ca: &ClusterCa, cert: &[u8], name: &str, when: UnixTime) -> Result<(), Error> {
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(ca), default_provider().into()).build().unwrap();
    let name = ServerName::try_from(name).unwrap();
    verifier.verify_server_cert(&cert.into(), &[], &name, &[], when).map(drop)
}

fn refused(result: Result<(), Error>) -> CertificateError {
    match result {
        Err(Error::InvalidCertificate(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_nodes_certificate_is_accepted_from_a_client_and_says_who_it_is() {
    let ca = ca();
    for role in [Role::DataPlane, Role::ControlPlane] {
        let cert = ca.sign_request(&request(), &subject(&node(), role), NOW, NODE_LIFETIME).unwrap();
        as_client(&ca, &cert, at(0)).unwrap();
        let peer = PeerIdentity::of(&cert).unwrap();
        assert_eq!((peer.node, peer.role, peer.uid), (node(), role, Uid::mint(7)));
    }
}

#[test]
fn another_clusters_certificate_is_not_accepted() {
    let (ours, theirs) = (ca(), ca());
    let cert = theirs.sign_request(&request(), &subject(&node(), Role::DataPlane), NOW, HOUR).unwrap();
    as_client(&theirs, &cert, at(0)).unwrap();
    refused(as_client(&ours, &cert, at(0)));
    let (server, _) = theirs.issue_server(&[], NOW, HOUR).unwrap();
    refused(as_server(&ours, &server, SERVER_NAME, at(0)));
}

#[test]
fn a_node_cannot_sign_for_others() {
    let ca = ca();
    let key = NodeKey::generate().unwrap();
    let cert =
        ca.sign_request(&key.request(&node()).unwrap(), &subject(&node(), Role::ControlPlane), NOW, HOUR).unwrap();
    assert!(matches!(ClusterCa::open(&cert, key.pair().serialized_der()), Err(OpenError::NotACa)));
    let pretended = ClusterCa { certificate: cert.clone().into(), key, validity: 0..=u64::MAX };
    let forged = pretended.sign_request(&request(), &subject(&node(), Role::ControlPlane), NOW, HOUR).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(&ca), default_provider().into()).build().unwrap();
    assert!(verifier.verify_client_cert(&forged.into(), &[cert.into()], at(0)).is_err());
}

#[test]
fn a_certificate_is_valid_from_five_minutes_ago_until_its_lifetime_ends() {
    let ca = ca();
    let cert = ca.sign_request(&request(), &subject(&node(), Role::DataPlane), NOW, NODE_LIFETIME).unwrap();
    let day = i64::try_from(NODE_LIFETIME.as_secs()).unwrap();
    for when in [-300, 0, day] {
        as_client(&ca, &cert, at(when)).unwrap();
    }
    assert!(matches!(refused(as_client(&ca, &cert, at(-301))), CertificateError::NotValidYetContext { .. }));
    assert!(matches!(refused(as_client(&ca, &cert, at(day + 1))), CertificateError::ExpiredContext { .. }));
}

#[test]
fn nothing_is_issued_beyond_the_cas_own_validity() {
    let ca = ca();
    let end = NOW.after(CA_LIFETIME);
    let last = ca.sign_request(&request(), &subject(&node(), Role::DataPlane), end, NODE_LIFETIME).unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(&last).unwrap();
    assert_eq!(parsed.validity().not_after.timestamp(), i64::try_from(end.to_seconds().0).unwrap());
    for outside in [end.after(Duration::from_secs(1)), UnixMillis(0), UnixMillis(u64::MAX)] {
        let result = ca.sign_request(&request(), &subject(&node(), Role::DataPlane), outside, HOUR);
        assert!(matches!(result, Err(IssueError::OutsideCaValidity)), "{outside:?}");
    }
    assert!(matches!(ClusterCa::create(UnixMillis(u64::MAX)), Err(IssueError::OutsideCalendar)));
    assert!(ca.sign_request(&request(), &subject(&node(), Role::DataPlane), NOW, Duration::MAX).is_ok());
}

#[test]
fn a_server_certificate_has_the_fixed_name_and_the_given_ones_and_no_others() {
    let ca = ca();
    let names = ["cp.example.com", "CP.example.com", "10.0.0.7", "::1", SERVER_NAME].map(String::from);
    let (cert, _) = ca.issue_server(&names, NOW, SERVER_LIFETIME).unwrap();
    for name in [SERVER_NAME, "cp.example.com", "10.0.0.7", "::1"] {
        as_server(&ca, &cert, name, at(0)).unwrap();
    }
    for name in ["hoop.internal", "x.control-plane.hoop.internal", "example.com", "10.0.0.8"] {
        refused(as_server(&ca, &cert, name, at(0)));
    }
    let (_, parsed) = x509_parser::parse_x509_certificate(&cert).unwrap();
    assert_eq!(parsed.subject_alternative_name().unwrap().unwrap().value.general_names.len(), 4);
}

#[test]
fn a_malformed_server_name_is_refused() {
    for name in ["", "a b", "*.example.com", "*", "a..b", "-a.b", "a\nb", "a.example.", "über.example", "https://a"] {
        let result = ca().issue_server(&[name.to_owned()], NOW, HOUR);
        assert!(matches!(result, Err(IssueError::InvalidName { .. })), "{name:?}");
    }
}

#[test]
fn servers_and_clients_cannot_swap_certificates() {
    let ca = ca();
    let (server, _) = ca.issue_server(&[], NOW, HOUR).unwrap();
    let client = ca.sign_request(&request(), &subject(&node(), Role::ControlPlane), NOW, HOUR).unwrap();
    refused(as_client(&ca, &server, at(0)));
    refused(as_server(&ca, &client, SERVER_NAME, at(0)));
    assert_eq!(PeerIdentity::of(&server), Err(UntrustedPeer::NotANode));
    assert_eq!(PeerIdentity::of(ca.certificate_der()), Err(UntrustedPeer::NotANode));
}

#[test]
fn everything_a_request_asks_for_but_its_key_is_ignored() {
    let ca = ca();
    let key = NodeKey::generate().unwrap();
    let mut greedy = CertificateParams::new(["evil.example".to_owned(), SERVER_NAME.to_owned()]).unwrap();
    greedy.distinguished_name.push(DnType::CommonName, "other-node");
    greedy.distinguished_name.push(DnType::OrganizationalUnitName, "control-plane");
    greedy.distinguished_name.push(DnType::OrganizationName, "o");
    greedy.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    greedy.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    greedy.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::Any];
    greedy.custom_extensions = vec![rcgen::CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0])];
    let csr = greedy.serialize_request(key.pair()).unwrap();
    let cert = ca.sign_request(csr.der(), &subject(&node(), Role::DataPlane), NOW, HOUR).unwrap();

    let (_, parsed) = x509_parser::parse_x509_certificate(&cert).unwrap();
    assert_eq!(parsed.public_key().raw, key.pair().subject_public_key_info());
    assert_eq!(parsed.subject().to_string(), "CN=edge-1, OU=data-plane, serialNumber=00000000000000000000000000000007");
    assert!(!parsed.is_ca() && parsed.subject_alternative_name().unwrap().is_none());
    assert!(!parsed.key_usage().unwrap().unwrap().value.key_cert_sign());
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth && !usage.any);
    let plain = ca.sign_request(&key.request(&node()).unwrap(), &subject(&node(), Role::DataPlane), NOW, HOUR).unwrap();
    let (_, plain) = x509_parser::parse_x509_certificate(&plain).unwrap();
    let oids = |cert: &x509_parser::certificate::X509Certificate<'_>| -> Vec<String> {
        cert.extensions().iter().map(|extension| extension.oid.to_id_string()).collect()
    };
    assert_eq!(oids(&parsed), oids(&plain));
}

#[test]
fn a_request_must_be_signed_by_its_own_p256_key() {
    let ca = ca();
    let sign = |csr: &[u8]| ca.sign_request(csr, &subject(&node(), Role::DataPlane), NOW, HOUR);
    let good = request();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert!(matches!(sign(&flipped), Err(IssueError::UnprovenKey)));
    let other = NodeKey::generate().unwrap();
    let stolen_key = replace(&good, key_of(&good), other.pair().der_bytes());
    assert!(matches!(sign(&stolen_key), Err(IssueError::UnprovenKey)));
    for algorithm in [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P384_SHA384] {
        let pair = KeyPair::generate_for(algorithm).unwrap();
        let csr = CertificateParams::default().serialize_request(&pair).unwrap();
        assert!(matches!(sign(csr.der()), Err(IssueError::UnsupportedKey)));
    }
    let longer = [&good[..], b"\0"].concat();
    for malformed in [&b""[..], b"\x30\x00", &good[..good.len() - 1], &longer, &vec![0x30; 9000]] {
        assert!(matches!(sign(malformed), Err(IssueError::MalformedRequest)));
    }
}

fn key_of(csr: &[u8]) -> &[u8] {
    let (_, parsed) = X509CertificationRequest::from_der(csr).unwrap();
    let key = parsed.certification_request_info.subject_pki.subject_public_key.data.to_vec();
    let start = csr.windows(key.len()).position(|window| window == key).unwrap();
    &csr[start..start + key.len()]
}

fn replace(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let start = bytes.windows(old.len()).position(|window| window == old).unwrap();
    [&bytes[..start], new, &bytes[start + old.len()..]].concat()
}

#[test]
fn a_stored_ca_issues_as_before() {
    let ca = ca();
    let opened = ClusterCa::open(ca.certificate_der(), ca.key_der().reveal()).unwrap();
    assert_eq!(opened.certificate_der(), ca.certificate_der());
    assert_eq!(opened.validity, ca.validity);
    let cert = opened.sign_request(&request(), &subject(&node(), Role::DataPlane), NOW, HOUR).unwrap();
    as_client(&ca, &cert, at(0)).unwrap();
}

#[test]
fn a_ca_does_not_open_with_another_key_or_from_a_leaf() {
    let (ours, theirs) = (ca(), ca());
    let open = |cert: &[u8], key: &[u8]| ClusterCa::open(cert, key).map(drop);
    assert!(matches!(open(ours.certificate_der(), theirs.key_der().reveal()), Err(OpenError::Mismatch)));
    assert!(matches!(open(ours.certificate_der(), b"key"), Err(OpenError::Key(KeyError::Malformed))));
    assert!(matches!(open(b"cert", ours.key_der().reveal()), Err(OpenError::Certificate)));
    let longer = [ours.certificate_der(), b"\0"].concat();
    assert!(matches!(open(&longer, ours.key_der().reveal()), Err(OpenError::Certificate)));
    let (leaf, key) = ours.issue_server(&[], NOW, HOUR).unwrap();
    assert!(matches!(open(&leaf, key.pair().serialized_der()), Err(OpenError::NotACa)));
}

#[test]
fn serial_numbers_are_random_positive_and_of_one_length() {
    let (ca, csr) = (ca(), request());
    let serials: std::collections::BTreeSet<Vec<u8>> = (0..50)
        .map(|_| {
            let cert = ca.sign_request(&csr, &subject(&node(), Role::DataPlane), NOW, HOUR).unwrap();
            x509_parser::parse_x509_certificate(&cert).unwrap().1.raw_serial().to_vec()
        })
        .collect();
    assert_eq!(serials.len(), 50);
    assert!(serials.iter().all(|serial| serial.len() == 16 && serial[0] & 0xc0 == 0x40));
}

#[test]
fn debug_of_a_ca_hides_its_key() {
    let ca = ca();
    assert_eq!(format!("{:?}", ca.key_der()), "[redacted]");
    assert!(format!("{ca:?}").contains("NodeKey([redacted])"));
}
