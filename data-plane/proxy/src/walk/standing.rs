//! Where an approval stands: what a caller is told who comes back to look, by the token that its command had.

use super::refusal;
use super::token::{self, Caller, unidentified};
use crate::front::reply::{self, Reply};
use crate::shard::Shard;
use hoop_http::bearer;
use hoop_model::{ApprovalId, Code, Refusal};
use hoop_wire::v1::approval::State;
use hoop_wire::v1::{self, holds_client::HoldsClient};
use http::{HeaderMap, Response};
use serde_json::{Value, json};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long the control plane may take to say it.
const WITHIN: Duration = Duration::from_secs(2);
/// After how many seconds it is worth looking again.
const LOOK_AGAIN: u64 = 5;

/// Answers `/.hoop/approvals/ID`. Whoever is not of the identity and run that the approval belongs to is told what is said
/// of one that never existed (AP-11).
pub(super) async fn standing(
    shard: &Rc<Shard>,
    headers: &HeaderMap,
    id: &str,
) -> Result<Response<Reply>, Box<Refusal>> {
    let mut world = shard.look(Arc::clone)?;
    let caller = token::authenticate(shard, &mut world, bearer(headers)?).await?;
    let id: ApprovalId = id.parse().map_err(|_| unknown())?;
    let request = request(&caller, id)?;
    let said = timeout(WITHIN, ask(shard, request)).await.ok().flatten();
    let said =
        said.ok_or_else(|| refusal(Code::NotReady, "the control plane does not say where the approval stands"))?;
    if !said.found {
        return Err(unknown());
    }
    let (word, again) = word(said.state()).ok_or_else(unknown)?;
    let again = again.then_some(LOOK_AGAIN);
    let mut object = json!({"approval": id.to_string(), "state": word, "requirements": seats(&said)});
    if let (Some(object), Some(seconds)) = (object.as_object_mut(), again) {
        object.insert("expires_in".to_owned(), json!(said.expires_in_ms.div_ceil(1_000)));
        object.insert("retry_after".to_owned(), json!(seconds));
    }
    Ok(reply::json(&object, again))
}

fn request(caller: &Caller, id: ApprovalId) -> Result<v1::LookRequest, Box<Refusal>> {
    let run = caller.identity.run(&caller.claims).map_err(|error| unidentified(&error))?;
    Ok(v1::LookRequest {
        id: id.to_bytes().to_vec(),
        identity_uid: caller.identity.uid.to_bytes().to_vec(),
        run: run.into(),
    })
}

async fn ask(shard: &Shard, request: v1::LookRequest) -> Option<v1::LookResponse> {
    let mut client = HoldsClient::new(shard.shared.desk.channel().await);
    let said = client.look(request).await.inspect_err(|status| tracing::debug!(%status, "nobody looked"));
    said.ok().map(tonic::Response::into_inner)
}

fn seats(said: &v1::LookResponse) -> Value {
    let seat =
        |seat: &v1::look_response::Seat| json!({"team": seat.team, "quorum": seat.quorum, "approvals": seat.approvals});
    said.seats.iter().map(seat).collect()
}

/// Returns the state's word, and whether another may follow by itself.
const fn word(state: State) -> Option<(&'static str, bool)> {
    match state {
        State::Pending => Some(("pending", true)),
        State::Approved => Some(("approved", true)),
        State::Denied => Some(("denied", false)),
        State::Expired => Some(("expired", false)),
        State::Voided => Some(("voided", false)),
        State::Claimed => Some(("claimed", true)),
        State::DoneNotSent => Some(("not_sent", false)),
        State::DoneAnswered => Some(("answered", false)),
        State::DoneFailedAfterSend => Some(("failed_after_send", false)),
        State::Unknown => Some(("unknown", false)),
        State::Unspecified => None,
    }
}

fn unknown() -> Box<Refusal> {
    refusal(Code::ApprovalUnknown, "there is no such approval of this identity and run")
}
