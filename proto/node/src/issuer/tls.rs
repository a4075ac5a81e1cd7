//! Whose certificates are believed when somebody else's server is spoken to.

use crate::pki::{InvalidAnchors, trust_anchors};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// Returns the certificates that the system trusts; perhaps none, which is logged.
#[must_use]
pub fn system_roots() -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::warn!(ignored, "the system trusts no certificate; servers need their own CA");
    }
    Arc::new(roots)
}

/// Returns settings that verify servers against the PEM certificates in `ca`, or against the system's without it.
///
/// # Errors
/// [`InvalidAnchors`] where `ca` has nothing to verify against.
pub fn client(ca: Option<&str>, system: &Arc<RootCertStore>) -> Result<Arc<ClientConfig>, InvalidAnchors> {
    let roots = match ca {
        None => Arc::clone(system),
        Some(ca) => Arc::new(trust_anchors(ca)?),
    };
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
