//! Reading who a verified certificate belongs to.

use super::role::{Role, UnknownRole};
use hoop_model::{InvalidId, InvalidName, ResourceName, Uid};
use x509_parser::oid_registry::OID_X509_SERIALNUMBER;
use x509_parser::prelude::{AttributeTypeAndValue, X509Certificate, X509Error};

/// Who a peer is: read from its certificate, so only [`PeerIdentity::of`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerIdentity {
    /// The node's name: the subject's common name.
    pub node: ResourceName,
    /// The node's role: the subject's organisational unit.
    pub role: Role,
    /// The node's uid: the subject's serial number. A node that is removed and one that bears its name later differ in it.
    pub uid: Uid,
}

/// Says why a certificate names no peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UntrustedPeer {
    /// The bytes are not one X.509 certificate.
    #[error("malformed certificate")]
    Malformed,
    /// The certificate is a CA's, or does not let its holder be a TLS client.
    #[error("not a node's certificate")]
    NotANode,
    /// The subject does not hold exactly one common name.
    #[error("the subject has {found} common names, not one")]
    CommonNames {
        /// How many there are.
        found: usize,
    },
    /// The subject does not hold exactly one organisational unit.
    #[error("the subject has {found} organisational units, not one")]
    OrganisationalUnits {
        /// How many there are.
        found: usize,
    },
    /// The subject does not hold exactly one serial number.
    #[error("the subject has {found} serial numbers, not one")]
    SerialNumbers {
        /// How many there are.
        found: usize,
    },
    /// The subject holds an attribute that the cluster CA never writes.
    #[error("the subject has an attribute beside its common name, organisational unit and serial number")]
    UnexpectedAttribute,
    /// The common name is not a node's name.
    #[error("the common name is not a node's name")]
    Name(#[source] InvalidName),
    /// The organisational unit is not a role.
    #[error("the organisational unit is not a role")]
    Role(#[source] UnknownRole),
    /// The serial number is not a uid.
    #[error("the serial number is not a uid")]
    Uid(#[source] InvalidId),
}

impl PeerIdentity {
    /// Reads a certificate that the TLS layer has verified against the cluster CA: this checks neither signature nor
    /// validity.
    ///
    /// # Errors
    /// [`UntrustedPeer`] unless the subject is exactly one common name, one organisational unit and one serial number
    /// (RFC 5280 appendix A.1), all ours, on a client certificate.
    pub fn of(cert_der: &[u8]) -> Result<Self, UntrustedPeer> {
        let (rest, certificate) =
            x509_parser::parse_x509_certificate(cert_der).map_err(|_| UntrustedPeer::Malformed)?;
        if !rest.is_empty() {
            return Err(UntrustedPeer::Malformed);
        }
        if certificate.is_ca() || !lets_be_a_client(&certificate)? {
            return Err(UntrustedPeer::NotANode);
        }
        let subject = certificate.subject();
        let common_name = only(subject.iter_common_name(), |found| UntrustedPeer::CommonNames { found })?;
        let unit = only(subject.iter_organizational_unit(), |found| UntrustedPeer::OrganisationalUnits { found })?;
        let serial = subject.iter_by_oid(&OID_X509_SERIALNUMBER);
        let serial = only(serial, |found| UntrustedPeer::SerialNumbers { found })?;
        if subject.iter_attributes().count() != 3 {
            return Err(UntrustedPeer::UnexpectedAttribute);
        }
        Ok(Self {
            node: ResourceName::parse(common_name).map_err(UntrustedPeer::Name)?,
            role: Role::parse(unit).map_err(UntrustedPeer::Role)?,
            uid: serial.parse().map_err(UntrustedPeer::Uid)?,
        })
    }
}

fn lets_be_a_client(certificate: &X509Certificate<'_>) -> Result<bool, UntrustedPeer> {
    let usage = certificate.extended_key_usage().map_err(|_: X509Error| UntrustedPeer::Malformed)?;
    Ok(usage.is_some_and(|usage| usage.value.client_auth))
}

/// Returns the text of the only attribute.
fn only<'a>(
    mut attributes: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>,
    refuse: impl Fn(usize) -> UntrustedPeer,
) -> Result<&'a str, UntrustedPeer> {
    let first = attributes.next().ok_or_else(|| refuse(0))?;
    match attributes.count() {
        0 => first.as_str().map_err(|_| UntrustedPeer::Malformed),
        more => Err(refuse(1 + more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
        KeyPair,
    };

    fn params(subject: &[(DnType, &str)]) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in subject {
            params.distinguished_name.push(kind.clone(), *value);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params
    }

    fn of(params: &CertificateParams) -> Result<PeerIdentity, UntrustedPeer> {
        PeerIdentity::of(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der())
    }

    fn cn() -> DnType {
        DnType::CommonName
    }

    fn ou() -> DnType {
        DnType::OrganizationalUnitName
    }

    fn sn() -> DnType {
        DnType::CustomDnType(vec![2, 5, 4, 5])
    }

    /// The same attribute under another key of rcgen's map, so that a subject can hold it twice.
    fn again(last: u64) -> DnType {
        DnType::from_oid(&[2, 5, 4, last])
    }

    fn second(last: u64) -> DnType {
        DnType::CustomDnType(vec![2, 5, 4, last])
    }

    #[test]
    fn a_subject_of_one_name_and_one_role_is_a_peer() {
        let uid = Uid::mint(7);
        for role in [Role::ControlPlane, Role::DataPlane] {
            let peer = of(&params(&[(cn(), "edge-1"), (ou(), role.as_str()), (sn(), &uid.to_string())])).unwrap();
            assert_eq!(peer, PeerIdentity { node: ResourceName::parse("edge-1").unwrap(), role, uid });
        }
        assert_eq!((again(3), again(11)), (cn(), ou()));
    }

    #[test]
    fn every_other_subject_is_refused_for_its_own_reason() {
        use UntrustedPeer::{CommonNames, Name, OrganisationalUnits, SerialNumbers, UnexpectedAttribute};
        let (dp, uid) = ("data-plane", &*Uid::mint(7).to_string());
        let no_uid = || UntrustedPeer::Uid("".parse::<Uid>().unwrap_err());
        let cases: [(&[(DnType, &str)], UntrustedPeer); 15] = [
            (&[], CommonNames { found: 0 }),
            (&[(ou(), dp)], CommonNames { found: 0 }),
            (&[(cn(), "a"), (second(3), "b"), (ou(), dp)], CommonNames { found: 2 }),
            (&[(cn(), "a"), (second(3), "a"), (ou(), dp)], CommonNames { found: 2 }),
            (&[(cn(), "a")], OrganisationalUnits { found: 0 }),
            (&[(cn(), "a"), (ou(), dp), (second(11), "control-plane")], OrganisationalUnits { found: 2 }),
            (&[(cn(), "a"), (ou(), dp)], SerialNumbers { found: 0 }),
            (&[(cn(), "a"), (ou(), "admin"), (sn(), uid)], UntrustedPeer::Role(UnknownRole)),
            (&[(cn(), "a"), (ou(), ""), (sn(), uid)], UntrustedPeer::Role(UnknownRole)),
            (&[(cn(), ""), (ou(), dp), (sn(), uid)], Name(InvalidName)),
            (&[(cn(), "A.example"), (ou(), dp), (sn(), uid)], Name(InvalidName)),
            (&[(cn(), "a\0b"), (ou(), dp), (sn(), uid)], Name(InvalidName)),
            (&[(cn(), "a"), (ou(), dp), (sn(), "")], no_uid()),
            (&[(cn(), "a"), (ou(), dp), (sn(), "0123")], no_uid()),
            (&[(cn(), "a"), (ou(), dp), (sn(), uid), (DnType::OrganizationName, "o")], UnexpectedAttribute),
        ];
        for (subject, refusal) in cases {
            assert_eq!(of(&params(subject)), Err(refusal), "{subject:?}");
        }
    }

    #[test]
    fn a_ca_and_a_server_are_not_peers() {
        let subject = [(cn(), "a"), (ou(), "control-plane")];
        let mut ca = params(&subject);
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        assert_eq!(of(&ca), Err(UntrustedPeer::NotANode));
        for usages in [vec![], vec![ExtendedKeyUsagePurpose::ServerAuth]] {
            let mut server = params(&subject);
            server.extended_key_usages = usages;
            assert_eq!(of(&server), Err(UntrustedPeer::NotANode));
        }
    }

    #[test]
    fn bytes_that_are_not_exactly_one_certificate_are_malformed() {
        let whole = params(&[(cn(), "a"), (ou(), "data-plane"), (sn(), "")])
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap();
        let longer = [whole.der(), &b"\0"[..]].concat();
        for bytes in [&b""[..], b"\x30\x00", &whole.der()[..whole.der().len() - 1], &longer] {
            assert_eq!(PeerIdentity::of(bytes), Err(UntrustedPeer::Malformed));
        }
        let mut doubled = params(&[(cn(), "a"), (ou(), "data-plane")]);
        let usage = CustomExtension::from_oid_content(&[2, 5, 29, 37], vec![0x30, 0]);
        doubled.custom_extensions = vec![usage];
        assert_eq!(of(&doubled), Err(UntrustedPeer::Malformed));
    }
}
