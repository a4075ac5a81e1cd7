//! Who may call which method. One table, one function: a method without a row is denied.

mod guard;

pub(crate) use guard::{Asking, GuardLayer, asking, asking_person, attached_node, require_administrator};

use crate::people::{People, Recognised, Unrecognised};
use crate::token;
use hoop_model::ResourceName;
use hoop_node::pki::{PeerIdentity, Role};
use hoop_state::State;

/// What a method asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requires {
    /// The administrator's token.
    AdminToken,
    /// A certificate of a data-plane node that joined and is in the state.
    NodeCertificate,
    /// A token that stands for a Person who is not suspended.
    Person,
    /// Either a Person's token or the administrator's.
    PersonOrAdmin,
    /// Nothing yet: the request itself carries a one-time token.
    JoinToken,
}

/// Every method there is, and what it asks of its caller.
pub(crate) const METHODS: &[(&str, Requires)] = &[
    ("/hoop.v1.Admin/Apply", Requires::AdminToken),
    ("/hoop.v1.Admin/Delete", Requires::AdminToken),
    ("/hoop.v1.Admin/Get", Requires::AdminToken),
    ("/hoop.v1.Admin/List", Requires::AdminToken),
    ("/hoop.v1.Admin/CreateJoinToken", Requires::AdminToken),
    ("/hoop.v1.Admin/ClusterStatus", Requires::AdminToken),
    ("/hoop.v1.Admin/FleetStatus", Requires::AdminToken),
    ("/hoop.v1.Admin/Revoke", Requires::AdminToken),
    ("/hoop.v1.Admin/WaitApplied", Requires::AdminToken),
    ("/hoop.v1.Admin/SetSecret", Requires::AdminToken),
    ("/hoop.v1.Admin/ListSecrets", Requires::AdminToken),
    ("/hoop.v1.Join/Join", Requires::JoinToken),
    ("/hoop.v1.Fleet/Attach", Requires::NodeCertificate),
    ("/hoop.v1.Fleet/RenewCertificate", Requires::NodeCertificate),
    ("/hoop.v1.Evidence/Ship", Requires::NodeCertificate),
    ("/hoop.v1.Sessions/List", Requires::AdminToken),
    ("/hoop.v1.Sessions/Show", Requires::AdminToken),
    ("/hoop.v1.Sessions/Tail", Requires::AdminToken),
    ("/hoop.v1.Audit/Checkpoint", Requires::AdminToken),
    ("/hoop.v1.Audit/Export", Requires::AdminToken),
    ("/hoop.v1.Holds/Open", Requires::NodeCertificate),
    ("/hoop.v1.Holds/Leave", Requires::NodeCertificate),
    ("/hoop.v1.Holds/Rejudged", Requires::NodeCertificate),
    ("/hoop.v1.Holds/Claim", Requires::NodeCertificate),
    ("/hoop.v1.Holds/Finish", Requires::NodeCertificate),
    ("/hoop.v1.Holds/Look", Requires::NodeCertificate),
    ("/hoop.v1.Approvals/List", Requires::PersonOrAdmin),
    ("/hoop.v1.Approvals/Show", Requires::PersonOrAdmin),
    ("/hoop.v1.Approvals/Vote", Requires::Person),
    ("/hoop.v1.Approvals/Resolve", Requires::PersonOrAdmin),
    ("/hoop.v1.Approvals/Watch", Requires::PersonOrAdmin),
];

/// Who calls, as far as the method asks. Travels with the request; made by [`authorise`] only.
#[derive(Debug, Clone)]
pub(crate) struct Caller(Who);

#[derive(Debug, Clone)]
enum Who {
    Administrator,
    Person(Recognised),
    Node(ResourceName),
    Unknown,
}

/// Why a call is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// The table has no row for the method.
    #[error("no such method")]
    UnknownMethod,
    /// The call has no bearer token.
    #[error("an administrator's token is needed")]
    NoToken,
    /// The token is not the cluster's.
    #[error("the token is not this cluster's administrator's")]
    WrongToken,
    /// The call has no bearer token, where a person's is asked for.
    #[error("a person's token is needed")]
    NoPersonToken,
    /// The token stands for nobody who may act.
    #[error(transparent)]
    Unrecognised(#[from] Unrecognised),
    /// The connection has no client certificate.
    #[error("a node certificate is needed")]
    NoCertificate,
    /// The certificate is not a node's.
    #[error("the certificate is not a node's")]
    UnreadableCertificate,
    /// The certificate is of another role.
    #[error("the certificate is of another role")]
    WrongRole,
    /// The certificate's node is not in the state.
    #[error("the node is not in the cluster")]
    UnknownNode,
}

/// What a call shows.
pub(crate) struct Shown<'a> {
    /// The method's path.
    pub(crate) path: &'a str,
    /// The client certificate, DER, that TLS verified against the cluster CA.
    pub(crate) certificate: Option<&'a [u8]>,
    /// The bearer token, or why there is none. It matters only where one is asked for.
    pub(crate) bearer: Result<&'a str, Denied>,
}

/// Decides whether a call may reach its method.
pub(crate) fn authorise(shown: &Shown<'_>, state: &State, people: &People) -> Result<Caller, Denied> {
    let row = METHODS.iter().find(|(path, _)| *path == shown.path);
    let (_, requires) = row.ok_or(Denied::UnknownMethod)?;
    match requires {
        Requires::AdminToken => administrator(shown.bearer?, state),
        Requires::NodeCertificate => node(shown.certificate, state),
        Requires::Person => person(shown.bearer, state, people),
        Requires::PersonOrAdmin => match shown.bearer {
            Ok(bearer) if administrator(bearer, state).is_ok() => Ok(Caller(Who::Administrator)),
            bearer => person(bearer, state, people),
        },
        Requires::JoinToken => Ok(Caller(Who::Unknown)),
    }
}

fn person(bearer: Result<&str, Denied>, state: &State, people: &People) -> Result<Caller, Denied> {
    let bearer = bearer.map_err(|_| Denied::NoPersonToken)?;
    Ok(Caller(Who::Person(people.read(bearer, state)?)))
}

fn administrator(bearer: &str, state: &State) -> Result<Caller, Denied> {
    let birth = state.birth().ok_or(Denied::WrongToken)?;
    if token::is_token(bearer, &birth.admin_token_hash) {
        Ok(Caller(Who::Administrator))
    } else {
        Err(Denied::WrongToken)
    }
}

fn node(certificate: Option<&[u8]>, state: &State) -> Result<Caller, Denied> {
    let certificate = certificate.ok_or(Denied::NoCertificate)?;
    let peer = PeerIdentity::of(certificate).map_err(|_| Denied::UnreadableCertificate)?;
    match peer.role {
        Role::DataPlane => {}
        Role::ControlPlane => return Err(Denied::WrongRole),
    }
    let known = state.node(&peer.node).ok_or(Denied::UnknownNode)?;
    match known.role {
        hoop_state::Role::DataPlane => Ok(Caller(Who::Node(peer.node))),
    }
}

impl Caller {
    /// Returns the node, if a node calls.
    pub(crate) const fn node(&self) -> Option<&ResourceName> {
        match &self.0 {
            Who::Node(name) => Some(name),
            Who::Administrator | Who::Person(_) | Who::Unknown => None,
        }
    }

    /// Returns the person, if one calls.
    pub(crate) const fn person(&self) -> Option<&Recognised> {
        match &self.0 {
            Who::Person(recognised) => Some(recognised),
            Who::Administrator | Who::Node(_) | Who::Unknown => None,
        }
    }

    /// Returns whether the administrator calls.
    pub(crate) const fn is_administrator(&self) -> bool {
        match &self.0 {
            Who::Administrator => true,
            Who::Person(_) | Who::Node(_) | Who::Unknown => false,
        }
    }
}
