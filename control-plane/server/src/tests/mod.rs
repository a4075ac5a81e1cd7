//! A whole control plane over real TLS on loopback, asked as its clients ask.

mod administration;
mod approvals;
mod authority;
mod evidence;
mod joining;
mod leases;
mod lifecycle;
mod placement;
mod sign_in;

use crate::{Config, ControlPlane, EvidenceLimits, Running, StartError};
use hoop_model::ResourceName;
use hoop_model::spec::Right;
use hoop_node::pki::{NodeKey, pem};
use hoop_node::telemetry;
use hoop_rpc::SERVER_NAME;
use hoop_wire::v1::admin_client::AdminClient;
use hoop_wire::v1::join_client::JoinClient;
use hoop_wire::v1::sign_in_client::SignInClient;
use hoop_wire::v1::{self, from_node, spec, to_node};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

/// How long the chains of a process that is gone wait before they count as lost.
const LOST_AFTER: Duration = Duration::from_secs(2);

/// A control plane and the administrator's token.
struct Plane {
    dir: tempfile::TempDir,
    running: Running,
    /// The cluster's first token, which is used up.
    first: String,
    /// Of the session that it opened.
    token: String,
}

fn write_seal_key(path: &Path, digit: &str) {
    std::fs::write(path, digit.repeat(64)).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn limits() -> EvidenceLimits {
    EvidenceLimits { reserve_bytes: 0, lost_after: LOST_AFTER, ..EvidenceLimits::default() }
}

fn config(dir: &Path) -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        data_dir: dir.join("data"),
        seal_key: dir.join("seal.key"),
        evidence_dir: dir.join("evidence"),
        traces: None,
        evidence: limits(),
        server_names: vec![],
        log: telemetry::Config::default(),
        metrics: None,
    }
}

impl Plane {
    async fn start() -> Self {
        Self::start_with(limits()).await
    }

    async fn start_with(evidence: EvidenceLimits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        write_seal_key(&dir.path().join("seal.key"), "a");
        let mut running = ControlPlane::start(Config { evidence, ..config(dir.path()) }).await.unwrap();
        let first = running.bootstrap_token.take().unwrap();
        let mut plane = Self { dir, running, first, token: String::new() };
        plane.token = plane.sign_in(&plane.first).await.unwrap();
        plane
    }

    async fn restart(self) -> Result<Self, StartError> {
        let Self { dir, running, first, token } = self;
        running.stop().await;
        let running = ControlPlane::start(config(dir.path())).await?;
        assert!(running.bootstrap_token.is_none(), "the token is made once");
        Ok(Self { dir, running, first, token })
    }

    async fn channel(&self, client: Option<(&str, &str)>) -> Channel {
        let endpoint = format!("https://{}", self.running.address);
        hoop_rpc::connect(&endpoint, &self.running.ca_pem, SERVER_NAME, client).await.unwrap()
    }

    /// Uses up a one-time token; returns the session's.
    async fn sign_in(&self, one_time: &str) -> Result<String, Status> {
        let request = v1::OpenRequest { token: one_time.to_owned() };
        let opened = SignInClient::new(self.channel(None).await).open(request).await?;
        Ok(opened.into_inner().token)
    }

    async fn admin(&self) -> AdminClient<Channel> {
        AdminClient::new(self.channel(None).await).max_decoding_message_size(hoop_rpc::MAX_MESSAGE_BYTES)
    }

    /// Wraps a message with the administrator's token.
    fn by_admin<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", format!("Bearer {}", self.token).parse().unwrap());
        request
    }

    async fn apply(&self, documents: Vec<v1::Document>) -> Result<v1::ApplyResponse, Status> {
        self.apply_as(v1::ApplyRequest { documents, ..Default::default() }).await
    }

    async fn apply_as(&self, request: v1::ApplyRequest) -> Result<v1::ApplyResponse, Status> {
        self.admin().await.apply(self.by_admin(request)).await.map(tonic::Response::into_inner)
    }

    async fn delete(&self, kind: &str, name: &str) -> Result<v1::DeleteResponse, Status> {
        let request = v1::DeleteRequest { kind: kind.into(), name: name.into(), ..Default::default() };
        self.admin().await.delete(self.by_admin(request)).await.map(tonic::Response::into_inner)
    }

    async fn list(&self) -> v1::ListResponse {
        self.admin().await.list(self.by_admin(v1::ListRequest::default())).await.unwrap().into_inner()
    }

    async fn join_token(&self, labels: &[(&str, &str)], lifetime_ms: u64) -> Result<String, Status> {
        let labels = labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let role = v1::create_join_token_request::Role::DataPlane.into();
        let request = v1::CreateJoinTokenRequest { role, labels, lifetime_ms, again: String::new() };
        let reply = self.admin().await.create_join_token(self.by_admin(request)).await?;
        Ok(reply.into_inner().token)
    }

    async fn join(&self, token: &str, node: &str) -> Result<Node, Status> {
        let key = NodeKey::generate().unwrap();
        let certificate_request = key.request(&ResourceName::parse(node).unwrap()).unwrap();
        let request = v1::JoinRequest { token: token.into(), node: node.into(), certificate_request };
        let reply = JoinClient::new(self.channel(None).await).join(request).await?.into_inner();
        Ok(Node {
            certificate: pem(&reply.certificate, "CERTIFICATE"),
            key: key.to_pem().reveal().clone(),
            labels: reply.labels,
        })
    }

    async fn joined(&self, node: &str, labels: &[(&str, &str)]) -> Node {
        let token = self.join_token(labels, 60_000).await.unwrap();
        self.join(&token, node).await.unwrap()
    }

    async fn attach(&self, node: &Node) -> Attachment {
        let channel = self.channel(Some((&node.certificate, &node.key))).await;
        let mut client = v1::fleet_client::FleetClient::new(channel);
        let (up, messages) = mpsc::channel(8);
        let down = client.attach(ReceiverStream::new(messages)).await.unwrap().into_inner();
        Attachment { up, down, contents: v1::Snapshot::default() }
    }

    async fn remove(&self, node: &str, force: bool) -> Result<v1::RemoveNodeResponse, Status> {
        let request = v1::RemoveNodeRequest { node: node.into(), force };
        self.admin().await.remove_node(self.by_admin(request)).await.map(tonic::Response::into_inner)
    }

    /// Returns why a node is not even heard.
    async fn refused_to_attach(&self, node: &Node) -> Status {
        let channel = self.channel(Some((&node.certificate, &node.key))).await;
        let (_up, messages) = mpsc::channel(1);
        let attached = v1::fleet_client::FleetClient::new(channel).attach(ReceiverStream::new(messages)).await;
        attached.map(drop).unwrap_err()
    }

    /// Attaches a node and says Hello.
    async fn attached(&self, node: &Node) -> Attachment {
        let mut attachment = self.attach(node).await;
        attachment.hello().await;
        attachment
    }

    async fn fleet(&self) -> BTreeMap<String, v1::NodeStatus> {
        let request = self.by_admin(v1::FleetStatusRequest {});
        let status = self.admin().await.fleet_status(request).await.unwrap().into_inner();
        status.nodes.into_iter().map(|node| (node.name.clone(), node)).collect()
    }

    async fn wait_applied(
        &self,
        revision: Option<v1::Revision>,
        timeout_ms: u64,
    ) -> Result<v1::WaitAppliedResponse, Status> {
        let request = self.by_admin(v1::WaitAppliedRequest { revision, timeout_ms, identity_uid: vec![] });
        self.admin().await.wait_applied(request).await.map(tonic::Response::into_inner)
    }
}

/// A node that joined.
struct Node {
    certificate: String,
    key: String,
    labels: BTreeMap<String, String>,
}

const INCARNATION: [u8; 16] = [7; 16];
/// Public halves are any 32 bytes until something is verified with them.
const EVIDENCE_KEY: [u8; 32] = [9; 32];

/// One stream of a node.
struct Attachment {
    up: mpsc::Sender<v1::FromNode>,
    down: Streaming<v1::ToNode>,
    /// What the node has.
    contents: v1::Snapshot,
}

impl Attachment {
    async fn say(&mut self, message: from_node::Message) {
        self.up.send(v1::FromNode { message: Some(message) }).await.unwrap();
    }

    async fn acknowledge(&mut self, revision: Option<v1::Revision>) {
        self.say(from_node::Message::Applied(v1::Applied { revision, closed: vec![] })).await;
    }

    async fn hello(&mut self) {
        self.say(from_node::Message::Hello(hello())).await;
    }

    async fn hear(&mut self) -> Result<to_node::Message, Status> {
        let heard = tokio::time::timeout(std::time::Duration::from_secs(20), self.down.message()).await;
        let message = heard.expect("an answer within 20 s")?;
        Ok(message.expect("the stream goes on").message.unwrap())
    }

    /// Returns why the stream ends, whatever else comes before.
    async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.hear().await {
                return status;
            }
        }
    }

    /// Returns the next revision as the node has it then, whether all of it comes or what is different.
    async fn snapshot(&mut self) -> v1::Snapshot {
        match self.hear().await.unwrap() {
            to_node::Message::Snapshot(snapshot) => self.contents = snapshot,
            to_node::Message::Delta(delta) => self.change(delta),
            other @ (to_node::Message::Lease(_) | to_node::Message::Job(_) | to_node::Message::Hold(_)) => {
                panic!("{other:?}")
            }
        }
        self.contents.clone()
    }

    fn change(&mut self, delta: v1::Delta) {
        assert_eq!(delta.base, self.contents.revision, "a delta is from what the node has");
        self.contents.revision = delta.revision;
        let uid = |object: &v1::Object| object.metadata.as_ref().unwrap().uid.clone();
        let mut objects = std::mem::take(&mut self.contents.objects);
        for removed in &delta.removed {
            let before = objects.len();
            objects.retain(|object| uid(object) != removed.uid);
            assert_eq!(objects.len() + 1, before, "it is told only of what it had: {removed:?}");
        }
        objects.retain(|object| delta.changed.iter().all(|changed| uid(changed) != uid(object)));
        objects.extend(delta.changed);
        self.contents.objects = objects;
    }

    /// Renews and returns what is granted, whatever else comes before.
    async fn renew(&mut self, sequence: u64, applied: Option<v1::Revision>) -> u64 {
        let incarnation = INCARNATION.into();
        let renew = v1::Renew { sequence, incarnation, applied, sent_boot_ms: 1_000 + sequence, ..Default::default() };
        self.say(from_node::Message::Renew(renew)).await;
        loop {
            if let to_node::Message::Lease(lease) = self.hear().await.unwrap() {
                assert_eq!((lease.sequence, lease.sent_boot_ms), (sequence, 1_000 + sequence));
                return lease.granted_ms;
            }
        }
    }
}

fn hello() -> v1::Hello {
    v1::Hello {
        incarnation: INCARNATION.into(),
        version: "test".into(),
        applied: None,
        contents: None,
        evidence_key: EVIDENCE_KEY.into(),
        leftovers: vec![],
    }
}

fn document(name: &str, kind: spec::Kind) -> v1::Document {
    v1::Document { name: name.into(), spec: Some(v1::Spec { kind: Some(kind) }), precondition: None }
}

fn issuer(name: &str) -> v1::Document {
    let issuer = v1::Issuer {
        audience: v1::issuer::Audience::Identities.into(),
        url: format!("https://{name}.example.com"),
        audiences: vec!["gw://prod".into()],
        algorithms: vec!["RS256".into()],
        max_token_lifetime_ms: 3_600_000,
        token_type: None,
        jwks: Some(v1::issuer::Jwks::Discover(true)),
        ca: None,
    };
    document(name, spec::Kind::Issuer(issuer))
}

fn identity(name: &str, issuer: &str, group: &str) -> v1::Document {
    let condition =
        |text: &str| v1::ClaimCondition { condition: Some(v1::claim_condition::Condition::Equals(text.into())) };
    let identity = v1::Identity {
        issuer: issuer.into(),
        claims: BTreeMap::from([("repository_id".into(), condition(name))]),
        run: "run_id".into(),
        owner: "platform@example.com".into(),
        groups: vec![group.into()],
        environment: None,
        expires_s: None,
        suspended: false,
    };
    document(name, spec::Kind::Identity(identity))
}

fn connection(name: &str, nodes: &[(&str, &str)]) -> v1::Document {
    let connection = v1::Connection {
        credential: None,
        mask: None,
        access: v1::connection::Access::Any.into(),
        stale_ms: 0,
        protocol: v1::connection::Protocol::Http.into(),
        upstream: "https://react.internal.example.com".into(),
        upstream_ca: None,
        environment: None,
        recording: v1::connection::Recording::Standard.into(),
        session_grace_ms: 0,
        response_timeout_ms: 60_000,
        hold_ms: 30_000,
        nodes: nodes.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
    };
    document(name, spec::Kind::Connection(connection))
}

fn role(name: &str, teams: &[&str], rights: &[Right]) -> v1::Document {
    let teams = teams.iter().map(ToString::to_string).collect();
    document(name, spec::Kind::Role(v1::Role { teams, rights: rights.iter().map(ToString::to_string).collect() }))
}

fn policy(name: &str, cedar: &str) -> v1::Document {
    document(name, spec::Kind::Policy(v1::Policy { cedar: cedar.into() }))
}

const PERMIT: &str = r#"permit (principal in Hoop::Group::"agents", action == Hoop::Action::"connect",
    resource == Hoop::Connection::"react");"#;

/// One of each kind, which fit together.
fn world() -> Vec<v1::Document> {
    vec![issuer("ci"), identity("nightly", "ci", "agents"), connection("react", &[]), policy("agents-on-react", PERMIT)]
}

fn names(objects: &[v1::Object]) -> Vec<String> {
    objects.iter().map(|object| object.metadata.as_ref().unwrap().name.clone()).collect()
}
