//! Evidence, from what a node says and ships to what an administrator reads.

mod anchoring;
mod export;
mod jobs;
mod keeping;
mod sessions;
mod shipping;

use super::{Attachment, INCARNATION, Node, Plane, hello};
use hoop_audit::{
    Chain, CloseReason, CommandId, CommandVerdict, Entry, Judged, Named, Opening, Outcome, Sealing, SigningKey,
    read_segment, seal,
};
use hoop_model::{
    ChainId, Code, ContentHash, Effect, Head, Incarnation, ResourceName, Revision, SessionId, Target, Uid, UnixMillis,
    UnixSeconds,
};
use hoop_state::State;
use hoop_wire::v1::evidence_client::EvidenceClient;
use hoop_wire::v1::ship_response::Outcome as Shipped;
use hoop_wire::v1::{self, from_node};
use std::time::Duration;
use tokio_stream::StreamExt;
use tonic::Status;

fn name(text: &str) -> ResourceName {
    ResourceName::parse(text).unwrap()
}

/// One process of a node, as far as it makes evidence.
struct Process {
    node: ResourceName,
    incarnation: Incarnation,
    key: SigningKey,
}

/// One chain that a process writes.
struct Writer {
    chain: Chain,
    id: ChainId,
    before: Option<Head>,
    time: u64,
}

fn process(node: &str, number: u8) -> Process {
    let key = SigningKey::from_seed(&[number; 32]).unwrap();
    Process { node: name(node), incarnation: Incarnation::mint(u128::from(number)), key }
}

impl Process {
    fn hello(&self, leftovers: &[&ChainId]) -> v1::Hello {
        v1::Hello {
            incarnation: self.incarnation.to_bytes().into(),
            evidence_key: self.key.verifying_key().0.into(),
            leftovers: leftovers.iter().map(|chain| (*chain).into()).collect(),
            ..hello()
        }
    }

    fn writer(&self, shard: u32) -> Writer {
        let chain = Chain::open(&self.node, self.incarnation, shard);
        let id = ChainId { node: self.node.clone(), incarnation: self.incarnation, shard };
        Writer { chain, id, before: None, time: 1_000 }
    }

    /// Seals frames with this process's key.
    fn seal(&self, frames: &[u8], writer: &mut Writer, ends_chain: bool) -> Vec<u8> {
        let sealing = Sealing { chain: writer.id.clone(), before: writer.before, ends_chain, signer: self.incarnation };
        let sealed = seal(frames, &sealing, &self.key).unwrap();
        writer.before = Some(sealed.root.last);
        [frames, &sealed.footer].concat()
    }

    /// Writes some records of one session and seals them.
    fn segment(&self, writer: &mut Writer, session: u128, entries: &[Entry]) -> Vec<u8> {
        let frames = writer.frames(session, entries);
        self.seal(&frames, writer, false)
    }
}

impl Writer {
    fn frames(&mut self, session: u128, entries: &[Entry]) -> Vec<u8> {
        let mut frames = Vec::new();
        for entry in entries {
            self.time += 1;
            let salt = [self.time as u8; 32];
            let session = SessionId::mint(session);
            let frame = self.chain.append(entry, session, UnixMillis(self.time), salt).unwrap();
            frames.extend_from_slice(frame.bytes());
            let _ = frame.written();
        }
        frames
    }

    fn head(&self) -> Head {
        self.chain.head().unwrap()
    }

    fn wire_head(&self) -> v1::ChainHead {
        let Head { sequence, hash } = self.head();
        v1::ChainHead { chain: Some((&self.id).into()), sequence, hash: hash.0.to_vec() }
    }
}

fn judged(outcome: Outcome) -> Judged {
    Judged { revision: Revision { epoch: 1, index: 3 }, outcome, reasons: [].into(), shadow: [].into() }
}

fn opening(identity: &str, run: &str) -> Opening {
    Opening {
        identity: Named { uid: Uid::mint(1), name: name(identity) },
        connection: Named { uid: Uid::mint(2), name: name("react") },
        run: run.into(),
        issuer: "https://ci.example.com".into(),
        token_expires: UnixSeconds(1_800_000_000),
        trace: None,
        judged: judged(Outcome::Allow),
    }
}

fn opened(identity: &str) -> Entry {
    Entry::Opened(opening(identity, "4711"))
}

fn command(number: u64, outcome: Outcome) -> Entry {
    Entry::Verdict(CommandVerdict {
        command: CommandId::from_number(number).unwrap(),
        summary: "GET /orders/7".into(),
        effects: vec![Effect { action: "http:GET".into(), target: Target::Connection }],
        digest: None,
        trace: None,
        judged: judged(outcome),
    })
}

fn allowed(number: u64) -> Entry {
    command(number, Outcome::Allow)
}

fn refused(number: u64) -> Entry {
    command(number, Outcome::Refuse(Code::Forbidden))
}

const CLOSED: Entry = Entry::Closed(CloseReason::Finished);

/// A node that ships, and the link over which it speaks.
struct Shipper {
    node: Node,
    link: Attachment,
}

impl Plane {
    /// Joins a node and attaches a process of it; returns when its key is anchored.
    async fn shipper(&self, process: &Process) -> Shipper {
        let node = self.joined(process.node.as_str(), &[]).await;
        let link = self.announced(&node, process, &[]).await;
        Shipper { node, link }
    }

    /// Attaches a process and waits until its key is anchored.
    async fn announced(&self, node: &Node, process: &Process, leftovers: &[&ChainId]) -> Attachment {
        let mut link = self.attach(node).await;
        link.say(from_node::Message::Hello(process.hello(leftovers))).await;
        self.until(|state| state.evidence().key(&process.node, process.incarnation).copied()).await;
        link
    }

    /// Waits until the replicated state says something.
    async fn until<T>(&self, mut ask: impl FnMut(&State) -> Option<T>) -> T {
        let mut grown = self.running.cluster.replica().evidence();
        loop {
            grown.mark_unchanged();
            if let Some(answer) = ask(&self.running.cluster.state()) {
                return answer;
            }
            tokio::time::timeout(Duration::from_secs(20), grown.changed()).await.expect("within 20 s").unwrap();
        }
    }

    /// Ships segments one after the other on one stream.
    async fn ship(&self, node: &Node, segments: &[&[u8]]) -> Vec<v1::ShipResponse> {
        let answers = self.try_ship(node, segments).await;
        answers.into_iter().map(Result::unwrap).collect()
    }

    async fn try_ship(&self, node: &Node, segments: &[&[u8]]) -> Vec<Result<v1::ShipResponse, Status>> {
        let request = |segment: &&[u8]| {
            let signer = read_segment(segment).map(|segment| segment.signer.to_bytes().to_vec());
            v1::ShipRequest { segment: segment.to_vec(), incarnation: signer.unwrap_or_else(|_| INCARNATION.to_vec()) }
        };
        self.try_ship_as(node, segments.iter().map(request).collect()).await
    }

    async fn try_ship_as(&self, node: &Node, requests: Vec<v1::ShipRequest>) -> Vec<Result<v1::ShipResponse, Status>> {
        let channel = self.channel(Some((&node.certificate, &node.key))).await;
        let answers = EvidenceClient::new(channel).ship(tokio_stream::iter(requests)).await.unwrap();
        answers.into_inner().collect().await
    }

    /// Ships one segment and returns what became of it, and why.
    async fn ship_one(&self, node: &Node, segment: &[u8]) -> (Shipped, String) {
        let answer = self.ship(node, &[segment]).await.remove(0);
        (answer.outcome(), answer.reason)
    }

    /// Waits until a node's stream is gone.
    pub(super) async fn detached(&self, node: &str) {
        let mut fleet = self.running.cluster.fleet().watch();
        let gone = fleet.wait_for(|nodes| !nodes.node(&name(node)).is_some_and(crate::fleet::Tracked::is_connected));
        drop(tokio::time::timeout(Duration::from_secs(20), gone).await.expect("within 20 s").unwrap());
    }

    fn chain(&self, id: &ChainId) -> Option<hoop_state::Chain> {
        self.running.cluster.state().evidence().chain(id).copied()
    }

    fn store_path(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join("evidence").join(path)
    }
}

fn renew(process: &Process, heads: Vec<v1::ChainHead>) -> from_node::Message {
    from_node::Message::Renew(v1::Renew {
        sequence: 1,
        incarnation: process.incarnation.to_bytes().into(),
        applied: Some(v1::Revision::default()),
        sent_boot_ms: 1,
        heads,
        ..Default::default()
    })
}

fn other_hash(head: Head) -> Head {
    Head { hash: ContentHash([0xee; 32]), ..head }
}
