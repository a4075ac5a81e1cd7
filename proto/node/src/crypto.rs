//! The process's TLS cryptography.

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// Makes aws-lc-rs the process's rustls provider. Call it first in `main`; calling it again changes nothing.
pub fn install() {
    if CryptoProvider::get_default().is_none() {
        // A refusal means that another thread has just installed the same provider: there is only one in the tree.
        drop(aws_lc_rs::default_provider().install_default());
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn installing_twice_leaves_one_provider() {
        super::install();
        let first = rustls::crypto::CryptoProvider::get_default().map(std::sync::Arc::as_ptr);
        super::install();
        assert!(first.is_some());
        assert_eq!(rustls::crypto::CryptoProvider::get_default().map(std::sync::Arc::as_ptr), first);
    }
}
