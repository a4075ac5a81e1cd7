//! Held commands, from a node that holds one to the people who release it.

mod fencing;
mod holds;
mod people;
mod pushes;
mod voting;

use super::{Attachment, INCARNATION, Node, Plane, document, hello, policy, world};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hoop_model::{Kind, Object, ResourceName};
use hoop_node::clock::unix_now;
use hoop_wire::v1::approval::State as Stands;
use hoop_wire::v1::approvals_client::ApprovalsClient;
use hoop_wire::v1::hold_response::Outcome;
use hoop_wire::v1::holds_client::HoldsClient;
use hoop_wire::v1::{self, from_node, spec, to_node};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

const SSO: &str = "https://sso.example.com";

/// The key of the issuer for people.
fn sso_key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap()
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Signs a token as the issuer for people does.
fn signed(kid: &str, claims: &str) -> String {
    let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"JWT"}}"#);
    let message = format!("{}.{}", b64(header), b64(claims));
    format!("{message}.{}", b64(sso_key().sign(message.as_bytes())))
}

fn claims(sub: &str, expires_in_s: i64) -> String {
    let exp = (unix_now().0 / 1000).saturating_add_signed(expires_in_s);
    format!(r#"{{"iss":"{SSO}","aud":"hoop","sub":"{sub}","exp":{exp}}}"#)
}

/// A token of somebody.
pub(super) fn token_of(sub: &str) -> String {
    signed("k1", &claims(sub, 600))
}

fn sso(name: &str, audience: v1::issuer::Audience) -> v1::Document {
    let x = b64(sso_key().public_key());
    let keys =
        format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k1","alg":"EdDSA","use":"sig","x":"{x}"}}]}}"#);
    let issuer = v1::Issuer {
        audience: audience.into(),
        url: SSO.into(),
        audiences: vec!["hoop".into()],
        algorithms: vec!["EdDSA".into()],
        max_token_lifetime_ms: 3_600_000,
        token_type: None,
        jwks: Some(v1::issuer::Jwks::Keys(keys)),
        ca: None,
    };
    document(name, spec::Kind::Issuer(issuer))
}

pub(super) fn person(name: &str, teams: &[&str], suspended: bool) -> v1::Document {
    let is = v1::claim_condition::Condition::Equals(format!("{name}-id"));
    let person = v1::Person {
        issuer: "sso".into(),
        claims: BTreeMap::from([("sub".into(), v1::ClaimCondition { condition: Some(is) })]),
        teams: teams.iter().map(ToString::to_string).collect(),
        suspended,
    };
    document(name, spec::Kind::Person(person))
}

const HOLD: &str = r#"@id("patch") @hold("on-call") @quorum("2") @expires("15m")
    forbid (principal in Hoop::Group::"agents", action == Hoop::Action::"http:PATCH", resource == Hoop::Connection::"react");"#;

/// A world in which `on-call` (ada, bob and, by their other team, cyd) releases what agents change, and eve is in another
/// team.
pub(super) fn people() -> Vec<v1::Document> {
    let mut documents = world();
    documents.extend([
        sso("sso", v1::issuer::Audience::People),
        person("ada", &["on-call"], false),
        person("bob", &["on-call"], false),
        person("cyd", &["on-call", "dba"], false),
        person("eve", &["finance"], false),
        policy("changes", HOLD),
    ]);
    documents
}

/// A node with one process that holds commands.
struct Holding {
    node: Node,
    link: Attachment,
    client: HoldsClient<Channel>,
    incarnation: [u8; 16],
}

impl Plane {
    /// Starts with [`people`] and returns a node that holds commands.
    async fn holding() -> (Self, Holding) {
        let plane = Self::start().await;
        plane.apply(people()).await.unwrap();
        let node = plane.joined("n1", &[]).await;
        let holding = plane.process(node, INCARNATION).await;
        (plane, holding)
    }

    /// Attaches a process, and returns when its stream speaks for the node.
    async fn process(&self, node: Node, incarnation: [u8; 16]) -> Holding {
        let client = HoldsClient::new(self.channel(Some((&node.certificate, &node.key))).await);
        let mut link = self.attach(&node).await;
        link.say(from_node::Message::Hello(v1::Hello { incarnation: incarnation.into(), ..hello() })).await;
        link.snapshot().await;
        Holding { node, link, client, incarnation }
    }

    fn object(&self, kind: Kind, name: &str) -> Arc<Object> {
        let name = ResourceName::parse(name).unwrap();
        Arc::clone(self.running.cluster.state().object(kind, &name).unwrap())
    }

    fn uid(&self, kind: Kind, name: &str) -> Vec<u8> {
        self.object(kind, name).metadata.uid.to_bytes().to_vec()
    }

    fn revision(&self) -> Option<v1::Revision> {
        Some(self.running.cluster.state().revision().into())
    }

    fn requirement(&self, team: &str, quorum: u32) -> v1::Requirement {
        v1::Requirement {
            statement: "changes/patch".into(),
            policy_uid: self.uid(Kind::Policy, "changes"),
            policy_hash: hoop_policy::content_hash(HOLD).0.to_vec(),
            message: None,
            team: team.into(),
            quorum,
            expires_ms: 900_000,
        }
    }

    /// A command that needs one of `on-call`; `number` tells one from another.
    fn command(&self, holding: &Holding, number: u8) -> v1::OpenHoldRequest {
        v1::OpenHoldRequest {
            traceparent: String::new(),
            incarnation: holding.incarnation.into(),
            digest: [[1; 1].as_slice(), &[number; 32]].concat(),
            identity_uid: self.uid(Kind::Identity, "nightly"),
            connection_uid: self.uid(Kind::Connection, "react"),
            run: format!("run-{number}"),
            session: vec![5; 16],
            effects: vec![v1::Effect { action: "http:PATCH".into(), route: None }],
            requirements: vec![self.requirement("on-call", 1)],
            revision: self.revision(),
            selected: vec![],
            review: Some(review()),
            triggered_by: String::new(),
            idempotency_key: hoop_node::random::<16>().to_vec(),
        }
    }

    async fn opened(&self, holding: &mut Holding, request: v1::OpenHoldRequest) -> Vec<u8> {
        let response = holding.open(request).await.unwrap();
        assert_eq!((response.outcome(), response.state()), (Outcome::Ok, Stands::Pending));
        response.id
    }

    /// Holds a command that needs one of `on-call`.
    async fn held(&self, holding: &mut Holding, number: u8) -> Vec<u8> {
        let request = self.command(holding, number);
        self.opened(holding, request).await
    }

    /// Waits until a node has no stream.
    async fn hung_up(&self, node: &str) {
        let node = ResourceName::parse(node).unwrap();
        let mut fleet = self.running.cluster.fleet().watch();
        let gone = fleet.wait_for(|nodes| !nodes.node(&node).is_some_and(crate::fleet::Tracked::is_connected));
        drop(tokio::time::timeout(Duration::from_secs(20), gone).await.expect("within 20 s").unwrap());
    }

    async fn approvals(&self) -> ApprovalsClient<Channel> {
        ApprovalsClient::new(self.channel(None).await)
    }

    async fn list_as(&self, token: &str) -> Result<Vec<v1::ApprovalSummary>, Status> {
        let request = bearing(token, v1::ListApprovalsRequest::default());
        Ok(self.approvals().await.list(request).await?.into_inner().approvals)
    }

    async fn show_as(&self, token: &str, id: &[u8]) -> Result<v1::ShowApprovalResponse, Status> {
        let request = bearing(token, v1::ShowApprovalRequest { id: id.to_vec() });
        self.approvals().await.show(request).await.map(Response::into_inner)
    }

    async fn vote_as(&self, token: &str, request: v1::VoteRequest) -> Result<v1::ApprovalSummary, Status> {
        let voted = self.approvals().await.vote(bearing(token, request)).await?;
        Ok(voted.into_inner().summary.unwrap())
    }

    async fn approve(&self, who: &str, id: &[u8]) -> Result<v1::ApprovalSummary, Status> {
        self.vote_as(&token_of(&format!("{who}-id")), vote(id, v1::Choice::Approve)).await
    }

    async fn deny(&self, who: &str, id: &[u8]) -> Result<v1::ApprovalSummary, Status> {
        self.vote_as(&token_of(&format!("{who}-id")), vote(id, v1::Choice::Deny)).await
    }

    async fn resolve_as(&self, token: &str, id: &[u8], ending: v1::Ending) -> Result<Stands, Status> {
        let idempotency_key = hoop_node::random::<16>().to_vec();
        let request = v1::ResolveApprovalRequest { id: id.to_vec(), ending: ending.into(), idempotency_key };
        let resolved = self.approvals().await.resolve(bearing(token, request)).await?;
        Ok(resolved.into_inner().summary.unwrap().state())
    }
}

impl Holding {
    async fn open(&mut self, request: v1::OpenHoldRequest) -> Result<v1::HoldResponse, Status> {
        self.client.open(request).await.map(Response::into_inner)
    }

    async fn claim(&mut self, plane: &Plane, id: &[u8]) -> v1::HoldResponse {
        let request = v1::ClaimRequest {
            incarnation: self.incarnation.into(),
            id: id.to_vec(),
            revision: plane.revision(),
            requirements: vec![plane.requirement("on-call", 1)],
        };
        self.client.claim(request).await.unwrap().into_inner()
    }

    async fn finish(&mut self, id: &[u8], ending: v1::Ending) -> Result<v1::HoldResponse, Status> {
        let (incarnation, id) = (self.incarnation.to_vec(), id.to_vec());
        let request = v1::FinishRequest { incarnation, id, ending: ending.into() };
        self.client.finish(request).await.map(Response::into_inner)
    }

    async fn leave(&mut self, id: &[u8]) -> v1::HoldResponse {
        let request = v1::LeaveHoldRequest { incarnation: self.incarnation.into(), id: id.to_vec() };
        self.client.leave(request).await.unwrap().into_inner()
    }

    /// Waits until the node is told that an approval stands somewhere.
    async fn told(&mut self, id: &[u8], stands: Stands) {
        while self.hear().await != (id.to_vec(), stands) {}
    }

    /// Returns what the node is told next of any approval.
    async fn hear(&mut self) -> (Vec<u8>, Stands) {
        loop {
            if let to_node::Message::Hold(changed) = self.link.hear().await.unwrap() {
                return (changed.id.clone(), changed.state());
            }
        }
    }
}

fn review() -> v1::Review {
    v1::Review { summary: "PATCH /orders/7".into(), content: b"CANARY".to_vec(), ..Default::default() }
}

fn vote(id: &[u8], choice: v1::Choice) -> v1::VoteRequest {
    let idempotency_key = hoop_node::random::<16>().to_vec();
    v1::VoteRequest { id: id.to_vec(), choice: choice.into(), any_run: false, idempotency_key }
}

pub(super) fn bearing<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}
