//! `hoopctl sessions show` and `tail`: records, as they come.

use super::{json, line};
use crate::client::{self, said};
use crate::commands::{LineFormat, Outcome, print_line};
use crate::shown::escape_json;
use anyhow::{Context, bail, ensure};
use hoop_audit::Record;
use hoop_model::{ResourceName, SessionId};
use hoop_wire::v1;
use tonic::Streaming;

/// Shows one session, from its first record to the last there is.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The session, as `sessions list` names it.
    id: SessionId,
    /// Also print how bodies begin, masked, as far as the records have them (16 KiB of each). JSON always has them.
    #[arg(long)]
    bodies: bool,
    /// How to print.
    #[arg(short, long = "output", value_enum, default_value = "text")]
    output: LineFormat,
}

/// Shows records as they come, until Ctrl-C.
#[derive(Debug, clap::Args)]
pub(crate) struct Tail {
    /// Only of this session.
    id: Option<SessionId>,
    /// Only of this identity.
    #[arg(long, value_parser = ResourceName::parse)]
    identity: Option<ResourceName>,
    /// Only on this connection.
    #[arg(long, value_parser = ResourceName::parse)]
    connection: Option<ResourceName>,
    /// How to print.
    #[arg(short, long = "output", value_enum, default_value = "text")]
    output: LineFormat,
}

/// One record, and whether the evidence store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) record: Record,
    /// Otherwise it was fetched from its node, and nobody vouches for it but that node.
    pub(super) stored: bool,
}

impl Show {
    pub(crate) async fn run(&self, mut sessions: client::Sessions) -> anyhow::Result<Outcome> {
        let request = v1::ShowSessionRequest { id: self.id.to_bytes().to_vec() };
        let mut records = sessions.show(request).await.map_err(said)?.into_inner();
        let mut any = false;
        while let Some(seen) = next(&mut records, Some(self.id)).await? {
            any = true;
            print_line(&shown(&seen, self.output, Naming::Known))?;
            if self.bodies && matches!(self.output, LineFormat::Text) {
                line::bodies(&seen).iter().try_for_each(|line| print_line(line))?;
            }
        }
        ensure!(any, "there are no records of session {}", self.id);
        Ok(Outcome::Done)
    }
}

impl Tail {
    pub(crate) async fn run(&self, mut sessions: client::Sessions) -> anyhow::Result<Outcome> {
        let name = |name: &Option<ResourceName>| name.as_ref().map(ToString::to_string).unwrap_or_default();
        let request = v1::TailSessionsRequest {
            session: self.id.map(|id| id.to_bytes().to_vec()).unwrap_or_default(),
            identity: name(&self.identity),
            connection: name(&self.connection),
        };
        let naming = if self.id.is_some() { Naming::Known } else { Naming::Named };
        let follow = async {
            let mut records = sessions.tail(request).await.map_err(said)?.into_inner();
            while let Some(seen) = next(&mut records, self.id).await? {
                print_line(&shown(&seen, self.output, naming))?;
            }
            bail!("the control plane ended the stream: records that come now are not shown")
        };
        tokio::select! {
            ended = follow => ended,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted.context("wait for Ctrl-C")?;
                Ok(Outcome::Done)
            }
        }
    }
}

/// Whether the session is named on each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    Known,
    Named,
}

fn shown(seen: &Seen, output: LineFormat, naming: Naming) -> String {
    match (output, naming) {
        (LineFormat::Json, _) => escape_json(&json::record(seen).to_string()),
        (LineFormat::Text, Naming::Known) => line::record(seen),
        (LineFormat::Text, Naming::Named) => format!("{}  {}", seen.record.session, line::record(seen)),
    }
}

pub(super) async fn next(
    records: &mut Streaming<v1::SessionRecord>,
    session: Option<SessionId>,
) -> anyhow::Result<Option<Seen>> {
    let Some(message) = records.message().await.map_err(said)? else { return Ok(None) };
    read(&message, session).map(Some)
}

/// Reads what must be one whole record, and of the session that was asked for.
fn read(message: &v1::SessionRecord, session: Option<SessionId>) -> anyhow::Result<Seen> {
    let mut frames = hoop_audit::records(&message.frame);
    let record = frames.next().context("the control plane sent an empty record")?;
    let record = record.context("the control plane sent a record that cannot be read")?;
    ensure!(frames.next().is_none(), "the control plane sent more than one record in one");
    ensure!(
        session.is_none_or(|session| session == record.session),
        "the control plane sent a record of session {}",
        record.session
    );
    Ok(Seen { record, stored: message.shipped })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoop_audit::{Chain, CloseReason, Entry};
    use hoop_model::{Incarnation, UnixMillis};

    fn frame() -> Vec<u8> {
        let node = ResourceName::parse("edge-1").unwrap();
        let mut chain = Chain::open(&node, Incarnation::mint(7), 0);
        let entry = Entry::Closed(CloseReason::Finished);
        let frame = chain.append(&entry, SessionId::mint(9), UnixMillis(1_795_356_187_123), [1; 32]).unwrap();
        frame.bytes().to_vec()
    }

    fn said(frame: Vec<u8>) -> v1::SessionRecord {
        v1::SessionRecord { frame, shipped: true }
    }

    #[test]
    fn a_record_is_shown_only_whole_alone_and_of_its_session() {
        let session = SessionId::mint(9);
        let seen = read(&said(frame()), Some(session)).unwrap();
        assert!(seen.stored);
        assert_eq!(shown(&seen, LineFormat::Text, Naming::Known), "2026-11-22T14:03:07.123Z  closed      finished");
        assert_eq!(
            shown(&seen, LineFormat::Text, Naming::Named),
            format!("{session}  2026-11-22T14:03:07.123Z  closed      finished")
        );
        assert_eq!(read(&said(frame()), None).unwrap(), seen);

        let mut flipped = frame();
        *flipped.last_mut().unwrap() ^= 1;
        let mut cut = frame();
        cut.pop();
        for (frame, session, problem) in [
            (Vec::new(), session, "the control plane sent an empty record"),
            (flipped, session, "the control plane sent a record that cannot be read"),
            (cut, session, "the control plane sent a record that cannot be read"),
            ([frame(), frame()].concat(), session, "the control plane sent more than one record in one"),
            (
                frame(),
                SessionId::mint(1),
                "the control plane sent a record of session 00000000000000000000000000000009",
            ),
        ] {
            assert_eq!(read(&said(frame), Some(session)).unwrap_err().to_string(), problem);
        }
    }
}
