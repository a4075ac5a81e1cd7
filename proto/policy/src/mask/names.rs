//! Names of fields: which class the value behind a name belongs to.

use super::plan::ClassId;
use std::collections::BTreeMap;

/// What a name says about its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// A declared field: the value belongs to the class, whatever it looks like.
    Field(ClassId),
    /// A usual name of a secret: the value belongs to the class where it looks like a secret.
    Secret(ClassId),
}

/// Ends of names under which secrets are usually kept, folded. `aws_secret_access_key` and `X-Api-Key` end like this;
/// `nextPageToken` and `primaryKey` do not.
const SECRETS: [&str; 30] = [
    "apikey",
    "secretkey",
    "accesskey",
    "authkey",
    "signingkey",
    "encryptionkey",
    "masterkey",
    "storagekey",
    "accountkey",
    "subscriptionkey",
    "servicekey",
    "clientsecret",
    "apisecret",
    "appsecret",
    "sharedsecret",
    "webhooksecret",
    "signingsecret",
    "consumersecret",
    "accesstoken",
    "refreshtoken",
    "authtoken",
    "authorizationtoken",
    "apitoken",
    "idtoken",
    "bearertoken",
    "sessiontoken",
    "secrettoken",
    "securitytoken",
    "deploytoken",
    "bottoken",
];

/// Longest name that is folded without an allocation, in bytes.
const FOLDED_BYTES: usize = 96;

/// The names a plan knows.
#[derive(Debug)]
pub(super) struct Names {
    fields: BTreeMap<Box<[u8]>, ClassId>,
    secrets: Option<ClassId>,
    /// Whether a name can end with a byte: most names need not be folded to see that they are none of these.
    ends: Box<[bool; 256]>,
}

impl Names {
    /// Makes the table of declared fields, and of the usual names where `secrets` is a class.
    pub(super) fn new(fields: BTreeMap<Box<[u8]>, ClassId>, secrets: Option<ClassId>) -> Self {
        let mut ends = Box::new([false; 256]);
        let usual = secrets.iter().flat_map(|_| SECRETS.iter().map(|name| name.as_bytes()));
        for last in fields.keys().map(|name| &**name).chain(usual).filter_map(<[u8]>::last) {
            if let Some(end) = ends.get_mut(usize::from(*last)) {
                *end = true;
            }
        }
        Self { fields, secrets, ends }
    }

    /// Returns whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.secrets.is_none()
    }

    /// Returns what a name says.
    pub(super) fn of(&self, name: &[u8]) -> Option<Named> {
        let last = name.iter().rev().find(|byte| !is_joint(**byte))?.to_ascii_lowercase();
        if !self.ends.get(usize::from(last)).is_some_and(|can| *can) {
            return None;
        }
        let mut space = [0; FOLDED_BYTES];
        let (folded, longer);
        match fold_into(name, &mut space) {
            Some(short) => folded = short,
            None => {
                longer = fold(name);
                folded = &*longer;
            }
        }
        let is_usual = || [&b"key"[..], b"secret", b"token"].iter().any(|end| folded.ends_with(end));
        let is_secret = || SECRETS.iter().any(|end| folded.ends_with(end.as_bytes())) || folded == b"secret";
        match (self.fields.get(folded), self.secrets) {
            (Some(class), _) => Some(Named::Field(*class)),
            (None, Some(class)) if is_usual() && is_secret() => Some(Named::Secret(class)),
            (None, _) => None,
        }
    }
}

/// Returns a name without regard to ASCII case, `_` and `-`.
pub(super) fn fold(name: &[u8]) -> Vec<u8> {
    name.iter().filter(|byte| !is_joint(**byte)).map(u8::to_ascii_lowercase).collect()
}

fn fold_into<'s>(name: &[u8], space: &'s mut [u8; FOLDED_BYTES]) -> Option<&'s [u8]> {
    let mut length = 0;
    for byte in name.iter().filter(|byte| !is_joint(**byte)) {
        *space.get_mut(length)? = byte.to_ascii_lowercase();
        length += 1;
    }
    space.get(..length)
}

/// Returns whether a value looks like a secret, if its name is that of one: long enough, no words.
pub(super) fn is_secret(value: &[u8]) -> bool {
    let is_mixed = value.len() >= 20 || value.iter().any(u8::is_ascii_digit);
    value.len() >= 8 && is_mixed && !value.iter().any(u8::is_ascii_whitespace)
}

const fn is_joint(byte: u8) -> bool {
    matches!(byte, b'_' | b'-')
}
