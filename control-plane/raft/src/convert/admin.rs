//! Sessions of administrators.

use super::decode::{hash_of, present};
use hoop_model::{ContentHash, UnixMillis};
use hoop_state::{AdminSession, OneTime, OpenAdminSession};
use hoop_wire::{Malformed, v1};

pub(super) fn of_open(open: &OpenAdminSession) -> v1::proposal::OpenAdminSession {
    let with = match open.with {
        OneTime::Bootstrap { token_hash } => {
            v1::proposal::open_admin_session::With::BootstrapHash(token_hash.0.to_vec())
        }
        OneTime::Recovery { id, expires } => {
            v1::proposal::open_admin_session::With::Recovery(of_recovery((id, expires)))
        }
    };
    let session_hash = open.session_hash.0.to_vec();
    v1::proposal::OpenAdminSession { with: Some(with), session_hash, expires_ms: open.expires.0 }
}

pub(super) fn open_of(open: v1::proposal::OpenAdminSession) -> Result<OpenAdminSession, Malformed> {
    let with = match present(open.with, "with")? {
        v1::proposal::open_admin_session::With::BootstrapHash(hash) => {
            OneTime::Bootstrap { token_hash: hash_of(&hash, "bootstrap_hash")? }
        }
        v1::proposal::open_admin_session::With::Recovery(recovery) => {
            let (id, expires) = recovery_of(&recovery)?;
            OneTime::Recovery { id, expires }
        }
    };
    let session_hash = hash_of(&open.session_hash, "session_hash")?;
    Ok(OpenAdminSession { with, session_hash, expires: UnixMillis(open.expires_ms) })
}

pub(super) fn of_session((hash, session): (&ContentHash, &AdminSession)) -> v1::state::AdminSession {
    v1::state::AdminSession {
        hash: hash.0.to_vec(),
        recovery: session.recovery.map(|id| id.to_vec()).unwrap_or_default(),
        opened_ms: session.opened.0,
        expires_ms: session.expires.0,
    }
}

pub(super) fn session_of(session: &v1::state::AdminSession) -> Result<(ContentHash, AdminSession), Malformed> {
    let recovery = match session.recovery.as_slice() {
        [] => None,
        id => Some(id_of(id)?),
    };
    let (opened, expires) = (UnixMillis(session.opened_ms), UnixMillis(session.expires_ms));
    Ok((hash_of(&session.hash, "hash")?, AdminSession { recovery, opened, expires }))
}

pub(super) fn of_recovery((id, expires): ([u8; 16], UnixMillis)) -> v1::proposal::Recovery {
    v1::proposal::Recovery { id: id.to_vec(), expires_ms: expires.0 }
}

pub(super) fn recovery_of(recovery: &v1::proposal::Recovery) -> Result<([u8; 16], UnixMillis), Malformed> {
    Ok((id_of(&recovery.id)?, UnixMillis(recovery.expires_ms)))
}

fn id_of(bytes: &[u8]) -> Result<[u8; 16], Malformed> {
    bytes.try_into().map_err(|_| Malformed { field: "recovery", problem: "is not 16 bytes" })
}
