//! The thread by which the node tells of itself. Nobody who is served waits for it.

use super::{StartError, spawn};
use crate::meter::Scrape;
use hoop_node::telemetry::metrics;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// The thread, while the node runs.
pub(super) struct Telemetry {
    /// Where the node's metrics are read.
    pub(super) metrics: Option<SocketAddr>,
    thread: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// What it needs, tried before anything runs.
pub(super) struct Setup {
    metrics: Option<(TcpListener, SocketAddr)>,
}

impl Setup {
    /// Takes the address where metrics are to be read, if any.
    pub(super) fn prepare(metrics: Option<SocketAddr>) -> Result<Self, StartError> {
        let bind = |address: SocketAddr| {
            let bound = TcpListener::bind(address).and_then(|listener| {
                listener.set_nonblocking(true)?;
                let address = listener.local_addr()?;
                Ok((listener, address))
            });
            bound.map_err(|source| StartError::Listen { address, source })
        };
        Ok(Self { metrics: metrics.map(bind).transpose()? })
    }

    /// Starts the thread, unless there is nothing to tell.
    pub(super) fn start(self, scrape: Scrape) -> Result<Telemetry, StartError> {
        let Some((listener, address)) = self.metrics else { return Ok(Telemetry { metrics: None, thread: None }) };
        let (stop, stopped) = oneshot::channel();
        let thread = spawn("telemetry".to_owned(), move || async move {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => {
                    tokio::select! {
                        () = metrics::serve(listener, Arc::new(scrape)) => {}
                        // Dropped or sent: the node has stopped.
                        _ = stopped => {}
                    }
                }
                Err(error) => tracing::error!(%error, "metrics cannot be served"),
            }
        })?;
        tracing::info!(%address, "metrics are served");
        Ok(Telemetry { metrics: Some(address), thread: Some((stop, thread)) })
    }
}

impl Telemetry {
    /// Ends it, as the last thing of the node; returns its thread.
    pub(super) fn stop(self) -> Option<JoinHandle<()>> {
        let (stop, thread) = self.thread?;
        // A thread that has ended already needs no telling.
        let _ = stop.send(());
        Some(thread)
    }
}
