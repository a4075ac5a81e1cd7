//! `hoopctl sessions list`: one line per session, the newest first.

use super::summary::Summary;
use crate::client::{self, said};
use crate::commands::{Format, Outcome};
use crate::shown::Moment;
use anyhow::{Context, ensure};
use hoop_model::{ResourceName, UnixMillis};
use hoop_wire::v1;

/// Most sessions that the control plane gives in one answer.
const PAGE: u32 = 1000;

/// Lists sessions, the newest first.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only of this identity.
    #[arg(long, value_parser = ResourceName::parse)]
    identity: Option<ResourceName>,
    /// Only on this connection.
    #[arg(long, value_parser = ResourceName::parse)]
    connection: Option<ResourceName>,
    /// Only of this run, as the token names it.
    #[arg(long)]
    run: Option<String>,
    /// Only opened then or later: `1h` for the last hour, or `2026-11-22T14:00:00Z`.
    #[arg(long, value_parser = Moment::parse)]
    since: Option<Moment>,
    /// Only opened before then.
    #[arg(long, value_parser = Moment::parse)]
    until: Option<Moment>,
    /// Only those that are still open.
    #[arg(long)]
    open: bool,
    /// Only those that were refused, or that had a command refused.
    #[arg(long)]
    refused: bool,
    /// At most this many.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// How to print.
    #[arg(short, long = "output", value_enum, default_value = "table")]
    output: Format,
}

impl List {
    pub(crate) async fn run(&self, mut sessions: client::Sessions) -> anyhow::Result<Outcome> {
        let narrowed = self.narrowed(hoop_node::clock::unix_now());
        let listed = newest(narrowed, self.limit, async |page| Ok(sessions.list(page).await?.into_inner())).await?;
        let values = listed.sessions.iter().map(Summary::json).collect();
        self.output.print(&values, || super::summary::table(&listed.sessions))?;
        if listed.more {
            eprintln!("there are more than {}: raise --limit, or narrow the list", self.limit);
        }
        Ok(Outcome::Done)
    }

    fn narrowed(&self, now: UnixMillis) -> v1::ListSessionsRequest {
        let name = |name: &Option<ResourceName>| name.as_ref().map(ToString::to_string).unwrap_or_default();
        v1::ListSessionsRequest {
            identity: name(&self.identity),
            connection: name(&self.connection),
            run: self.run.clone().unwrap_or_default(),
            since_ms: self.since.map_or(0, |moment| moment.given(now).0),
            until_ms: self.until.map_or(0, |moment| moment.given(now).0),
            open_only: self.open,
            refused_only: self.refused,
            limit: 0,
            before: Vec::new(),
        }
    }
}

/// What there was, up to the limit.
#[derive(Debug)]
struct Listed {
    sessions: Vec<Summary>,
    /// There are others.
    more: bool,
}

/// Asks for one page after the other until there are `limit` sessions or no more.
async fn newest(
    narrowed: v1::ListSessionsRequest,
    limit: u32,
    mut page: impl AsyncFnMut(v1::ListSessionsRequest) -> Result<v1::ListSessionsResponse, tonic::Status>,
) -> anyhow::Result<Listed> {
    let mut sessions = Vec::new();
    let mut before = Vec::new();
    loop {
        let wanted = limit.saturating_sub(u32::try_from(sessions.len())?).min(PAGE);
        let request = v1::ListSessionsRequest { limit: wanted, before: before.clone(), ..narrowed.clone() };
        let reply = page(request).await.map_err(said)?;
        ensure!(
            reply.sessions.len() <= usize::try_from(wanted)?,
            "the control plane sent more sessions than asked for"
        );
        for summary in reply.sessions {
            sessions.push(Summary::try_from(summary).context("the control plane sent a session that cannot be read")?);
        }
        let more = !reply.next.is_empty();
        if !more || sessions.len() >= usize::try_from(limit)? {
            return Ok(Listed { sessions, more });
        }
        ensure!(reply.next != before, "the control plane sent the same page again");
        before = reply.next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        list: List,
    }

    fn narrowed(arguments: &[&str]) -> v1::ListSessionsRequest {
        let line = Line::try_parse_from([&["list"], arguments].concat()).unwrap();
        line.list.narrowed(UnixMillis(1_795_356_187_000))
    }

    #[test]
    fn every_option_narrows_the_list() {
        let arguments = ["--identity", "nightly", "--connection", "react", "--run", "42/1", "--since", "1h"];
        let more = ["--until", "2026-11-22T14:00:00Z", "--open", "--refused"];
        let asked = v1::ListSessionsRequest {
            identity: "nightly".into(),
            connection: "react".into(),
            run: "42/1".into(),
            since_ms: 1_795_352_587_000,
            until_ms: 1_795_356_000_000,
            open_only: true,
            refused_only: true,
            limit: 0,
            before: Vec::new(),
        };
        assert_eq!(narrowed(&[&arguments[..], &more[..]].concat()), asked);
        assert_eq!(narrowed(&[]), v1::ListSessionsRequest::default());
        for wrong in [["--limit", "0"], ["--since", "yesterday"], ["--identity", "A"], ["-o", "xml"]] {
            let refused = Line::try_parse_from([&["list"], &wrong[..]].concat()).err().unwrap();
            assert_eq!(refused.exit_code(), 2, "{wrong:?}");
        }
    }

    /// A control plane that has `total` sessions, the newest with the highest number.
    fn page(total: u32, asked: &v1::ListSessionsRequest, largest: u32) -> v1::ListSessionsResponse {
        let top = asked.before.first_chunk().map_or(total, |bytes| u32::from_be_bytes(*bytes));
        let count = asked.limit.min(largest).min(top);
        let session = |number: u32| v1::SessionSummary {
            id: u128::from(number).to_be_bytes().to_vec(),
            ..v1::SessionSummary::default()
        };
        let sessions = (top - count..top).rev().map(session).collect();
        let next = if top > count { (top - count).to_be_bytes().to_vec() } else { Vec::new() };
        v1::ListSessionsResponse { sessions, next }
    }

    #[tokio::test]
    async fn pages_are_followed_until_the_limit_or_the_end() {
        for (total, limit, largest, count, more, pages) in [
            (0, 100, 1000, 0, false, 1),
            (5, 5, 1000, 5, false, 1),
            (6, 5, 1000, 5, true, 1),
            (2500, 2500, 1000, 2500, false, 3),
            (2500, 2001, 1000, 2001, true, 3),
            (7, 100, 2, 7, false, 4),
        ] {
            let mut asked = Vec::new();
            let listed = newest(v1::ListSessionsRequest::default(), limit, async |request| {
                assert!((1..=PAGE).contains(&request.limit));
                asked.push(request.limit);
                Ok(page(total, &request, largest))
            });
            let listed = listed.await.unwrap();
            assert_eq!((listed.sessions.len(), listed.more, asked.len()), (count, more, pages), "{total} {limit}");
            let ids: Vec<_> = listed.sessions.iter().map(|session| session.id).collect();
            assert!(ids.is_sorted_by(|a, b| a > b), "newest first, none twice");
        }
    }

    #[tokio::test]
    async fn a_page_that_does_not_move_on_is_an_error() {
        let same = async |_| Ok(v1::ListSessionsResponse { sessions: Vec::new(), next: vec![1] });
        let error = newest(v1::ListSessionsRequest::default(), 10, same).await.unwrap_err();
        assert_eq!(error.to_string(), "the control plane sent the same page again");
        let greedy = async |_| Ok(page(3, &v1::ListSessionsRequest { limit: 3, ..Default::default() }, 3));
        let error = newest(v1::ListSessionsRequest::default(), 2, greedy).await.unwrap_err();
        assert_eq!(error.to_string(), "the control plane sent more sessions than asked for");
    }
}
