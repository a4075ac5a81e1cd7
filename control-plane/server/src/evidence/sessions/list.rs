//! List: the sessions that pass a filter, page by page.

use super::super::index::Filter;
use super::blocking;
use crate::cluster::Cluster;
use hoop_wire::v1;
use std::sync::Arc;
use tonic::Status;

/// Most sessions on a page, and how many there are if nobody says.
const MAX_LIMIT: u32 = 1_000;
const USUAL_LIMIT: u32 = 100;
/// Length of a page's `next`, in bytes: time and id of its last session.
const NEXT_BYTES: usize = 24;

/// Returns a page. It may be short, or empty, although there is a next one: of a rare kind few are found at once.
pub(super) async fn list(
    cluster: &Cluster,
    request: v1::ListSessionsRequest,
) -> Result<v1::ListSessionsResponse, Status> {
    let filter = filter(request)?;
    let state = cluster.fresh().await?;
    cluster.evidence().indexed(state.evidence().stored().size).await?;
    let index = Arc::clone(&cluster.evidence().index);
    let page = blocking(move || index.list(&filter, state.evidence())).await?;
    Ok(v1::ListSessionsResponse {
        sessions: page.rows.into_iter().map(|row| row.summary).collect(),
        next: page.next.map(|(time, id)| [&time.to_be_bytes()[..], &id.to_be_bytes()].concat()).unwrap_or_default(),
    })
}

fn filter(request: v1::ListSessionsRequest) -> Result<Filter, Status> {
    let v1::ListSessionsRequest {
        identity,
        connection,
        run,
        since_ms,
        until_ms,
        open_only,
        refused_only,
        limit,
        before,
    } = request;
    let limit = match limit {
        0 => USUAL_LIMIT,
        1..=MAX_LIMIT => limit,
        _ => return Err(Status::invalid_argument(format!("`limit` must be at most {MAX_LIMIT}"))),
    };
    let until = if until_ms == 0 { (u64::MAX, u128::MAX) } else { (until_ms, 0) };
    Ok(Filter {
        identity,
        connection,
        run,
        since_ms,
        before: place(&before)?.map_or(until, |before| before.min(until)),
        open_only,
        refused_only,
        limit: limit.try_into().unwrap_or(usize::MAX),
    })
}

fn place(before: &[u8]) -> Result<Option<(u64, u128)>, Status> {
    if before.is_empty() {
        return Ok(None);
    }
    let bytes: Option<&[u8; NEXT_BYTES]> = before.try_into().ok();
    let place = bytes.and_then(|bytes| {
        let (time, id) = bytes.split_first_chunk()?;
        Some((u64::from_be_bytes(*time), u128::from_be_bytes(id.try_into().ok()?)))
    });
    place.map(Some).ok_or_else(|| Status::invalid_argument("`before` is not the `next` of a page"))
}
