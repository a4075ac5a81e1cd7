//! An OpenTelemetry collector: it takes spans (OTLP over gRPC) and keeps them.

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// A span as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The service whose span it is.
    pub service: String,
    /// What it is of.
    pub name: String,
    /// The trace, in hexadecimal.
    pub trace: String,
    /// Its id, in hexadecimal.
    pub id: String,
    /// The span it is a part of, in hexadecimal; empty for none.
    pub parent: String,
    /// What is noted of it.
    pub notes: BTreeMap<String, String>,
}

/// A running collector.
pub struct Collector {
    address: SocketAddr,
    taken: Taken,
    stop: Option<oneshot::Sender<()>>,
}

#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Taken {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Starts one on loopback.
    #[must_use]
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Taken::default();
        let (stop, stopped) = oneshot::channel::<()>();
        let service = TraceServiceServer::new(taken.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let incoming = TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).unwrap());
                let server = tonic::transport::Server::builder().add_service(service);
                let _ = server.serve_with_incoming_shutdown(incoming, async { drop(stopped.await) }).await;
            });
        });
        Self { address, taken, stop: Some(stop) }
    }

    /// Returns where it is, as `[traces] endpoint`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns every byte that came.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.taken.0.lock().unwrap().iter().flat_map(Message::encode_to_vec).collect()
    }

    /// Returns the spans of a trace that have come.
    #[must_use]
    pub fn trace(&self, trace: &str) -> Vec<Span> {
        let mut spans = self.spans();
        spans.retain(|span| span.trace == trace);
        spans
    }

    /// Returns all spans that have come.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        let taken = self.taken.0.lock().unwrap();
        let mut spans = Vec::new();
        for resource in taken.iter().flat_map(|request| &request.resource_spans) {
            let about = resource.resource.iter().flat_map(|resource| &resource.attributes);
            let service = about.clone().find(|attribute| attribute.key == "service.name");
            let service = service.and_then(|attribute| shown(attribute.value.as_ref()?.value.as_ref()?)).unwrap();
            for span in resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
                let notes = span.attributes.iter().filter_map(|attribute| {
                    Some((attribute.key.clone(), shown(attribute.value.as_ref()?.value.as_ref()?)?))
                });
                spans.push(Span {
                    service: service.clone(),
                    name: span.name.clone(),
                    trace: hex::encode(&span.trace_id),
                    id: hex::encode(&span.span_id),
                    parent: hex::encode(&span.parent_span_id),
                    notes: notes.collect(),
                });
            }
        }
        spans
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

fn shown(value: &Value) -> Option<String> {
    match value {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::BoolValue(is) => Some(is.to_string()),
        Value::DoubleValue(number) => Some(number.to_string()),
        Value::ArrayValue(_) | Value::KvlistValue(_) | Value::BytesValue(_) | Value::StringValueStrindex(_) => None,
    }
}
