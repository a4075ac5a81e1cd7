//! TLS settings towards callers; those towards servers are hoop-node's.

use rustls::ServerConfig;
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
    /// TLS does not take it.
    #[error("not usable for TLS")]
    Tls(#[from] rustls::Error),
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
