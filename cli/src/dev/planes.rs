//! Both planes in this process: each with its own directory, joined as two machines would be.

use crate::client::{self, Admin};
use crate::commands::{Outcome, apply};
use crate::manifest;
use anyhow::{Context, bail, ensure};
use hoop_model::{ResourceName, Revision};
use hoop_wire::v1;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};

const NODE: &str = "dev-1";
const JOIN_TOKEN_MILLIS: u64 = 60_000;
/// Longest that a node in the same process may take to join and attach.
const ATTACH_PATIENCE: Duration = Duration::from_secs(30);

/// Two running planes. Stopping a plane leaves the other to itself.
pub(super) struct Planes {
    directory: TempDir,
    server: String,
    ca: String,
    token: String,
    gateway: SocketAddr,
    control: Mutex<Option<hoop_control_plane::Running>>,
    data: Mutex<Option<hoop_data_plane::Running>>,
}

impl Planes {
    /// Starts a control plane on a throw-away seal key, then a data plane that joins it.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir().context("make a temporary directory")?;
        let control = start_control_plane(directory.path()).await.context("start the control plane")?;
        let server = format!("https://{}", control.address);
        let ca = control.ca_pem.clone();
        let first = control.bootstrap_token.clone().context("a new cluster has a one-time token")?;
        let token = client::open_session(&server, &ca, &first).await?;
        let mut admin = client::connect(&server, &ca, &token).await?;
        let data =
            start_data_plane(directory.path(), &server, &ca, &mut admin).await.context("start the data plane")?;
        until_attached(&mut admin).await?;
        Ok(Self {
            directory,
            server,
            ca,
            token,
            gateway: data.http,
            control: Mutex::new(Some(control)),
            data: Mutex::new(Some(data)),
        })
    }

    /// Applies documents and waits until the data plane has them.
    pub(super) async fn apply(&self, text: &str) -> anyhow::Result<()> {
        let documents = manifest::read_all(text)?;
        let mut admin = client::connect(&self.server, &self.ca, &self.token).await?;
        let reply = apply::apply(&mut admin, &documents, false).await.map_err(client::said)?;
        let revision = reply.revision.context("an applied change has a revision")?;
        ensure!(apply::wait(&mut admin, revision).await? == Outcome::Done, "the data plane did not apply it");
        Ok(())
    }

    /// Writes what `hoopctl` needs to sign in: the CA and the token's file.
    pub(super) fn write_access(&self) -> anyhow::Result<(PathBuf, PathBuf)> {
        let (ca, token) = (self.directory.path().join("ca.pem"), self.directory.path().join("admin-token"));
        hoop_node::files::write_atomic(&ca, self.ca.as_bytes())?;
        hoop_node::files::write_private(&token, self.token.as_bytes())?;
        Ok((ca, token))
    }

    /// Ends the control plane; the data plane keeps its lease until that runs out.
    pub(super) async fn stop_control_plane(&self) {
        if let Some(control) = self.control.lock().await.take() {
            control.stop().await;
        }
    }

    /// Drains and ends the data plane.
    pub(super) async fn stop_data_plane(&self) {
        if let Some(data) = self.data.lock().await.take() {
            data.stop().await;
        }
    }

    /// Ends both.
    pub(super) async fn stop(&self) {
        self.stop_data_plane().await;
        self.stop_control_plane().await;
    }

    /// Starts the control plane again, where it was and with what it knew.
    pub(super) async fn restart_control_plane(&self) -> anyhow::Result<()> {
        let listen =
            self.server.strip_prefix("https://").unwrap_or_default().parse().context("the server's address")?;
        let config = control_plane_config(self.directory.path(), listen);
        let control = hoop_control_plane::ControlPlane::start(config).await.context("start the control plane again")?;
        *self.control.lock().await = Some(control);
        Ok(())
    }

    /// Returns the directory that is gone when the planes are.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Returns where jobs connect.
    pub(super) const fn gateway_address(&self) -> SocketAddr {
        self.gateway
    }

    /// Returns where jobs connect, as a URL.
    pub(super) fn gateway(&self) -> String {
        format!("http://{}", self.gateway)
    }

    /// Returns where administrators connect.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Returns the subject of the data plane's certificate.
    pub(super) async fn certificate_subject(&self) -> String {
        self.data.lock().await.as_ref().map(hoop_data_plane::Running::certificate_subject).unwrap_or_default()
    }

    /// Returns the revision the data plane enforces.
    pub(super) async fn applied(&self) -> Revision {
        self.data.lock().await.as_ref().map(hoop_data_plane::Running::applied).unwrap_or_default()
    }
}

async fn start_control_plane(directory: &Path) -> anyhow::Result<hoop_control_plane::Running> {
    let seal_key = directory.join("seal.key");
    hoop_node::files::write_private(&seal_key, hex::encode(hoop_node::random::<32>()).as_bytes())?;
    Ok(hoop_control_plane::ControlPlane::start(control_plane_config(directory, loopback())).await?)
}

fn control_plane_config(directory: &Path, listen: SocketAddr) -> hoop_control_plane::Config {
    hoop_control_plane::Config {
        listen,
        data_dir: directory.join("control-plane"),
        seal_key: directory.join("seal.key"),
        evidence_dir: directory.join("control-plane/evidence"),
        evidence: hoop_control_plane::EvidenceLimits::default(),
        server_names: Vec::new(),
        log: hoop_node::telemetry::Config::default(),
        metrics: None,
        traces: None,
    }
}

async fn start_data_plane(
    directory: &Path,
    server: &str,
    ca: &str,
    admin: &mut Admin,
) -> anyhow::Result<hoop_data_plane::Running> {
    let role = v1::create_join_token_request::Role::DataPlane.into();
    let request = v1::CreateJoinTokenRequest { role, lifetime_ms: JOIN_TOKEN_MILLIS, ..Default::default() };
    let minted = admin.create_join_token(request).await.map_err(client::said)?.into_inner();
    let (token_file, ca_file) = (directory.join("join-token"), directory.join("join-ca.pem"));
    hoop_node::files::write_private(&token_file, minted.token.as_bytes())?;
    hoop_node::files::write_atomic(&ca_file, ca.as_bytes())?;
    let config = hoop_data_plane::Config {
        node: ResourceName::parse(NODE)?,
        listen: loopback(),
        transport: hoop_data_plane::Transport::Plaintext,
        state_dir: directory.join("data-plane"),
        spool_dir: directory.join("spool"),
        spool_max_bytes: hoop_data_plane::DEFAULT_SPOOL_MAX_BYTES,
        shards: 1,
        drain_delay: std::time::Duration::ZERO,
        secrets: hoop_data_plane::SecretSources::default(),
        metrics: None,
        traces: None,
        join: hoop_data_plane::Join { token_file, control_plane: vec![server.to_owned()], ca: ca_file },
    };
    Ok(hoop_data_plane::DataPlane::start(config)?)
}

/// Waits until the node holds a lease. The stream is ordered, so whoever sees a later revision applied knows that the node
/// has the lease.
async fn until_attached(admin: &mut Admin) -> anyhow::Result<()> {
    let deadline = Instant::now() + ATTACH_PATIENCE;
    while Instant::now() < deadline {
        let fleet = admin.fleet_status(v1::FleetStatusRequest {}).await.map_err(client::said)?.into_inner();
        if fleet.nodes.iter().any(|node| node.name == NODE && node.lease_granted_ms > 0) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("the data plane did not attach within {ATTACH_PATIENCE:?}")
}

/// A free port on this machine only.
fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}
