//! Shipping: one segment at a time to the control plane, and gone from here once it is stored there.

use super::ledger::{Ledger, Segment};
use super::medium::Directory;
use super::name::Form;
use super::seal;
use crate::control::join::Membership;
use crate::control::{chain, retry_after};
use hoop_model::ChainId;
use hoop_wire::v1;
use hoop_wire::v1::evidence_client::EvidenceClient;
use hoop_wire::v1::ship_response::Outcome;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

/// Where segments are kept that the control plane refused.
pub(crate) const REFUSED: &str = "refused";
/// How long the control plane may take to store a segment.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Longest time that what is left may take to be shipped once the node stops.
const LAST_SHIPMENT: Duration = Duration::from_secs(10);
/// How often in a row one address may put the node off before another is tried.
const MAX_PUT_OFF: u32 = 5;
/// How often the wait of a chain that is put off is doubled.
const MAX_DOUBLED: u32 = 3;
/// How often in a row a segment may turn out to be unreadable before it is given up.
const MAX_UNREADABLE: u32 = 3;
/// How often it is looked at whether that is done.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Ships for as long as the node runs.
pub(crate) struct Shipper {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) directory: Directory,
    /// The control plane's addresses, tried in turn.
    pub(crate) addresses: Vec<String>,
    /// What the node proves itself with, once it has joined.
    pub(crate) membership: watch::Receiver<Option<Arc<Membership>>>,
}

/// Says why the stream is over.
#[derive(Debug, thiserror::Error)]
enum ShipError {
    #[error("cannot connect")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the control plane ended the stream")]
    Status(#[source] Box<tonic::Status>),
    #[error("the stream has ended")]
    Ended,
    #[error("no answer within 15 s")]
    Silent,
    #[error("the control plane answered {0}")]
    Misbehaved(&'static str),
    #[error("the control plane cannot store anything: {0}")]
    Unable(String),
}

/// One stream, and the chains that the control plane is not to be bothered with yet.
struct Stream<'a> {
    shipper: &'a Shipper,
    requests: mpsc::Sender<v1::ShipRequest>,
    responses: tonic::Streaming<v1::ShipResponse>,
    later: &'a mut BTreeMap<ChainId, Later>,
    /// How often in a row the node was put off.
    put_off: u32,
}

/// How long a chain waits.
struct Later {
    until: Instant,
    /// How often in a row it was put off.
    times: u32,
}

impl Shipper {
    /// Ships until it is dropped. It never gives up: what is not stored stays, and the node refuses commands once that is
    /// too much.
    pub(crate) async fn run(self) {
        let mut last = String::new();
        let mut later = BTreeMap::new();
        for address in self.addresses.clone().iter().cycle() {
            self.something_to_ship().await;
            let error = match self.ship_to(address, &mut later).await {
                Ok(()) => continue,
                Err(error) => chain(&error),
            };
            self.ledger.reached(false);
            if error == last {
                tracing::debug!(control_plane = %address, %error, "still no evidence shipped");
            } else {
                tracing::warn!(control_plane = %address, %error, "evidence cannot be shipped");
                last = error;
            }
            tokio::time::sleep(retry_after()).await;
        }
    }

    async fn something_to_ship(&self) {
        while self.ledger.is_shipped() {
            self.ledger.more().await;
        }
    }

    /// Ships over one stream until it breaks, or the node has another certificate.
    async fn ship_to(&self, address: &str, later: &mut BTreeMap<ChainId, Later>) -> Result<(), ShipError> {
        let mut membership = self.membership.clone();
        let Ok(joined) = membership.wait_for(Option::is_some).await.map(|joined| joined.clone()) else {
            return std::future::pending().await;
        };
        let Some(joined) = joined else { return Ok(()) };
        let (requests, responses) = open(address, &joined).await?;
        let stream = Stream { shipper: self, requests, responses, later, put_off: 0 };
        tracing::debug!(control_plane = %address, "shipping evidence");
        tokio::select! {
            shipped = stream.run() => shipped.map(|never| match never {}),
            _ = membership.changed() => Ok(()),
        }
    }

    /// Waits until everything is shipped, for 10 s at most, and not where none of the addresses answers.
    pub(crate) async fn last_shipment(ledger: &Ledger, addresses: usize) {
        let is_hopeless = || usize::try_from(ledger.unreached()).is_ok_and(|unreached| unreached >= addresses);
        let shipped = async {
            while !ledger.is_shipped() && !is_hopeless() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        // Either way the ledger tells what is left.
        let _ = tokio::time::timeout(LAST_SHIPMENT, shipped).await;
        if !ledger.is_shipped() {
            tracing::warn!("evidence is left that is not shipped; the next start does");
        }
    }

    /// Does something to a file elsewhere than on this thread: the disk may hang.
    async fn on_disk<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Directory) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let directory = self.directory.clone();
        tokio::task::spawn_blocking(move || act(&directory)).await.map_err(io::Error::other)?
    }
}

/// Opens a stream.
async fn open(
    address: &str,
    joined: &Membership,
) -> Result<(mpsc::Sender<v1::ShipRequest>, tonic::Streaming<v1::ShipResponse>), ShipError> {
    let client = (joined.certificate_pem.as_str(), joined.key_pem.reveal().as_str());
    let channel = hoop_rpc::connect(address, &joined.ca_pem, hoop_rpc::SERVER_NAME, Some(client)).await;
    let channel = channel.map_err(|error| ShipError::Connect(error.into()))?;
    let mut client = EvidenceClient::new(channel).max_encoding_message_size(hoop_rpc::MAX_MESSAGE_BYTES);
    let (requests, outgoing) = mpsc::channel(1);
    let opening = tokio::time::timeout(ANSWER_WITHIN, client.ship(ReceiverStream::new(outgoing))).await;
    let opened = opening.map_err(|_| ShipError::Silent)?;
    Ok((requests, opened.map_err(|status| ShipError::Status(Box::new(status)))?.into_inner()))
}

impl Stream<'_> {
    async fn run(mut self) -> Result<Infallible, ShipError> {
        loop {
            let now = Instant::now();
            let is_due =
                |segment: &Segment| self.later.get(&self.chain(segment)).is_none_or(|later| later.until <= now);
            let due = self.shipper.ledger.next().into_iter().find(is_due);
            match due {
                Some(segment) => self.ship(&segment).await?,
                None => self.wait().await?,
            }
        }
    }

    fn chain(&self, segment: &Segment) -> ChainId {
        segment.name.chain(self.shipper.ledger.node())
    }

    /// Waits until there may be something to ship.
    async fn wait(&mut self) -> Result<(), ShipError> {
        // What is due by now is about chains that have nothing to ship.
        let now = Instant::now();
        let soonest = self.later.values().map(|later| later.until).filter(|until| *until > now).min();
        let later = async {
            match soonest {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.shipper.ledger.more() => Ok(()),
            () = later => Ok(()),
            unasked = self.responses.message() => Err(match unasked {
                Ok(Some(_)) => ShipError::Misbehaved("what was not asked"),
                Ok(None) => ShipError::Ended,
                Err(status) => ShipError::Status(Box::new(status)),
            }),
        }
    }

    async fn ship(&mut self, segment: &Segment) -> Result<(), ShipError> {
        let (name, file) = (segment.name, segment.file());
        let read = self.shipper.on_disk(move |directory| std::fs::read(directory.path_of(name, Form::Sealed))).await;
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                tracing::error!(%file, "a segment is gone before it was shipped");
                self.lacks(segment).await;
                return Ok(());
            }
            Err(error) => {
                tracing::warn!(%file, %error, "a segment cannot be read");
                self.unreadable(segment).await;
                return Ok(());
            }
        };
        let answer = self.ask(bytes).await?;
        self.shipper.ledger.reached(true);
        match answer.outcome() {
            // Only an answer that names the segment lets go of it.
            Outcome::Stored if !self.is_about(&answer, segment) => {
                return Err(ShipError::Misbehaved("for another segment"));
            }
            Outcome::Stored => self.stored(segment).await,
            Outcome::Refused => self.refused(segment, &answer.reason).await,
            Outcome::Retry => {
                tracing::debug!(%file, reason = %answer.reason, "a segment is to be sent again later");
                self.put_off(segment);
                self.put_off = self.put_off.saturating_add(1);
                if self.put_off >= MAX_PUT_OFF {
                    return Err(ShipError::Unable(answer.reason));
                }
            }
            // Only an answer that names the segment says anything about it.
            Outcome::OutOfOrder if !self.is_about(&answer, segment) => {
                return Err(ShipError::Misbehaved("for another segment"));
            }
            Outcome::OutOfOrder => {
                tracing::error!(%file, reason = %answer.reason, "records are missing before a segment");
                self.strand(segment).await;
            }
            Outcome::Unspecified => return Err(ShipError::Misbehaved("without an outcome")),
        }
        Ok(())
    }

    async fn ask(&mut self, segment: Vec<u8>) -> Result<v1::ShipResponse, ShipError> {
        let incarnation = self.shipper.ledger.incarnation().to_bytes().to_vec();
        let asking = async {
            self.requests.send(v1::ShipRequest { segment, incarnation }).await.map_err(|_| ShipError::Ended)?;
            let answer = self.responses.message().await;
            answer.map_err(|status| ShipError::Status(Box::new(status)))?.ok_or(ShipError::Ended)
        };
        tokio::time::timeout(ANSWER_WITHIN, asking).await.unwrap_or(Err(ShipError::Silent))
    }

    fn is_about(&self, answer: &v1::ShipResponse, segment: &Segment) -> bool {
        let is_chain = answer.chain.as_ref() == Some(&v1::ChainId::from(&self.chain(segment)));
        is_chain && answer.first_sequence == segment.name.first
    }

    async fn stored(&mut self, segment: &Segment) {
        self.put_off = 0;
        self.later.remove(&self.chain(segment));
        let name = segment.name;
        let gone = self.shipper.on_disk(move |directory| std::fs::remove_file(directory.path_of(name, Form::Sealed)));
        if let Err(error) = gone.await {
            // The next start ships it once more, and hears that it is stored.
            tracing::warn!(file = %segment.file(), %error, "a segment that is stored cannot be removed");
        }
        self.shipper.ledger.stored(segment);
    }

    async fn refused(&mut self, segment: &Segment, reason: &str) {
        let file = segment.file();
        tracing::warn!(%file, reason, directory = REFUSED, "the control plane refused a segment; it is kept");
        let moved = self.shipper.on_disk(move |directory| directory.set_aside(&file, REFUSED)).await;
        match moved {
            Ok(()) => self.shipper.ledger.refused(segment),
            Err(error) => {
                tracing::warn!(file = %segment.file(), %error, "a segment that was refused cannot be moved");
                self.put_off(segment);
            }
        }
    }

    /// Gives a segment up that cannot be read again and again.
    async fn unreadable(&mut self, segment: &Segment) {
        self.put_off(segment);
        let times = self.later.get(&self.chain(segment)).map_or(0, |later| later.times);
        if times < MAX_UNREADABLE {
            return;
        }
        let file = segment.file();
        match self.shipper.on_disk(move |directory| directory.set_aside(&file, seal::UNREADABLE)).await {
            Ok(()) => self.lacks(segment).await,
            Err(error) => tracing::warn!(file = %segment.file(), %error, "a segment cannot be moved aside"),
        }
    }

    /// A segment is not there any more: its chain ends before it.
    async fn lacks(&mut self, segment: &Segment) {
        self.shipper.ledger.stranded(segment);
        self.strand(segment).await;
    }

    /// Sets aside what waits of a segment's chain: records before it are missing, so it will never be taken.
    async fn strand(&mut self, segment: &Segment) {
        let chain = self.chain(segment);
        let ledger = &self.shipper.ledger;
        self.later.remove(&chain);
        // First, so that whoever seals what follows sets it aside as well.
        ledger.break_off(&chain, None);
        while let Some(next) = ledger.next_of(&chain) {
            let (node, name) = (chain.node.clone(), next.name);
            let moved = move |directory: &Directory| seal::strand(directory, &node, name, Form::Sealed);
            match self.shipper.on_disk(moved).await {
                Ok(last) => ledger.break_off(&chain, last),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::warn!(file = %next.file(), %error, "a segment cannot be moved aside");
                    return self.put_off(segment);
                }
            }
            ledger.stranded(&next);
        }
    }

    /// Lets a chain wait, longer each time: up to 16 s.
    fn put_off(&mut self, segment: &Segment) {
        let chain = self.chain(segment);
        let times = self.later.get(&chain).map_or(0, |later| later.times);
        let until = Instant::now() + retry_after() * (1 << times.min(MAX_DOUBLED));
        self.later.insert(chain, Later { until, times: times.saturating_add(1) });
    }
}
