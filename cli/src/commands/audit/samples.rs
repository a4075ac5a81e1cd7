//! A whole evidence store to test with, made with the crate that makes real ones.

use hoop_audit::{
    Chain, Checkpoint, CloseReason, Entry, Judged, Named, Opening, Outcome, Sealing, SigningKey, Tree, VerifierKey,
    encode_log_entry, seal,
};
use hoop_model::{
    ChainId, EvidenceKey, Incarnation, LogEntry, ResourceName, Revision, SessionId, Uid, UnixMillis, UnixSeconds,
};
use std::path::PathBuf;

pub(crate) const ORIGIN: &str = "hoopgate/00000000000000000000000000000001/evidence";
const NODE: Incarnation = Incarnation::mint(7);
/// Log time of the first entry; each later one is a second later.
pub(crate) const BEGUN: u64 = 1_795_356_187_000;

pub(crate) fn chain_id() -> ChainId {
    ChainId { node: ResourceName::parse("edge-1").unwrap(), incarnation: NODE, shard: 3 }
}

pub(crate) fn signing(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

pub(crate) fn verifier() -> String {
    VerifierKey::new(ORIGIN, signing(1).verifying_key()).unwrap().to_string()
}

/// A store in the making.
pub(crate) struct Store {
    pub(crate) directory: tempfile::TempDir,
    chain: Chain,
    pub(crate) entries: Vec<u8>,
    tree: Tree,
}

impl Store {
    /// A store whose log announces one node's key.
    pub(crate) fn begin() -> Self {
        let ChainId { node, incarnation, shard } = chain_id();
        let chain = Chain::open(&node, incarnation, shard);
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("log")).unwrap();
        let mut store = Self { directory, chain, entries: Vec::new(), tree: Tree::empty() };
        let public = signing(2).verifying_key().0;
        store.log(|entry| entry.keys.push(EvidenceKey { node, incarnation, public }));
        store
    }

    /// A store of two segments with two sessions each.
    pub(crate) fn whole() -> Self {
        let mut store = Self::begin();
        store.segment(2, false);
        store.segment(2, true);
        store
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// Appends an entry to the log and signs a checkpoint of it.
    pub(crate) fn log(&mut self, say: impl FnOnce(&mut LogEntry)) {
        let index = self.tree.size();
        let time = UnixMillis(BEGUN + 1000 * index);
        let mut entry = LogEntry {
            index,
            time,
            keys: Vec::new(),
            heads: Vec::new(),
            roots: Vec::new(),
            gaps: Vec::new(),
            conflicts: Vec::new(),
        };
        say(&mut entry);
        let bytes = encode_log_entry(&entry);
        self.tree.push(&bytes);
        self.entries.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
        self.entries.extend_from_slice(&bytes);
        let checkpoint = Checkpoint { origin: ORIGIN.into(), size: self.tree.size(), root: self.tree.root() };
        std::fs::write(self.path("log/entries"), &self.entries).unwrap();
        std::fs::write(self.path("log/checkpoint"), checkpoint.sign(&signing(1))).unwrap();
    }

    /// Seals a segment of so many sessions, stores it and anchors it; returns its path.
    pub(crate) fn segment(&mut self, sessions: u8, ends_chain: bool) -> String {
        let (before, mut frames) = (self.chain.head(), Vec::new());
        for session in 0..sessions {
            for entry in [opened(), Entry::Closed(CloseReason::Finished)] {
                let session = SessionId::mint(u128::from(session));
                let frame =
                    self.chain.append(&entry, session, UnixMillis(BEGUN), [session.to_bytes()[15]; 32]).unwrap();
                frames.extend_from_slice(frame.bytes());
                let _ = frame.written();
            }
        }
        let sealing = Sealing { chain: chain_id(), before, ends_chain, signer: NODE };
        let sealed = seal(&frames, &sealing, &signing(2)).unwrap();
        let path = hoop_audit::segment_path(&sealed.root.chain, sealed.root.first);
        std::fs::create_dir_all(self.path(&path).parent().unwrap()).unwrap();
        std::fs::write(self.path(&path), [frames, sealed.footer].concat()).unwrap();
        self.log(|entry| entry.roots.push(sealed.root));
        path
    }

    /// Alters a file.
    pub(crate) fn alter(&self, path: &str, how: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(self.path(path)).unwrap();
        how(&mut bytes);
        std::fs::write(self.path(path), bytes).unwrap();
    }
}

fn opened() -> Entry {
    let named = |name| Named { uid: Uid::mint(1), name: ResourceName::parse(name).unwrap() };
    Entry::Opened(Opening {
        identity: named("nightly"),
        connection: named("react"),
        run: "42".into(),
        issuer: "https://ci.example".into(),
        token_expires: UnixSeconds(1),
        trace: None,
        judged: Judged {
            revision: Revision { epoch: 1, index: 1 },
            outcome: Outcome::Allow,
            reasons: [].into(),
            shadow: [].into(),
        },
    })
}
