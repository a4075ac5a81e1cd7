//! Who may call which method. One table, one function: a method without a row is denied.

mod guard;
mod roles;

pub(crate) use guard::{Asking, GuardLayer, asking, asking_person, attached_node, caller, member, status};
pub(crate) use roles::{Objects, escalation, rights_of};

use crate::people::{People, Recognised, Unrecognised};
use crate::token;
use hoop_model::spec::Right;
use hoop_model::{ContentHash, ResourceName, Uid};
use hoop_node::clock::unix_now;
use hoop_node::pki::{PeerIdentity, Role};
use hoop_state::{AdminSession, Node, State};
use std::collections::BTreeSet;

/// What a method asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requires {
    /// A session of an administrator, or a token of a Person with this right.
    Right(Right),
    /// A certificate of a data-plane node that joined and is in the state.
    NodeCertificate,
    /// A token that stands for a Person who is not suspended.
    Person,
    /// A token that stands for a Person, or a session of an administrator.
    Anybody,
    /// Nothing yet: the request itself carries a one-time token.
    OneTimeToken,
}

/// Every method there is, and what it asks of its caller.
pub(crate) const METHODS: &[(&str, Requires)] = &[
    ("/hoop.v1.Admin/Apply", Requires::Right(Right::Apply)),
    ("/hoop.v1.Admin/Delete", Requires::Right(Right::Apply)),
    ("/hoop.v1.Admin/Get", Requires::Right(Right::Read)),
    ("/hoop.v1.Admin/List", Requires::Right(Right::Read)),
    ("/hoop.v1.Admin/CreateJoinToken", Requires::Right(Right::Nodes)),
    ("/hoop.v1.Admin/ClusterStatus", Requires::Right(Right::Read)),
    ("/hoop.v1.Admin/FleetStatus", Requires::Right(Right::Read)),
    ("/hoop.v1.Admin/RemoveNode", Requires::Right(Right::Nodes)),
    ("/hoop.v1.Admin/Revoke", Requires::Right(Right::Revoke)),
    ("/hoop.v1.Admin/WaitApplied", Requires::Right(Right::Read)),
    ("/hoop.v1.Admin/SetSecret", Requires::Right(Right::SetSecret)),
    ("/hoop.v1.Admin/ListSecrets", Requires::Right(Right::Read)),
    ("/hoop.v1.SignIn/Open", Requires::OneTimeToken),
    ("/hoop.v1.SignIn/End", Requires::Anybody),
    ("/hoop.v1.SignIn/WhoAmI", Requires::Anybody),
    ("/hoop.v1.Join/Join", Requires::OneTimeToken),
    ("/hoop.v1.Fleet/Attach", Requires::NodeCertificate),
    ("/hoop.v1.Fleet/RenewCertificate", Requires::NodeCertificate),
    ("/hoop.v1.Evidence/Ship", Requires::NodeCertificate),
    ("/hoop.v1.Sessions/List", Requires::Right(Right::ReadSessions)),
    ("/hoop.v1.Sessions/Show", Requires::Right(Right::ReadSessions)),
    ("/hoop.v1.Sessions/Tail", Requires::Right(Right::ReadSessions)),
    ("/hoop.v1.Audit/Checkpoint", Requires::Right(Right::ReadAudit)),
    ("/hoop.v1.Audit/Export", Requires::Right(Right::ReadAudit)),
    ("/hoop.v1.Holds/Open", Requires::NodeCertificate),
    ("/hoop.v1.Holds/Leave", Requires::NodeCertificate),
    ("/hoop.v1.Holds/Rejudged", Requires::NodeCertificate),
    ("/hoop.v1.Holds/Claim", Requires::NodeCertificate),
    ("/hoop.v1.Holds/Finish", Requires::NodeCertificate),
    ("/hoop.v1.Holds/Look", Requires::NodeCertificate),
    ("/hoop.v1.Approvals/List", Requires::Anybody),
    ("/hoop.v1.Approvals/Show", Requires::Anybody),
    ("/hoop.v1.Approvals/Vote", Requires::Person),
    ("/hoop.v1.Approvals/Resolve", Requires::Anybody),
    ("/hoop.v1.Approvals/Watch", Requires::Anybody),
];

/// Who calls, as far as the method asks. Travels with the request; made by [`authorise`] only.
#[derive(Debug, Clone)]
pub(crate) struct Caller(Who);

#[derive(Debug, Clone)]
enum Who {
    Administrator(Session),
    Person(Recognised, BTreeSet<Right>),
    Node(Member),
    Unknown,
}

/// A node that calls: the one that its certificate is of, and no other that bears its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its name.
    pub(crate) name: ResourceName,
    /// Its uid.
    pub(crate) uid: Uid,
}

impl Member {
    /// Returns it as it is in a state.
    ///
    /// # Errors
    /// [`Denied::UnknownNode`] if it never was there, or was removed.
    pub(crate) fn at<'a>(&self, state: &'a State) -> Result<&'a Node, Denied> {
        state.node(&self.name).filter(|node| node.uid == self.uid).ok_or(Denied::UnknownNode)
    }
}

/// A session of an administrator who is no Person.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    /// SHA-256 of its token.
    pub(crate) hash: ContentHash,
    /// What it is.
    pub(crate) session: AdminSession,
}

/// Why a call is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// The table has no row for the method.
    #[error("no such method")]
    UnknownMethod,
    /// The call has no bearer token.
    #[error("somebody must be signed in: `hoopctl login`")]
    NoToken,
    /// The token is of no session, and of no person.
    #[error("the token is of no session: it ended, or never was; `hoopctl login`")]
    WrongToken,
    /// The token is the cluster's first one, which opens a session and does nothing else.
    #[error("this is the one-time token: `hoopctl login --one-time-token FILE` signs in with it")]
    NotASession,
    /// The caller is somebody who may not.
    #[error("the right `{0}` is needed: no Role of your teams has it")]
    NoRight(Right),
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
        Requires::Right(right) => {
            let caller = anybody(shown.bearer, state, people)?;
            if caller.may(*right) { Ok(caller) } else { Err(Denied::NoRight(*right)) }
        }
        Requires::NodeCertificate => node(shown.certificate, state),
        Requires::Person => match anybody(shown.bearer.map_err(|_| Denied::NoPersonToken), state, people)? {
            caller @ Caller(Who::Person(..)) => Ok(caller),
            Caller(Who::Administrator(_) | Who::Node(_) | Who::Unknown) => Err(Denied::NoPersonToken),
        },
        Requires::Anybody => anybody(shown.bearer, state, people),
        Requires::OneTimeToken => Ok(Caller(Who::Unknown)),
    }
}

/// Finds out who shows a token: an administrator whose session is open, or a Person, with what they may at this moment.
fn anybody(bearer: Result<&str, Denied>, state: &State, people: &People) -> Result<Caller, Denied> {
    let bearer = bearer?;
    let birth = state.birth().ok_or(Denied::WrongToken)?;
    // A person's token has dots in it (RFC 7519 §3); no other has.
    if bearer.contains('.') {
        let recognised = people.read(bearer, state)?;
        let rights = roles::rights_of(&recognised.person.teams, state.objects().map(AsRef::as_ref));
        return Ok(Caller(Who::Person(recognised, rights)));
    }
    let hash = token::hash(bearer);
    match state.admin_session(&hash, unix_now()) {
        Some(session) => Ok(Caller(Who::Administrator(Session { hash, session: *session }))),
        None if hash == birth.admin_token_hash => Err(Denied::NotASession),
        None => Err(Denied::WrongToken),
    }
}

fn node(certificate: Option<&[u8]>, state: &State) -> Result<Caller, Denied> {
    let certificate = certificate.ok_or(Denied::NoCertificate)?;
    let peer = PeerIdentity::of(certificate).map_err(|_| Denied::UnreadableCertificate)?;
    match peer.role {
        Role::DataPlane => {}
        Role::ControlPlane => return Err(Denied::WrongRole),
    }
    let member = Member { name: peer.node, uid: peer.uid };
    match member.at(state)?.role {
        hoop_state::Role::DataPlane => Ok(Caller(Who::Node(member))),
    }
}

impl Caller {
    /// Returns the node, if a node calls.
    pub(crate) const fn node(&self) -> Option<&Member> {
        match &self.0 {
            Who::Node(member) => Some(member),
            Who::Administrator(_) | Who::Person(..) | Who::Unknown => None,
        }
    }

    /// Returns the person, if one calls.
    pub(crate) const fn person(&self) -> Option<&Recognised> {
        match &self.0 {
            Who::Person(recognised, _) => Some(recognised),
            Who::Administrator(_) | Who::Node(_) | Who::Unknown => None,
        }
    }

    /// Finds out again who it is and what they may, in another state.
    fn again(&self, state: &State, people: &People) -> Result<Self, Denied> {
        match &self.0 {
            Who::Administrator(session) => match state.admin_session(&session.hash, unix_now()) {
                Some(open) => Ok(Self(Who::Administrator(Session { session: *open, ..*session }))),
                None => Err(Denied::WrongToken),
            },
            Who::Person(recognised, _) => {
                let person = recognised.again(people, state)?;
                let rights = roles::rights_of(&person.teams, state.objects().map(AsRef::as_ref));
                Ok(Self(Who::Person(recognised.now(person), rights)))
            }
            Who::Node(_) | Who::Unknown => Err(Denied::NoToken),
        }
    }

    /// Returns what a caller may who is a Person.
    pub(crate) fn rights(&self) -> Vec<Right> {
        Right::ALL.iter().copied().filter(|right| self.may(*right)).collect()
    }

    /// Returns the session, if an administrator calls who is no Person.
    pub(crate) const fn session(&self) -> Option<&Session> {
        match &self.0 {
            Who::Administrator(session) => Some(session),
            Who::Person(..) | Who::Node(_) | Who::Unknown => None,
        }
    }

    /// Returns whether the caller has a right. An administrator who is no Person has every one: the session is for making
    /// and mending what says who else has.
    pub(crate) fn may(&self, right: Right) -> bool {
        match &self.0 {
            Who::Administrator(_) => true,
            Who::Person(_, rights) => rights.contains(&right),
            Who::Node(_) | Who::Unknown => false,
        }
    }

    /// Returns the caller in one word: as logs say it, and as the scope of idempotency keys.
    pub(crate) fn scope(&self) -> String {
        match &self.0 {
            Who::Administrator(session) => session.session.to_string(),
            Who::Person(recognised, _) => format!("person/{}", recognised.person.uid),
            Who::Node(member) => format!("node/{}", member.name),
            Who::Unknown => "unknown".to_owned(),
        }
    }
}
