//! The commands against a control plane that is one only as far as they can see: TLS, tokens, answers.

use super::Outcome;
use super::audit::samples::{Store, verifier};
use super::sessions::samples;
use crate::{Cli, run};
use clap::Parser;
use hoop_model::SessionId;
use hoop_node::pki::{ClusterCa, SERVER_LIFETIME, pem};
use hoop_wire::v1;
use hoop_wire::v1::audit_server::{Audit, AuditServer};
use hoop_wire::v1::sessions_server::{Sessions, SessionsServer};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tonic::codegen::{BoxStream, tokio_stream};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// What the control plane has.
#[derive(Default)]
struct Served {
    records: Vec<v1::SessionRecord>,
    checkpoint: v1::CheckpointResponse,
    parts: Vec<v1::ExportPart>,
}

fn signed_in<T>(request: &Request<T>) -> Result<(), Status> {
    match request.metadata().get("authorization") {
        Some(token) if token == "Bearer right" => Ok(()),
        Some(_) | None => Err(Status::unauthenticated("sign in first")),
    }
}

fn stream<T: Clone + Send + 'static>(items: &[T]) -> Response<BoxStream<T>> {
    let items: Vec<_> = items.iter().cloned().map(Ok).collect();
    Response::new(Box::pin(tokio_stream::iter(items)))
}

#[tonic::async_trait]
impl Sessions for Served {
    type ShowStream = BoxStream<v1::SessionRecord>;
    type TailStream = BoxStream<v1::SessionRecord>;

    async fn list(
        &self,
        request: Request<v1::ListSessionsRequest>,
    ) -> Result<Response<v1::ListSessionsResponse>, Status> {
        signed_in(&request)?;
        assert_eq!((request.get_ref().identity.as_str(), request.get_ref().limit), ("nightly", 7));
        Ok(Response::new(v1::ListSessionsResponse::default()))
    }

    async fn show(&self, request: Request<v1::ShowSessionRequest>) -> Result<Response<Self::ShowStream>, Status> {
        signed_in(&request)?;
        Ok(stream(&self.records))
    }

    async fn tail(&self, request: Request<v1::TailSessionsRequest>) -> Result<Response<Self::TailStream>, Status> {
        signed_in(&request)?;
        assert_eq!(request.get_ref().connection, "react");
        Ok(stream(&self.records))
    }
}

#[tonic::async_trait]
impl Audit for Served {
    type ExportStream = BoxStream<v1::ExportPart>;

    async fn checkpoint(
        &self,
        request: Request<v1::CheckpointRequest>,
    ) -> Result<Response<v1::CheckpointResponse>, Status> {
        signed_in(&request)?;
        Ok(Response::new(self.checkpoint.clone()))
    }

    async fn export(&self, request: Request<v1::ExportRequest>) -> Result<Response<Self::ExportStream>, Status> {
        signed_in(&request)?;
        Ok(stream(&self.parts))
    }
}

impl Served {
    /// Serves what an evidence store has, each file in two parts.
    fn store(store: &Store, segments: &[&str]) -> Self {
        let read = |path: &str| std::fs::read(store.path(path)).unwrap();
        let mut parts = Vec::new();
        for path in segments.iter().chain(&["log/entries", "log/checkpoint"]) {
            let bytes = read(path);
            let (first, second) = bytes.split_at(bytes.len() / 2);
            parts.push(v1::ExportPart { path: (*path).to_owned(), content: first.to_vec() });
            parts.push(v1::ExportPart { path: String::new(), content: second.to_vec() });
        }
        let note = String::from_utf8(read("log/checkpoint")).unwrap();
        Self { checkpoint: v1::CheckpointResponse { note, key: verifier() }, parts, ..Self::default() }
    }
}

/// A control plane that runs, and the files with which it is reached.
struct Reached {
    address: SocketAddr,
    directory: tempfile::TempDir,
}

impl Reached {
    fn serve(served: Served) -> Self {
        hoop_node::crypto::install();
        let now = hoop_node::clock::unix_now();
        let ca = ClusterCa::create(now).unwrap();
        let (certificate, key) = ca.issue_server(&[], now, SERVER_LIFETIME).unwrap();
        let ca_pem = pem(ca.certificate_der(), "CERTIFICATE");
        let tls = hoop_rpc::server_tls(&pem(&certificate, "CERTIFICATE"), key.to_pem().reveal(), &ca_pem);
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = incoming.local_addr().unwrap();
        let served = Arc::new(served);
        let router = hoop_rpc::server(tls).unwrap().add_service(SessionsServer::from_arc(Arc::clone(&served)));
        tokio::spawn(router.add_service(AuditServer::from_arc(served)).serve_with_incoming(incoming));
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca"), ca_pem).unwrap();
        std::fs::write(directory.path().join("right"), "right\n").unwrap();
        std::fs::write(directory.path().join("wrong"), "wrong\n").unwrap();
        Self { address, directory }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    async fn run_as(&self, token: &str, arguments: &[&str]) -> anyhow::Result<Outcome> {
        let server = format!("https://{}", self.address);
        let [ca, token] = ["ca", token].map(|file| self.path(file).to_str().unwrap().to_owned());
        let access = ["hoopctl", "--server", &server, "--ca", &ca, "--token-file", &token];
        run(Cli::try_parse_from([&access, arguments].concat()).unwrap()).await
    }

    async fn run(&self, arguments: &[&str]) -> anyhow::Result<Outcome> {
        self.run_as("right", arguments).await
    }
}

fn records() -> Vec<v1::SessionRecord> {
    let frames = samples::frames();
    frames.into_iter().map(|frame| v1::SessionRecord { frame, shipped: true }).collect()
}

#[tokio::test]
async fn sessions_are_read_with_a_token_and_not_without() {
    let reached = Reached::serve(Served { records: records(), ..Served::default() });
    let id = SessionId::mint(9).to_string();
    for arguments in [
        &["sessions", "list", "--identity", "nightly", "--limit", "7"][..],
        &["sessions", "show", &id],
        &["sessions", "show", &id, "-o", "json"],
    ] {
        assert_eq!(reached.run(arguments).await.unwrap(), Outcome::Done, "{arguments:?}");
        let refused = reached.run_as("wrong", arguments).await.unwrap_err().to_string();
        assert_eq!(refused, "sign in first (Unauthenticated)", "{arguments:?}");
    }
    let other = reached.run(&["sessions", "show", &SessionId::mint(1).to_string()]).await.unwrap_err();
    assert_eq!(other.to_string(), format!("the control plane sent a record of session {id}"));
}

#[tokio::test]
async fn a_session_without_records_and_a_tail_that_ends_are_failures() {
    let id = SessionId::mint(9).to_string();
    let empty = Reached::serve(Served::default()).run(&["sessions", "show", &id]).await.unwrap_err();
    assert_eq!(empty.to_string(), format!("there are no records of session {id}"));
    let reached = Reached::serve(Served { records: records(), ..Served::default() });
    let ended = reached.run(&["sessions", "tail", "--connection", "react"]).await.unwrap_err();
    assert_eq!(ended.to_string(), "the control plane ended the stream: records that come now are not shown");
}

#[tokio::test]
async fn what_is_exported_verifies_and_an_export_is_brought_up_to_date() {
    let mut store = Store::begin();
    let first = store.segment(2, false);
    let reached = Reached::serve(Served::store(&store, &[&first]));
    let directory = reached.path("export").to_str().unwrap().to_owned();
    let key = verifier();
    let verify = ["audit", "verify", &directory, "--key", &key];
    assert_eq!(reached.run(&["audit", "export", &directory]).await.unwrap(), Outcome::Done);
    assert_eq!(reached.run(&verify).await.unwrap(), Outcome::Done);

    let second = store.segment(1, true);
    let later = Reached::serve(Served::store(&store, &[&second]));
    assert_eq!(later.run(&["audit", "export", &directory, "--since", "1h"]).await.unwrap(), Outcome::Done);
    assert_eq!(later.run(&verify).await.unwrap(), Outcome::Done);
    assert!(Path::new(&directory).join(&first).exists() && Path::new(&directory).join(&second).exists());

    store.alter(&first, |bytes| bytes[40] ^= 1);
    let altered = Reached::serve(Served::store(&store, &[&first]));
    let refused = altered.run(&["audit", "export", &directory]).await.unwrap_err().to_string();
    assert!(refused.contains("is not the one that was exported before"), "{refused}");
    let fresh = reached.path("fresh").to_str().unwrap().to_owned();
    assert_eq!(altered.run(&["audit", "export", &fresh]).await.unwrap(), Outcome::Done);
    let failed = altered.run(&["audit", "verify", &fresh, "--key", &key, "-o", "json"]).await.unwrap();
    assert_eq!((failed, failed.code()), (Outcome::Failed, 1));
}

#[tokio::test]
async fn a_path_that_leads_out_of_the_export_is_refused() {
    let store = Store::whole();
    for path in ["../escaped", "/tmp/hoopctl-escaped", "log/../../escaped"] {
        let part = v1::ExportPart { path: path.to_owned(), content: b"x".to_vec() };
        let reached = Reached::serve(Served { parts: vec![part], ..Served::store(&store, &[]) });
        let directory = reached.path("export");
        let refused = reached.run(&["audit", "export", directory.to_str().unwrap()]).await.unwrap_err().to_string();
        assert_eq!(refused, format!("the control plane sent `{path}`, no file of an evidence store"));
        assert!(!reached.path("escaped").exists() && !Path::new("/tmp/hoopctl-escaped").exists());
        let there: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(there, ["EXPORT"]);
    }
}

#[tokio::test]
async fn a_checkpoint_is_printed_only_if_the_key_beside_it_signed_it() {
    let store = Store::whole();
    let reached = Reached::serve(Served::store(&store, &[]));
    assert_eq!(reached.run(&["audit", "checkpoint"]).await.unwrap(), Outcome::Done);
    assert_eq!(reached.run(&["audit", "key"]).await.unwrap(), Outcome::Done);
    let mut served = Served::store(&store, &[]);
    served.checkpoint.note = served.checkpoint.note.replacen("\n3\n", "\n4\n", 1);
    let forged = Reached::serve(served).run(&["audit", "checkpoint"]).await.unwrap_err();
    assert_eq!(forged.to_string(), "the control plane sent a checkpoint that its key did not sign");
}
