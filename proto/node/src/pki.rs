//! The keys and certificates by which nodes of one cluster know each other.
//!
//! One CA per cluster. A node makes its own key and asks with a request; the CA signs the key and nothing else of it,
//! under the name and role that the join token fixed. After the TLS layer has verified a certificate against the CA,
//! [`PeerIdentity`] reads who it is.

mod anchors;
mod ca;
mod key;
mod peer;
mod role;

pub use anchors::{InvalidAnchors, trust_anchors};
pub use ca::{CA_LIFETIME, ClusterCa, IssueError, NODE_LIFETIME, OpenError, SERVER_LIFETIME, SERVER_NAME, Subject};
pub use key::{KeyError, NodeKey};
pub use peer::{PeerIdentity, UntrustedPeer};
pub use role::{Role, UnknownRole};

use base64::Engine;

/// Wraps DER bytes as PEM text (RFC 7468 §2) under a label such as `CERTIFICATE`.
#[must_use]
pub fn pem(der: &[u8], label: &str) -> String {
    let encoded = base64::engine::general_purpose::STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (index, digit) in encoded.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            text.push('\n');
        }
        text.push(digit);
    }
    if !encoded.is_empty() {
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    #[test]
    fn pem_text_reads_back_as_the_same_bytes() {
        for length in [0, 1, 47, 48, 49, 96, 1000] {
            let der = vec![0xc3; length];
            let text = super::pem(&der, "CERTIFICATE");
            assert!(text.lines().all(|line| !line.is_empty() && line.len() <= 64), "{text}");
            assert_eq!(CertificateDer::from_pem_slice(text.as_bytes()).unwrap().as_ref(), der);
        }
    }
}
