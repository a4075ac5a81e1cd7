//! Certificates that others are verified against, as an administrator writes them.

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject};

/// Says why a text is not a set of trust anchors.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAnchors {
    /// It is not PEM (RFC 7468).
    #[error("not usable PEM")]
    Pem(#[source] pem::Error),
    /// It has no certificate.
    #[error("no certificate")]
    Empty,
    /// A certificate cannot be a trust anchor.
    #[error("not a certificate that others can be verified against")]
    Certificate(#[from] rustls::Error),
}

/// Reads PEM certificates as trust anchors. The control plane reads them with this before it accepts them, and nodes when
/// they use them: what one accepts, all can apply.
///
/// # Errors
/// [`InvalidAnchors`] for the first that cannot be used, or where there is none.
pub fn trust_anchors(text: &str) -> Result<RootCertStore, InvalidAnchors> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        roots.add(certificate.map_err(InvalidAnchors::Pem)?)?;
    }
    if roots.is_empty() { Err(InvalidAnchors::Empty) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{ClusterCa, pem};

    #[test]
    fn anchors_are_certificates_and_at_least_one() {
        crate::crypto::install();
        let ca = ClusterCa::create(crate::clock::unix_now()).unwrap();
        let good = pem(ca.certificate_der(), "CERTIFICATE");
        assert_eq!(trust_anchors(&good).unwrap().len(), 1);
        assert!(matches!(trust_anchors("garbage"), Err(InvalidAnchors::Empty)));
        assert!(matches!(trust_anchors(""), Err(InvalidAnchors::Empty)));
        assert!(matches!(trust_anchors(&good.replace("-----END", "----END")), Err(InvalidAnchors::Pem(_))));
        let other = pem(b"not a certificate", "CERTIFICATE");
        assert!(matches!(trust_anchors(&format!("{good}{other}")), Err(InvalidAnchors::Certificate(_))));
    }
}
