//! Reading sessions: what there is, page by page, record by record, once each.

use super::super::approvals::{bearing, people, person, token_of};
use super::super::{Node, Plane, role};
use super::{CLOSED, Process, Shipped, Writer, allowed, command, opened, opening, process, refused, renew};
use hoop_audit::{Entry, Outcome, Release, records};
use hoop_model::SessionId;
use hoop_model::spec::Right;
use hoop_wire::v1::sessions_client::SessionsClient;
use hoop_wire::v1::{self, from_node, job_result};
use tokio_stream::StreamExt;
use tonic::{Code, Status, Streaming};

impl Plane {
    async fn sessions(&self) -> SessionsClient<tonic::transport::Channel> {
        SessionsClient::new(self.channel(None).await)
    }

    async fn list_sessions(&self, request: v1::ListSessionsRequest) -> Result<v1::ListSessionsResponse, Status> {
        let request = self.by_admin(request);
        self.sessions().await.list(request).await.map(tonic::Response::into_inner)
    }

    async fn show(&self, session: u128) -> Result<Vec<v1::SessionRecord>, Status> {
        let request = self.by_admin(v1::ShowSessionRequest { id: session.to_be_bytes().into() });
        self.sessions().await.show(request).await?.into_inner().collect().await
    }

    async fn tail(&self, request: v1::TailSessionsRequest) -> Streaming<v1::SessionRecord> {
        self.sessions().await.tail(self.by_admin(request)).await.unwrap().into_inner()
    }

    async fn store(&self, node: &Node, segment: &[u8]) {
        assert_eq!(self.ship_one(node, segment).await.0, Shipped::Stored);
        let size = self.running.cluster.state().evidence().size();
        self.running.cluster.evidence().indexed_entries().wait_for(|indexed| *indexed >= size).await.unwrap();
    }
}

fn ids(response: &v1::ListSessionsResponse) -> Vec<u128> {
    let id = |session: &v1::SessionSummary| u128::from_be_bytes(session.id.as_slice().try_into().unwrap());
    response.sessions.iter().map(id).collect()
}

/// Returns a record's number in its chain, and whether it was shipped.
fn numbered(record: &v1::SessionRecord) -> (u64, bool) {
    let mut read = records(&record.frame);
    let number = read.next().unwrap().unwrap().head.sequence;
    assert!(read.next().is_none(), "one frame");
    (number, record.shipped)
}

async fn next(records: &mut Streaming<v1::SessionRecord>) -> (u64, bool) {
    let next = tokio::time::timeout(std::time::Duration::from_secs(20), records.next()).await;
    numbered(&next.expect("within 20 s").unwrap().unwrap())
}

/// Ships one segment with ten sessions, of which 1 to 9 end and 10 does not.
async fn ten_sessions(plane: &Plane, process: &Process, node: &Node) -> Writer {
    let mut writer = process.writer(0);
    let mut frames = Vec::new();
    let held = Outcome::Hold(vec![Release { team: super::name("on-call"), quorum: 1 }]);
    for session in 1..=10_u128 {
        let identity = if session % 2 == 0 { "even" } else { "odd" };
        let mut entries = vec![Entry::Opened(opening(identity, &format!("run-{session}"))), allowed(1)];
        entries.extend((session == 3).then(|| refused(2)));
        entries.extend((session == 4).then(|| command(2, held.clone())));
        entries.extend((session != 10).then_some(CLOSED));
        frames.extend(writer.frames(session, &entries));
    }
    frames.extend(writer.frames(11, &[Entry::NotOpened(opening("odd", "run-11"))]));
    plane.store(node, &process.seal(&frames, &mut writer, false)).await;
    writer
}

#[tokio::test]
async fn sessions_are_listed_newest_first_with_what_became_of_them() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let shipper = plane.shipper(&process).await;
    ten_sessions(&plane, &process, &shipper.node).await;
    let all = plane.list_sessions(v1::ListSessionsRequest::default()).await.unwrap();
    assert_eq!(ids(&all), [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(all.next, b"");
    let third = v1::SessionSummary {
        id: 3_u128.to_be_bytes().into(),
        identity: "odd".into(),
        connection: "react".into(),
        run: "run-3".into(),
        issuer: "https://ci.example.com".into(),
        node: "n1".into(),
        opened_ms: 1_007,
        last_ms: 1_010,
        opened: true,
        ended: "finished".into(),
        commands: 2,
        allowed: 1,
        refused: 1,
        held: 0,
    };
    assert_eq!(all.sessions[8], third);
    assert_eq!((all.sessions[7].held, all.sessions[1].ended.as_str()), (1, ""));
    assert_eq!((all.sessions[0].opened, all.sessions[0].ended.as_str()), (false, "refused"));
}

#[tokio::test]
async fn a_list_is_narrowed_and_paged() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let shipper = plane.shipper(&process).await;
    ten_sessions(&plane, &process, &shipper.node).await;
    let any = v1::ListSessionsRequest::default;
    let cases: [(v1::ListSessionsRequest, &[u128]); 9] = [
        (v1::ListSessionsRequest { identity: "even".into(), ..any() }, &[10, 8, 6, 4, 2]),
        (v1::ListSessionsRequest { connection: "react".into(), run: "run-7".into(), ..any() }, &[7]),
        (v1::ListSessionsRequest { connection: "other".into(), ..any() }, &[]),
        (v1::ListSessionsRequest { open_only: true, ..any() }, &[10]),
        (v1::ListSessionsRequest { refused_only: true, ..any() }, &[11, 3]),
        (v1::ListSessionsRequest { until_ms: 1_007, ..any() }, &[2, 1]),
        (v1::ListSessionsRequest { since_ms: 1_007, until_ms: 1_011, ..any() }, &[3]),
        (v1::ListSessionsRequest { since_ms: 9_999, ..any() }, &[]),
        (v1::ListSessionsRequest { since_ms: 9, until_ms: 2, ..any() }, &[]),
    ];
    for (request, expected) in cases {
        let listed = plane.list_sessions(request.clone()).await.unwrap();
        assert_eq!(ids(&listed), expected, "{request:?}");
    }
    let (mut pages, mut before) = (Vec::new(), vec![]);
    loop {
        let request = v1::ListSessionsRequest { identity: "odd".into(), limit: 2, before, ..any() };
        let page = plane.list_sessions(request).await.unwrap();
        pages.push(ids(&page));
        before = page.next;
        if before.is_empty() {
            break;
        }
    }
    assert_eq!(pages, [[11, 9].as_slice(), &[7, 5], &[3, 1]]);
    for wrong in
        [v1::ListSessionsRequest { limit: 1_001, ..any() }, v1::ListSessionsRequest { before: vec![1; 23], ..any() }]
    {
        assert_eq!(plane.list_sessions(wrong).await.unwrap_err().code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn a_session_whose_chain_ended_without_its_end_ended_nobody_knows_how() {
    let (plane, old, new) = (Plane::start().await, process("n1", 1), process("n1", 2));
    let mut shipper = plane.shipper(&old).await;
    let mut writer = ten_sessions(&plane, &old, &shipper.node).await;
    writer.frames(5, &[allowed(9)]);
    shipper.link.say(renew(&old, vec![writer.wire_head()])).await;
    let (chain, said) = (writer.id.clone(), writer.head());
    plane.until(|state| state.evidence().chain(&chain).filter(|chain| chain.head == said).copied()).await;
    let link = plane.announced(&shipper.node, &new, &[]).await;
    plane.until(|state| state.evidence().chain(&writer.id).filter(|chain| chain.ended).copied()).await;
    drop(link);
    let open = v1::ListSessionsRequest { open_only: true, ..Default::default() };
    assert_eq!(ids(&plane.list_sessions(open).await.unwrap()), [0_u128; 0]);
    let all = plane.list_sessions(v1::ListSessionsRequest::default()).await.unwrap();
    assert_eq!(all.sessions[1].ended, "unknown");
}

#[tokio::test]
async fn cp_14_what_another_node_says_of_a_session_counts_for_nothing() {
    let (plane, own, intruder) = (Plane::start().await, process("n1", 1), process("n2", 2));
    let shipper = plane.shipper(&own).await;
    let mut writer = own.writer(0);
    let frames = writer.frames(5, &[opened("nightly"), allowed(1)]);
    plane.store(&shipper.node, &own.seal(&frames, &mut writer, false)).await;
    let before = plane.list_sessions(v1::ListSessionsRequest::default()).await.unwrap();

    let stranger = plane.shipper(&intruder).await;
    let mut writer = intruder.writer(0);
    let frames = writer.frames(5, &[opened("root"), refused(1), CLOSED]);
    plane.store(&stranger.node, &intruder.seal(&frames, &mut writer, true)).await;
    drop((shipper, stranger));
    assert_eq!(plane.list_sessions(v1::ListSessionsRequest::default()).await.unwrap(), before);
    let shown = plane.show(5).await.unwrap();
    assert_eq!(shown.iter().map(numbered).collect::<Vec<_>>(), [(1, true), (2, true)]);
}

#[tokio::test]
async fn a_session_is_shown_from_the_store_and_then_from_its_node_each_record_once() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let mut shipper = plane.shipper(&process).await;
    let mut writer = process.writer(0);
    let mut first = writer.frames(5, &[opened("nightly"), allowed(1)]);
    first.extend(writer.frames(6, &[opened("other")]));
    let both = writer.frames(5, &[allowed(2)]);
    plane.store(&shipper.node, &process.seal(&[&first[..], &both].concat(), &mut writer, false)).await;
    let live = writer.frames(5, &[allowed(3), CLOSED]);
    let of_other = writer.frames(6, &[CLOSED]);

    let answering = async {
        let job = shipper.link.job().await;
        assert_eq!((job.kind.as_str(), job.payload), ("evidence.tail", SessionId::mint(5).to_bytes().to_vec()));
        // The node was not told yet that record 4 is stored; and it answers with more than it was asked for.
        let tail = [&both[..], &live, &of_other].concat();
        shipper.link.answer(job.id, job_result::Outcome::Done, tail).await;
    };
    let (shown, ()) = tokio::join!(plane.show(5), answering);
    let shown: Vec<_> = shown.unwrap().iter().map(numbered).collect();
    assert_eq!(shown, [(1, true), (2, true), (4, true), (5, false), (6, false)]);

    drop(shipper);
    plane.detached("n1").await;
    let shown: Vec<_> = plane.show(5).await.unwrap().iter().map(numbered).collect();
    assert_eq!(shown, [(1, true), (2, true), (4, true)], "what is stored is there without its node");
    assert_eq!(plane.show(77).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn cp_14_a_node_cannot_put_another_nodes_records_into_a_session() {
    let (plane, owner, liar) = (Plane::start().await, process("n1", 1), process("n2", 2));
    let owned = plane.shipper(&owner).await;
    let mut lying = plane.shipper(&liar).await;
    drop(owned);
    plane.detached("n1").await;
    let forged = owner.writer(0).frames(5, &[opened("nightly")]);
    let answering = async {
        let job = lying.link.job().await;
        lying.link.answer(job.id, job_result::Outcome::Done, forged).await;
    };
    let (shown, ()) = tokio::join!(plane.show(5), answering);
    assert_eq!(shown.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_session_that_continues_in_another_chain_is_shown_in_the_order_of_its_chains() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let shipper = plane.shipper(&process).await;
    // The chain of the higher number came first.
    let (mut earlier, mut later) = (process.writer(9), process.writer(1));
    later.time = 5_000;
    let begin = process.segment(&mut earlier, 5, &[opened("nightly")]);
    let end = process.segment(&mut later, 5, &[allowed(1), CLOSED]);
    plane.store(&shipper.node, &end).await;
    plane.store(&shipper.node, &begin).await;
    let listed = plane.list_sessions(v1::ListSessionsRequest::default()).await.unwrap();
    assert_eq!((listed.sessions.len(), listed.sessions[0].opened_ms), (1, 1_001));
    assert_eq!(listed.sessions[0].ended, "finished");
    drop(shipper);
    plane.detached("n1").await;
    let shown = plane.show(5).await.unwrap();
    let times: Vec<u64> = shown.iter().map(|one| records(&one.frame).next().unwrap().unwrap().time.0).collect();
    assert_eq!(times, [1_001, 5_001, 5_002]);
}

#[tokio::test]
async fn a_tail_follows_what_is_stored_and_what_nodes_have_each_record_once() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let mut shipper = plane.shipper(&process).await;
    let mut writer = process.writer(0);
    let old = process.segment(&mut writer, 5, &[opened("nightly")]);
    plane.store(&shipper.node, &old).await;
    let wanted = v1::TailSessionsRequest { identity: "nightly".into(), ..Default::default() };
    let mut tail = plane.tail(wanted).await;

    let unshipped = [writer.frames(6, &[opened("other")]), writer.frames(5, &[allowed(1)])].concat();
    let job = shipper.link.job().await;
    assert_eq!((job.kind.as_str(), job.payload.as_slice()), ("evidence.tail", &b""[..]));
    shipper.link.answer(job.id, job_result::Outcome::Done, unshipped.clone()).await;
    assert_eq!(next(&mut tail).await, (3, false), "not the other identity's, not what was there before");

    let more = writer.frames(5, &[allowed(2), CLOSED]);
    let segment = process.seal(&[unshipped, more].concat(), &mut writer, false);
    plane.store(&shipper.node, &segment).await;
    assert_eq!(next(&mut tail).await, (4, true), "record 3 was sent already");
    assert_eq!(next(&mut tail).await, (5, true));
    let last = writer.frames(7, &[opened("nightly")]);
    loop {
        let job = shipper.link.job().await;
        let message = v1::JobResult {
            id: job.id,
            outcome: job_result::Outcome::Done.into(),
            payload: last.clone(),
            ..Default::default()
        };
        shipper.link.say(from_node::Message::JobResult(message)).await;
        if let Ok(heard) = tokio::time::timeout(std::time::Duration::from_secs(1), next(&mut tail)).await {
            assert_eq!(heard, (6, false));
            break;
        }
    }
}

#[tokio::test]
async fn a_tail_of_one_session_asks_only_for_it() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let mut shipper = plane.shipper(&process).await;
    let session = SessionId::mint(6).to_bytes().to_vec();
    let mut tail = plane.tail(v1::TailSessionsRequest { session: session.clone(), ..Default::default() }).await;
    let job = shipper.link.job().await;
    assert_eq!(job.payload, session);
    shipper.link.answer(job.id, job_result::Outcome::Unsupported, vec![]).await;
    let mut writer = process.writer(0);
    let frames = [writer.frames(5, &[opened("nightly")]), writer.frames(6, &[opened("nightly")])].concat();
    plane.store(&shipper.node, &process.seal(&frames, &mut writer, false)).await;
    assert_eq!(next(&mut tail).await, (2, true));
    let wrong = v1::TailSessionsRequest { session: vec![1; 15], ..Default::default() };
    let wrong = plane.sessions().await.tail(plane.by_admin(wrong)).await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
}

/// What ends a tail, told by the one who reads it.
async fn end_of(mut tail: Streaming<v1::SessionRecord>) -> Code {
    let end = tokio::time::timeout(std::time::Duration::from_secs(30), tail.next()).await;
    end.expect("within 30 s").expect("a reason").unwrap_err().code()
}

#[tokio::test]
async fn cp_11_a_tail_ends_once_its_reader_may_not_read_any_more() {
    let plane = Plane::start().await;
    plane.apply(people()).await.unwrap();
    let reading = || vec![person("eve", &["finance"], false), role("readers", &["finance"], &[Right::ReadSessions])];
    let changes: [(&str, Vec<v1::Document>); 3] = [
        ("suspended", vec![person("eve", &["finance"], true)]),
        ("in another team", vec![person("eve", &["on-call"], false)]),
        ("without the right", vec![role("readers", &["finance"], &[Right::Read])]),
    ];
    for (what, change) in changes {
        plane.apply(reading()).await.unwrap();
        let request = bearing(&token_of("eve-id"), v1::TailSessionsRequest::default());
        let tail = plane.sessions().await.tail(request).await.unwrap().into_inner();
        plane.apply(change).await.unwrap();
        assert_eq!(end_of(tail).await, Code::PermissionDenied, "{what}");
    }
    let tail = plane.tail(v1::TailSessionsRequest::default()).await;
    let end = plane.by_admin(v1::EndRequest {});
    v1::sign_in_client::SignInClient::new(plane.channel(None).await).end(end).await.unwrap();
    assert_eq!(end_of(tail).await, Code::Unauthenticated, "an administrator who signed out");
}
