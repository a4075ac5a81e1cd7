//! The last good revision on the node's disk: with it a restart works while the control plane is away, within the lease.
//!
//! ```text
//!   last-good   a snapshot that was applied, sealed               written first, as a whole
//!   lease       (boot id, deadline, its revision), sealed         written after it, and of use with it only
//! ```
//!
//! Both are sealed under a key that is derived from the node's private key, so that they are worth nothing elsewhere, and
//! nothing once the node has another. A lease of another boot has ended: its clock began anew. A lease of another revision
//! is none: the node had applied something else when it was granted. It is removed as soon as something else is applied, and
//! only then is the control plane told: what a receipt says holds after a restart, too.

use super::join::Membership;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use hoop_gate::BootMillis;
use hoop_model::Revision;
use hoop_node::files::{WriteError, write_private};
use hoop_node::seal::SealKey;
use hoop_wire::v1;
use prost::Message;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The files in the state directory.
const SNAPSHOT_FILE: &str = "last-good";
const LEASE_FILE: &str = "lease";
/// Most bytes of a file that are read: the largest message, sealed.
const MAX_BYTES: u64 = hoop_rpc::MAX_MESSAGE_BYTES as u64 + 4096;
/// Separates this key from every other that is made of the node's.
const PURPOSE: &[u8] = b"hoopgate.last-good.v1";
/// What is sealed, bound into it. The number is of the form of what is inside.
const SNAPSHOT: (&str, u64) = ("last-good", 1);
const LEASE: (&str, u64) = ("lease", 1);
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Where one node keeps its last good revision.
pub(crate) struct LastGood {
    directory: PathBuf,
    key: SealKey,
    node: [u8; 16],
    boot: String,
}

/// Says why what is kept is of no use. The node begins as if there were nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Useless {
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[from] io::Error),
    /// It is larger than any can be.
    #[error("it is larger than any can be")]
    TooLarge,
    /// It was sealed by another node or key, is cut, or was changed.
    #[error("it was not sealed by this node's key, or is not as it was written")]
    Foreign,
    /// It was sealed, and still is none.
    #[error("it is not what it must be")]
    Malformed,
}

impl LastGood {
    /// Uses the state directory of a node.
    pub(crate) fn new(directory: &Path, membership: &Membership) -> Self {
        Self::with(directory, membership.key_pem.reveal().as_bytes(), &membership.subject, boot_id())
    }

    fn with(directory: &Path, private: &[u8], subject: &str, boot: String) -> Self {
        let key = derived(private, PURPOSE);
        let mut node = [0; 16];
        node.iter_mut().zip(derived(&key, subject.as_bytes())).for_each(|(to, from)| *to = from);
        Self { directory: directory.to_owned(), key: SealKey::from_bytes(key), node, boot }
    }

    /// Keeps a snapshot, in the place of an older one.
    pub(crate) fn keep(&self, snapshot: &v1::Snapshot) -> Result<(), WriteError> {
        self.write(SNAPSHOT_FILE, SNAPSHOT, &snapshot.encode_to_vec())
    }

    /// Keeps how long the node may act by a revision that is kept.
    pub(crate) fn keep_lease(&self, revision: Revision, deadline: BootMillis) -> Result<(), WriteError> {
        let numbers = [deadline.0, revision.epoch, revision.index].map(u64::to_be_bytes).concat();
        self.write(LEASE_FILE, LEASE, &[numbers.as_slice(), self.boot.as_bytes()].concat())
    }

    /// Removes the lease. A machine that stops before the disk has that begins another boot, whose leases are its own.
    pub(crate) fn forget_lease(&self) -> io::Result<()> {
        match std::fs::remove_file(self.directory.join(LEASE_FILE)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Returns the snapshot that is kept, if there is one.
    pub(crate) fn snapshot(&self) -> Result<Option<v1::Snapshot>, Useless> {
        let Some(bytes) = self.read(SNAPSHOT_FILE, SNAPSHOT)? else { return Ok(None) };
        v1::Snapshot::decode(bytes.as_slice()).map(Some).map_err(|_| Useless::Malformed)
    }

    /// Returns until when the node may act by this revision; nothing of another boot or revision.
    pub(crate) fn lease(&self, revision: Revision) -> Result<Option<BootMillis>, Useless> {
        let Some(bytes) = self.read(LEASE_FILE, LEASE)? else { return Ok(None) };
        let (numbers, boot) = bytes.split_at_checked(24).ok_or(Useless::Malformed)?;
        let mut numbers = numbers.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        let (Some(deadline), Some(epoch), Some(index)) = (numbers.next(), numbers.next(), numbers.next()) else {
            return Err(Useless::Malformed);
        };
        let is_of = boot == self.boot.as_bytes() && !boot.is_empty() && revision == Revision { epoch, index };
        Ok(is_of.then_some(BootMillis(deadline)))
    }

    fn write(&self, file: &str, (kind, form): (&str, u64), plain: &[u8]) -> Result<(), WriteError> {
        write_private(&self.directory.join(file), &self.key.seal(kind, &self.node, form, plain))
    }

    fn read(&self, file: &str, (kind, form): (&str, u64)) -> Result<Option<Vec<u8>>, Useless> {
        let opened = match std::fs::File::open(self.directory.join(file)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut sealed = Vec::new();
        opened.take(MAX_BYTES + 1).read_to_end(&mut sealed)?;
        if sealed.len() as u64 > MAX_BYTES {
            return Err(Useless::TooLarge);
        }
        let plain = self.key.open(kind, &self.node, form, &sealed).map_err(|_| Useless::Foreign)?;
        Ok(Some(plain.reveal().clone()))
    }
}

fn derived(key: &[u8], purpose: &[u8]) -> [u8; 32] {
    let signed = sign(&Key::new(HMAC_SHA256, key), purpose);
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(signed.as_ref()).for_each(|(to, from)| *to = *from);
    bytes
}

/// Names this start of the machine; empty where the system does not say, which is no start's name.
fn boot_id() -> String {
    std::fs::read_to_string(BOOT_ID).map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const REVISION: Revision = Revision { epoch: 1, index: 7 };

    pub(crate) fn kept(directory: &Path, private: &[u8], boot: &str) -> LastGood {
        LastGood::with(directory, private, "CN=dp-1, OU=data-plane", boot.to_owned())
    }

    fn snapshot() -> v1::Snapshot {
        let secret = v1::OpenedSecret { secret_uid: vec![1; 16], version: 1, value: b"CANARY-value".to_vec() };
        v1::Snapshot { revision: Some(REVISION.into()), secrets: vec![secret], ..v1::Snapshot::default() }
    }

    #[test]
    fn dp_02_what_is_kept_is_of_use_to_this_node_and_boot_only() {
        let directory = tempfile::tempdir().unwrap();
        let own = kept(directory.path(), b"key", "boot-1");
        assert!(own.snapshot().unwrap().is_none() && own.lease(REVISION).unwrap().is_none(), "there is nothing yet");
        own.keep(&snapshot()).unwrap();
        own.keep_lease(REVISION, BootMillis(99)).unwrap();
        assert_eq!(own.snapshot().unwrap(), Some(snapshot()));
        assert_eq!(own.lease(REVISION).unwrap(), Some(BootMillis(99)));
        for file in [SNAPSHOT_FILE, LEASE_FILE] {
            let bytes = std::fs::read(directory.path().join(file)).unwrap();
            assert!(!bytes.windows(6).any(|window| window == b"CANARY"));
        }
        assert_eq!(own.lease(Revision { index: 8, ..REVISION }).unwrap(), None, "it had applied something else");
        let rebooted = kept(directory.path(), b"key", "boot-2");
        assert_eq!(rebooted.snapshot().unwrap(), Some(snapshot()));
        assert_eq!(rebooted.lease(REVISION).unwrap(), None, "the clock began anew");
        assert_eq!(kept(directory.path(), b"key", "").lease(REVISION).unwrap(), None);
        let other = kept(directory.path(), b"another key", "boot-1");
        assert!(
            matches!(other.snapshot(), Err(Useless::Foreign)) && matches!(other.lease(REVISION), Err(Useless::Foreign))
        );
        let renamed = LastGood::with(directory.path(), b"key", "CN=dp-2", "boot-1".to_owned());
        assert!(matches!(renamed.snapshot(), Err(Useless::Foreign)));
    }

    #[test]
    fn dp_02_what_is_cut_changed_or_exchanged_is_of_no_use() {
        let directory = tempfile::tempdir().unwrap();
        let own = kept(directory.path(), b"key", "boot-1");
        own.keep(&snapshot()).unwrap();
        own.keep_lease(REVISION, BootMillis(99)).unwrap();
        let path = |file: &str| directory.path().join(file);
        let whole = std::fs::read(path(SNAPSHOT_FILE)).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            std::fs::write(path(SNAPSHOT_FILE), &flipped).unwrap();
            assert!(matches!(own.snapshot(), Err(Useless::Foreign)), "flipped at {at}");
            std::fs::write(path(SNAPSHOT_FILE), &whole[..at]).unwrap();
            assert!(matches!(own.snapshot(), Err(Useless::Foreign)), "cut at {at}");
        }
        std::fs::copy(path(LEASE_FILE), path(SNAPSHOT_FILE)).unwrap();
        assert!(matches!(own.snapshot(), Err(Useless::Foreign)), "one is not the other");
    }
}
