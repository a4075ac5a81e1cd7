//! The Sessions service: what was recorded, for administrators.
//!
//! ```text
//!   List   the index
//!   Show   the node's unshipped tail ─▶ wait until the index has what was stored by then ─▶ stored, then what is only there
//!   Tail   segments as they come in, and every second the tails, each record once
//! ```

mod list;
mod show;
mod tail;

use super::error::EvidenceError;
use crate::authorise::caller;
use crate::cluster::Cluster;
use hoop_model::SessionId;
use hoop_model::spec::Right;
use hoop_wire::v1;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Records on their way to one reader.
const IN_FLIGHT: usize = 16;

/// Where a reader's records go.
type Out = mpsc::Sender<Result<v1::SessionRecord, Status>>;

/// The Sessions service.
pub(crate) struct Sessions {
    cluster: Arc<Cluster>,
}

impl Sessions {
    /// Serves this cluster.
    pub(crate) const fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster }
    }

    fn reader(&self) -> Result<OwnedSemaphorePermit, Status> {
        self.cluster.evidence().reader()
    }
}

#[tonic::async_trait]
impl v1::sessions_server::Sessions for Sessions {
    type ShowStream = ReceiverStream<Result<v1::SessionRecord, Status>>;
    type TailStream = ReceiverStream<Result<v1::SessionRecord, Status>>;

    async fn list(
        &self,
        request: Request<v1::ListSessionsRequest>,
    ) -> Result<Response<v1::ListSessionsResponse>, Status> {
        list::list(&self.cluster, request.into_inner()).await.map(Response::new)
    }

    async fn show(&self, request: Request<v1::ShowSessionRequest>) -> Result<Response<Self::ShowStream>, Status> {
        let (caller, session) = (caller(&request)?, session(&request.get_ref().id)?);
        let reader = self.reader()?;
        let found = show::find(&self.cluster, session).await?;
        let (out, records) = mpsc::channel(IN_FLIGHT);
        let cluster = Arc::clone(&self.cluster);
        tokio::spawn(async move {
            let _reader = reader;
            let sending = show::send_all(&cluster, session, found, &out);
            ended(&out, caller.while_may(&cluster, Right::ReadSessions, sending).await).await;
        });
        Ok(Response::new(ReceiverStream::new(records)))
    }

    async fn tail(&self, request: Request<v1::TailSessionsRequest>) -> Result<Response<Self::TailStream>, Status> {
        let caller = caller(&request)?;
        let tailing = tail::Tailing::begin(&self.cluster, request.into_inner())?;
        let reader = self.reader()?;
        let (out, records) = mpsc::channel(IN_FLIGHT);
        let cluster = Arc::clone(&self.cluster);
        tokio::spawn(async move {
            let _reader = reader;
            ended(&out, caller.while_may(&cluster, Right::ReadSessions, tailing.run(&out)).await).await;
        });
        Ok(Response::new(ReceiverStream::new(records)))
    }
}

/// Why a stream of records ended early.
enum Ended {
    /// The reader hung up.
    ByReader,
    /// We end it, and say why.
    ByUs(Status),
}

impl From<Status> for Ended {
    fn from(status: Status) -> Self {
        Self::ByUs(status)
    }
}

async fn ended(out: &Out, result: Result<(), Ended>) {
    match result {
        Ok(()) | Err(Ended::ByReader) => {}
        // A reader that is gone misses the reason, nothing else.
        Err(Ended::ByUs(status)) => drop(out.send(Err(status)).await),
    }
}

async fn send(out: &Out, frame: Vec<u8>, shipped: bool) -> Result<(), Ended> {
    out.send(Ok(v1::SessionRecord { frame, shipped })).await.map_err(|_| Ended::ByReader)
}

fn session(id: &[u8]) -> Result<SessionId, Status> {
    SessionId::from_slice(id).map_err(|_| Status::invalid_argument("a session's id must be 16 bytes"))
}

/// Runs what reads the store or the index where it may wait for the disk.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EvidenceError> + Send + 'static,
) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Status::internal("the evidence store failed; the log says more"))?.map_err(|error| error.status())
}
