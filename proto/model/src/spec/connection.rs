//! Connection: one backend behind the gateway.

use super::{ClassName, Credential, InvalidSpec, Origin, Scheme, Stale, require};
use crate::ResourceName;
use std::collections::BTreeMap;
use std::time::Duration;

/// Labels of a node, or the labels a connection asks of nodes.
pub type Labels = BTreeMap<String, String>;

/// The protocol a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
}

/// How durable a record is before its command is forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Recording {
    /// Written to the operating system: survives the death of the process.
    #[default]
    Standard,
    /// Synchronised to the disk (`fdatasync(2)`): survives the loss of power.
    Strict,
}

/// What may be done through a connection, whatever the policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Whatever the policy allows.
    #[default]
    Any,
    /// What only reads: every other command is refused.
    Read,
}

/// One backend behind the gateway.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Connection {
    /// The protocol.
    pub protocol: Protocol,
    /// Where the backend is.
    pub upstream: Origin,
    /// PEM certificates the backend is verified against, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_ca: Option<String>,
    /// What its commands are sent with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// The data classes that are masked in what it answers: those that one of these names covers. Without it every class
    /// there is; an empty list masks nothing, and says so where it is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Vec<ClassName>>,
    /// What may be done through it.
    #[serde(default)]
    pub access: Access,
    /// What a node may do here once its lease is over.
    #[serde(default)]
    pub stale: Stale,
    /// The environment the backend belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<ResourceName>,
    /// How durable its records are.
    #[serde(default)]
    pub recording: Recording,
    /// How long a session may outlive its token.
    #[serde(default, with = "crate::span::written")]
    pub session_grace: Duration,
    /// How long the backend may take until its response head is there.
    #[serde(default = "default_response_timeout", with = "crate::span::written")]
    pub response_timeout: Duration,
    /// How long a caller may wait here for people to release its command; zero: it never waits, and comes back.
    #[serde(default = "default_hold", with = "crate::span::written")]
    pub hold: Duration,
    /// Which nodes serve it: those that have all of these labels.
    #[serde(default)]
    pub nodes: Labels,
}

const fn default_response_timeout() -> Duration {
    Duration::from_secs(60)
}

const fn default_hold() -> Duration {
    Duration::from_secs(30)
}

impl Connection {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`InvalidSpec`] for the first field that is wrong.
    pub fn check(&self) -> Result<(), InvalidSpec> {
        require(self.session_grace <= Duration::from_secs(3600), "sessionGrace", "must be at most 1h")?;
        let timeout = Duration::from_millis(100)..=Duration::from_secs(3600);
        require(timeout.contains(&self.response_timeout), "responseTimeout", "must be 100ms to 1h")?;
        require(self.hold <= Duration::from_secs(600), "hold", "must be at most 10m")?;
        let may_be_stale = self.stale == Stale::Refuse || self.access == Access::Read;
        require(may_be_stale, "stale", "`serve` needs `access: read`")?;
        self.stale.check()?;
        let ca_fits = self.upstream_ca.is_none() || self.upstream.scheme == Scheme::Https;
        require(ca_fits, "upstreamCa", "needs an `https://` upstream")?;
        self.credential.as_ref().map_or(Ok(()), Credential::check)?;
        require(self.mask.as_ref().is_none_or(|mask| mask.len() <= 64), "mask", "must be at most 64 data classes")?;
        require(self.nodes.len() <= 16, "nodes", "must be at most 16 labels")
    }

    /// Returns whether a node with these labels serves it.
    #[must_use]
    pub fn is_placed_on(&self, labels: &Labels) -> bool {
        self.nodes.iter().all(|(key, value)| labels.get(key) == Some(value))
    }
}
