//! Connections.

use crate::error::{Malformed, parsed};
use crate::v1;
use hoop_model::ResourceName;
use hoop_model::spec::{Access, ClassName, Connection, Origin, Protocol, Recording, Stale};
use std::time::Duration;

pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl From<&Connection> for v1::Connection {
    fn from(connection: &Connection) -> Self {
        let protocol = match connection.protocol {
            Protocol::Http => v1::connection::Protocol::Http,
        };
        let recording = match connection.recording {
            Recording::Standard => v1::connection::Recording::Standard,
            Recording::Strict => v1::connection::Recording::Strict,
        };
        let access = match connection.access {
            Access::Any => v1::connection::Access::Any,
            Access::Read => v1::connection::Access::Read,
        };
        Self {
            access: access.into(),
            stale_ms: millis(connection.stale.window()),
            protocol: protocol.into(),
            upstream: connection.upstream.to_string(),
            upstream_ca: connection.upstream_ca.clone(),
            environment: connection.environment.as_ref().map(ToString::to_string),
            recording: recording.into(),
            session_grace_ms: millis(connection.session_grace),
            response_timeout_ms: millis(connection.response_timeout),
            hold_ms: millis(connection.hold),
            nodes: connection.nodes.clone(),
            credential: connection.credential.as_ref().map(Into::into),
            mask: connection
                .mask
                .as_ref()
                .map(|mask| v1::MaskSelection { classes: mask.iter().map(ToString::to_string).collect() }),
        }
    }
}

impl TryFrom<v1::Connection> for Connection {
    type Error = Malformed;
    fn try_from(connection: v1::Connection) -> Result<Self, Malformed> {
        let protocol = match connection.protocol() {
            v1::connection::Protocol::Http => Protocol::Http,
            v1::connection::Protocol::Unspecified => {
                return Err(Malformed { field: "protocol", problem: "is missing or unknown" });
            }
        };
        let recording = match connection.recording() {
            v1::connection::Recording::Standard => Recording::Standard,
            v1::connection::Recording::Strict => Recording::Strict,
            v1::connection::Recording::Unspecified => {
                return Err(Malformed { field: "recording", problem: "is missing or unknown" });
            }
        };
        let access = match connection.access() {
            v1::connection::Access::Any => Access::Any,
            v1::connection::Access::Read => Access::Read,
            v1::connection::Access::Unspecified => {
                return Err(Malformed { field: "access", problem: "is missing or unknown" });
            }
        };
        let stale = match connection.stale_ms {
            0 => Stale::Refuse,
            window => Stale::Serve(Duration::from_millis(window)),
        };
        let environment = connection.environment.map(|e| parsed(ResourceName::parse(&e), "environment"));
        Ok(Self {
            access,
            stale,
            protocol,
            upstream: parsed(Origin::parse(&connection.upstream), "upstream")?,
            upstream_ca: connection.upstream_ca,
            environment: environment.transpose()?,
            recording,
            session_grace: Duration::from_millis(connection.session_grace_ms),
            response_timeout: Duration::from_millis(connection.response_timeout_ms),
            hold: Duration::from_millis(connection.hold_ms),
            nodes: connection.nodes,
            credential: connection.credential.map(TryInto::try_into).transpose()?,
            mask: connection.mask.map(classes).transpose()?,
        })
    }
}

fn classes(mask: v1::MaskSelection) -> Result<Vec<ClassName>, Malformed> {
    mask.classes.iter().map(|class| parsed(ClassName::parse(class), "mask")).collect()
}
