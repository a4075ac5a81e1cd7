//! TLS settings, both sides.

use hoop_node::pki::{InvalidAnchors, trust_anchors};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;

/// Says why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not what it should be.
    #[error("no usable PEM")]
    Pem(#[source] pem::Error),
    /// There is no certificate.
    #[error("no certificate")]
    Empty,
    /// The certificates to verify against cannot be used.
    #[error("cannot verify against the given certificates")]
    Anchors(#[from] InvalidAnchors),
    /// TLS does not take it.
    #[error("not usable for TLS")]
    Tls(#[from] rustls::Error),
}

/// Returns the certificates that the system trusts.
pub(crate) fn system_roots() -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::warn!(ignored, "the system trusts no certificate; upstreams and issuers need their own CA");
    }
    Arc::new(roots)
}

/// Returns settings that verify servers against `ca`, or against the system's certificates without one.
pub(crate) fn client(ca: Option<&str>, system: &Arc<RootCertStore>) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = match ca {
        None => Arc::clone(system),
        Some(ca) => Arc::new(trust_anchors(ca)?),
    };
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Returns settings that serve the certificate in these files.
pub(crate) fn server(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(TlsError::Pem)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(TlsError::Pem)?;
    if chain.is_empty() {
        return Err(TlsError::Empty);
    }
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
