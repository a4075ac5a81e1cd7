//! The cluster's certificate authority.

use super::key::{KeyError, NodeKey};
use super::role::Role;
use hoop_model::{Redacted, ResourceName, Uid, UnixMillis};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber, SubjectPublicKeyInfo, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, ServerName};
use std::ops::RangeInclusive;
use std::time::Duration;
use x509_parser::prelude::{FromDer, X509CertificationRequest};

/// How long a cluster CA is valid: 10 years.
pub const CA_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How long a control-plane node's server certificate is meant to be valid: 30 days.
pub const SERVER_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long a node's client certificate is meant to be valid: 24 hours.
pub const NODE_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The DNS name that every control-plane node's server certificate carries and clients ask for, wherever they dial.
pub const SERVER_NAME: &str = "control-plane.hoop.internal";

/// How far certificates reach into the past, in seconds, for peers whose clock is behind: five minutes.
const CLOCK_TOLERANCE_SECONDS: u64 = 300;

/// The subject's attribute `serialNumber` (RFC 5280 appendix A.1, id-at-serialNumber).
const SERIAL_NUMBER: &[u64] = &[2, 5, 4, 5];

/// Largest certificate request read, in bytes; ours have about 250.
const MAX_REQUEST_BYTES: usize = 8 << 10;

/// The last second that an X.509 date can name: 9999-12-31T23:59:59Z (RFC 5280 §4.1.2.5.2).
const END_OF_CALENDAR: u64 = 253_402_300_799;

/// The cluster's certificate authority: its certificate and private key.
#[derive(Debug)]
pub struct ClusterCa {
    certificate: CertificateDer<'static>,
    key: NodeKey,
    /// First and last second of the CA's own validity.
    validity: RangeInclusive<u64>,
}

/// Whom a client certificate is for.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The node's name.
    pub node: &'a ResourceName,
    /// The node's uid.
    pub uid: Uid,
    /// What it is.
    pub role: Role,
}

/// Says why stored bytes are not a usable CA.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The bytes are not one X.509 certificate.
    #[error("malformed CA certificate")]
    Certificate,
    /// The certificate is not allowed to sign certificates.
    #[error("the certificate is not a CA's")]
    NotACa,
    /// The key cannot be read.
    #[error("unusable CA key")]
    Key(#[source] KeyError),
    /// Certificate and key do not belong together.
    #[error("the CA key is not the CA certificate's")]
    Mismatch,
}

/// Says why nothing was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The bytes are not one PKCS#10 request of reasonable size.
    #[error("malformed certificate request")]
    MalformedRequest,
    /// The request is not signed by the key it carries, so possession is unproven.
    #[error("the certificate request is not signed by its own key")]
    UnprovenKey,
    /// The request carries a key other than ECDSA P-256.
    #[error("the certificate request's key is not on P-256")]
    UnsupportedKey,
    /// A server's name is neither a DNS name nor an IP address.
    #[error("`{name}` is neither a DNS name nor an IP address")]
    InvalidName {
        /// The name.
        name: String,
    },
    /// The CA is not valid at this time, so nothing it signs would be.
    #[error("the cluster CA is not valid at this time")]
    OutsideCaValidity,
    /// The time is beyond what a certificate can say.
    #[error("the time is beyond what a certificate can say")]
    OutsideCalendar,
    /// No key could be made.
    #[error("no key for the certificate")]
    Key(#[source] KeyError),
    /// The cryptographic library refused.
    #[error("cannot sign the certificate")]
    Signing(#[source] rcgen::Error),
}

impl ClusterCa {
    /// Makes a new CA, valid for [`CA_LIFETIME`].
    ///
    /// # Errors
    /// [`IssueError::OutsideCalendar`], or one of the library's refusals.
    pub fn create(now: UnixMillis) -> Result<Self, IssueError> {
        let key = NodeKey::generate().map_err(IssueError::Key)?;
        let (from, to) = span(now, CA_LIFETIME);
        let mut params = params(from, to)?;
        params.distinguished_name.push(DnType::CommonName, "Hoopgate cluster CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(key.pair()).map_err(IssueError::Signing)?.der().clone();
        Ok(Self { certificate, key, validity: from..=to })
    }

    /// Takes up a stored CA.
    ///
    /// # Errors
    /// [`OpenError`] unless the certificate may sign certificates and the key is its own.
    pub fn open(cert_der: &[u8], key_der: &[u8]) -> Result<Self, OpenError> {
        let (rest, parsed) = x509_parser::parse_x509_certificate(cert_der).map_err(|_| OpenError::Certificate)?;
        if !rest.is_empty() {
            return Err(OpenError::Certificate);
        }
        let usage = parsed.key_usage().map_err(|_| OpenError::Certificate)?;
        if !parsed.is_ca() || !usage.is_some_and(|usage| usage.value.key_cert_sign()) {
            return Err(OpenError::NotACa);
        }
        let key = NodeKey::from_der(key_der).map_err(OpenError::Key)?;
        if parsed.public_key().raw != key.pair().subject_public_key_info() {
            return Err(OpenError::Mismatch);
        }
        let second = |time: i64| u64::try_from(time).map_err(|_| OpenError::Certificate);
        let validity = parsed.validity();
        let validity = second(validity.not_before.timestamp())?..=second(validity.not_after.timestamp())?;
        Ok(Self { certificate: CertificateDer::from(cert_der.to_vec()), key, validity })
    }

    /// Returns the CA's certificate, which every node trusts.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    /// Returns the CA's private key as PKCS#8, to be sealed.
    #[must_use]
    pub fn key_der(&self) -> Redacted<Vec<u8>> {
        Redacted::new(self.key.pair().serialize_der())
    }

    /// Issues a server certificate, with a new key, for [`SERVER_NAME`] and `names` (DNS names or IP addresses).
    ///
    /// # Errors
    /// [`IssueError`] for a malformed name or a time outside the CA's validity.
    pub fn issue_server(
        &self,
        names: &[String],
        now: UnixMillis,
        lifetime: Duration,
    ) -> Result<(Vec<u8>, NodeKey), IssueError> {
        let mut params = self.leaf(now, lifetime)?;
        params.distinguished_name.push(DnType::CommonName, SERVER_NAME);
        for name in std::iter::once(SERVER_NAME).chain(names.iter().map(String::as_str)) {
            let name = alternative_name(name)?;
            if !params.subject_alt_names.contains(&name) {
                params.subject_alt_names.push(name);
            }
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = NodeKey::generate().map_err(IssueError::Key)?;
        Ok((self.sign(&params, key.pair())?, key))
    }

    /// Issues a client certificate for the key in a request. Subject, usages and validity are the CA's choice: whatever
    /// else the request asks for is ignored.
    ///
    /// # Errors
    /// [`IssueError`] for a malformed request, an unproven or unsupported key, or a time outside the CA's validity.
    pub fn sign_request(
        &self,
        csr_der: &[u8],
        subject: &Subject<'_>,
        now: UnixMillis,
        lifetime: Duration,
    ) -> Result<Vec<u8>, IssueError> {
        let Subject { node, uid, role } = subject;
        let key = proven_key(csr_der)?;
        let mut params = self.leaf(now, lifetime)?;
        params.distinguished_name.push(DnType::CommonName, node.as_str());
        params.distinguished_name.push(DnType::OrganizationalUnitName, role.as_str());
        params.distinguished_name.push(DnType::CustomDnType(SERIAL_NUMBER.to_vec()), uid.to_string());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params, &key)
    }

    /// Starts a certificate that ends no later than the CA does.
    fn leaf(&self, now: UnixMillis, lifetime: Duration) -> Result<CertificateParams, IssueError> {
        if !self.validity.contains(&now.to_seconds().0) {
            return Err(IssueError::OutsideCaValidity);
        }
        let (from, to) = span(now, lifetime);
        let mut params = params(from, to.min(*self.validity.end()))?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }

    fn sign(&self, params: &CertificateParams, key: &impl PublicKeyData) -> Result<Vec<u8>, IssueError> {
        let issuer: Issuer<'_, &KeyPair> =
            Issuer::from_ca_cert_der(&self.certificate, self.key.pair()).map_err(IssueError::Signing)?;
        Ok(params.signed_by(key, &issuer).map_err(IssueError::Signing)?.der().to_vec())
    }
}

/// Returns the first and last second of a validity that begins `now`.
fn span(now: UnixMillis, lifetime: Duration) -> (u64, u64) {
    (now.to_seconds().0.saturating_sub(CLOCK_TOLERANCE_SECONDS), now.after(lifetime).to_seconds().0)
}

/// Starts a certificate with a random serial number and an empty subject.
fn params(from: u64, to: u64) -> Result<CertificateParams, IssueError> {
    if from > to || to > END_OF_CALENDAR {
        return Err(IssueError::OutsideCalendar);
    }
    // 127 random bits with a leading one bit: positive and of one length (RFC 5280 §4.1.2.2).
    let serial = u128::from_be_bytes(crate::random()) >> 1 | 1 << 126;
    let epoch = date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&serial.to_be_bytes()));
    params.distinguished_name = DistinguishedName::new();
    params.not_before = epoch + Duration::from_secs(from);
    params.not_after = epoch + Duration::from_secs(to);
    Ok(params)
}

fn alternative_name(name: &str) -> Result<SanType, IssueError> {
    let invalid = || IssueError::InvalidName { name: name.to_owned() };
    match ServerName::try_from(name).map_err(|_| invalid())? {
        ServerName::IpAddress(address) => Ok(SanType::IpAddress(address.into())),
        // A final dot would be part of the certificate's name, and match nothing.
        ServerName::DnsName(_) if !name.ends_with('.') => {
            Ok(SanType::DnsName(name.to_ascii_lowercase().try_into().map_err(|_| invalid())?))
        }
        ServerName::DnsName(_) | _ => Err(invalid()),
    }
}

/// Returns the key of a request that is signed by it.
fn proven_key(csr_der: &[u8]) -> Result<SubjectPublicKeyInfo, IssueError> {
    if csr_der.len() > MAX_REQUEST_BYTES {
        return Err(IssueError::MalformedRequest);
    }
    let (rest, request) = X509CertificationRequest::from_der(csr_der).map_err(|_| IssueError::MalformedRequest)?;
    if !rest.is_empty() {
        return Err(IssueError::MalformedRequest);
    }
    let raw = request.certification_request_info.subject_pki.raw;
    let key = SubjectPublicKeyInfo::from_der(raw).map_err(|_| IssueError::UnsupportedKey)?;
    if key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
        return Err(IssueError::UnsupportedKey);
    }
    request.verify_signature().map_err(|_| IssueError::UnprovenKey)?;
    Ok(key)
}

#[cfg(test)]
mod tests;
