//! Commands that wait for people, over a control plane small enough to be seen to be right.

use super::*;
use crate::control::holds::Clerk;
use crate::hold::wire;
use hoop_audit::{HoldStage, HoldStep};
use hoop_model::{ApprovalId, CommandDigest};
use hoop_wire::v1;
use hoop_wire::v1::approval::State;
use hoop_wire::v1::hold_response::Outcome as Said;
use hoop_wire::v1::holds_server::{Holds, HoldsServer};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Endpoint, Server};
use tonic::{Request as Asked, Response as Told, Status};

const HOLDS: &str = r#"
    permit (principal, action == Hoop::Action::"connect", resource);
    permit (principal, action in Hoop::Action::"read", resource);
    permit (principal, action == Hoop::Action::"http:POST", resource);
    @id("wait") @hold("on-call") @message("posts wait")
    forbid (principal, action == Hoop::Action::"http:POST", resource);
"#;
const REFUSES: &str = r#"
    permit (principal, action == Hoop::Action::"connect", resource);
    permit (principal, action in Hoop::Action::"read", resource);
    forbid (principal, action == Hoop::Action::"http:POST", resource);
"#;

/// An approval as the test's control plane keeps it.
#[derive(Debug, Clone)]
struct Kept {
    digest: Vec<u8>,
    state: State,
    is_attended: bool,
}

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// It does not arrive.
    Lost,
    /// It arrives, and its answer does not.
    Unanswered,
    /// Votes or revisions have moved on.
    Stale,
}

/// Keeps approvals and takes note of what is said to it.
#[derive(Default)]
struct Plane {
    approvals: BTreeMap<ApprovalId, Kept>,
    by_key: BTreeMap<Vec<u8>, ApprovalId>,
    heard: Vec<String>,
    reviews: Vec<v1::OpenHoldRequest>,
    /// By the request's name, what happens to the next ones.
    trouble: BTreeMap<&'static str, VecDeque<Trouble>>,
    /// The state of approvals that are opened.
    opens_as: Option<State>,
}

#[derive(Clone)]
struct Service(Arc<Mutex<Plane>>);

impl Plane {
    fn standing(&self, id: ApprovalId, claimed: bool) -> v1::HoldResponse {
        let kept = &self.approvals[&id];
        v1::HoldResponse {
            outcome: Said::Ok.into(),
            id: id.to_bytes().to_vec(),
            state: kept.state.into(),
            expires_ms: 0,
            claimed_by_caller: claimed && kept.state == State::Claimed,
        }
    }

    fn open(&mut self, asks: v1::OpenHoldRequest) -> v1::HoldResponse {
        let found = self.by_key.get(&asks.idempotency_key).copied();
        let waits = |kept: &Kept| matches!(kept.state, State::Pending | State::Approved);
        let unattended = |kept: &Kept| kept.digest == asks.digest && !kept.is_attended && waits(kept);
        let id = match asks.selected.as_slice() {
            _ if found.is_some() => found.unwrap(),
            [] => match self.approvals.iter().find(|(_, kept)| unattended(kept)) {
                Some((id, _)) => *id,
                None => ApprovalId::mint(self.approvals.len() as u128 + 1),
            },
            id => {
                let id = ApprovalId::from_slice(id).unwrap();
                match self.approvals.get(&id) {
                    Some(kept) if kept.digest == asks.digest => id,
                    Some(_) | None => return said(Said::Mismatch),
                }
            }
        };
        let state = self.opens_as.unwrap_or(State::Pending);
        let new = Kept { digest: asks.digest.clone(), state, is_attended: true };
        let kept = self.approvals.entry(id).or_insert(new);
        kept.is_attended = waits(kept);
        self.by_key.insert(asks.idempotency_key.clone(), id);
        self.reviews.push(asks);
        self.standing(id, false)
    }

    fn with(&mut self, id: &[u8], change: impl FnOnce(&mut Kept)) -> v1::HoldResponse {
        let id = ApprovalId::from_slice(id).unwrap();
        match self.approvals.get_mut(&id) {
            Some(kept) => change(kept),
            None => return said(Said::Mismatch),
        }
        self.standing(id, true)
    }

    fn waiting(&self) -> Vec<ApprovalId> {
        self.approvals.iter().filter(|(_, kept)| kept.state == State::Pending).map(|(id, _)| *id).collect()
    }
}

fn said(outcome: Said) -> v1::HoldResponse {
    v1::HoldResponse { outcome: outcome.into(), ..Default::default() }
}

impl Service {
    /// Answers, or whatever else happens to the request.
    fn answer(
        &self,
        name: &'static str,
        incarnation: &[u8],
        act: impl FnOnce(&mut Plane) -> v1::HoldResponse,
    ) -> Result<Told<v1::HoldResponse>, Status> {
        assert_eq!(incarnation, Incarnation::mint(7).to_bytes());
        let mut plane = self.0.lock().unwrap();
        let trouble = plane.trouble.get_mut(name).and_then(VecDeque::pop_front);
        match trouble {
            Some(Trouble::Lost) => return Err(Status::unavailable("lost")),
            Some(Trouble::Stale) => return Ok(Told::new(said(Said::Stale))),
            Some(Trouble::Unanswered) | None => {}
        }
        let response = act(&mut plane);
        plane.heard.push(format!("{name} {}", State::try_from(response.state).unwrap().as_str_name()));
        if trouble.is_some() { Err(Status::unavailable("no answer")) } else { Ok(Told::new(response)) }
    }
}

#[tonic::async_trait]
impl Holds for Service {
    async fn open(&self, request: Asked<v1::OpenHoldRequest>) -> Result<Told<v1::HoldResponse>, Status> {
        let asks = request.into_inner();
        self.answer("open", &asks.incarnation.clone(), |plane| plane.open(asks))
    }

    async fn leave(&self, request: Asked<v1::LeaveHoldRequest>) -> Result<Told<v1::HoldResponse>, Status> {
        let asks = request.into_inner();
        self.answer("leave", &asks.incarnation, |plane| plane.with(&asks.id, |kept| kept.is_attended = false))
    }

    async fn rejudged(&self, request: Asked<v1::RejudgedRequest>) -> Result<Told<v1::HoldResponse>, Status> {
        let asks = request.into_inner();
        self.answer("rejudged", &asks.incarnation, |plane| {
            plane.with(&asks.id, |kept| {
                if asks.requirements.is_empty() {
                    kept.state = State::Voided;
                }
            })
        })
    }

    async fn claim(&self, request: Asked<v1::ClaimRequest>) -> Result<Told<v1::HoldResponse>, Status> {
        let asks = request.into_inner();
        self.answer("claim", &asks.incarnation, |plane| {
            plane.with(&asks.id, |kept| {
                if kept.state == State::Approved && kept.is_attended {
                    (kept.state, kept.is_attended) = (State::Claimed, false);
                }
            })
        })
    }

    async fn finish(&self, request: Asked<v1::FinishRequest>) -> Result<Told<v1::HoldResponse>, Status> {
        let asks = request.into_inner();
        self.answer("finish", &asks.incarnation, |plane| {
            plane.with(&asks.id, |kept| match (kept.state, asks.ending()) {
                (State::Claimed, v1::Ending::NotSent) => kept.state = State::DoneNotSent,
                (State::Claimed, v1::Ending::Answered) => kept.state = State::DoneAnswered,
                (State::Claimed, v1::Ending::FailedAfterSend) => kept.state = State::DoneFailedAfterSend,
                _ => kept.is_attended = false,
            })
        })
    }

    async fn look(&self, _: Asked<v1::LookRequest>) -> Result<Told<v1::LookResponse>, Status> {
        Err(Status::unimplemented("look"))
    }
}

/// A stage on which POST waits for people.
struct Held {
    stage: Stage,
    plane: Arc<Mutex<Plane>>,
}

impl Held {
    async fn set(mut stage: Stage) -> Self {
        let plane = Arc::new(Mutex::new(Plane::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = HoldsServer::new(Service(Arc::clone(&plane)));
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)));
        let desk = Arc::clone(&stage.shard.shared.desk);
        let clerk =
            Clerk { desk: Arc::clone(&desk), asks: stage.asks.take().unwrap(), incarnation: Incarnation::mint(7) };
        tokio::task::spawn_local(clerk.run());
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        desk.attached(Some(endpoint.connect().await.unwrap()));
        let mut held = Self { stage, plane };
        held.policy(2, HOLDS);
        held
    }

    fn policy(&mut self, revision: u64, cedar: &str) {
        self.stage.objects[3] = object(4, "rules", revision, Spec::Policy(spec::Policy { cedar: cedar.into() }));
        self.stage.publish(revision);
    }

    fn plane(&self) -> std::sync::MutexGuard<'_, Plane> {
        self.plane.lock().unwrap()
    }

    /// Sends a POST with a run's usual token; the same token is the same session.
    async fn post(&self, body: &str, more: &str) -> String {
        let more = format!("Content-Type: text/plain\r\nContent-Length: {}\r\n{more}\r\n{body}", body.len());
        self.stage.ask("POST /c/react/sum", &more).await
    }

    async fn the_one_that_waits(&self) -> ApprovalId {
        until("a command waits", || self.plane().waiting().first().copied()).await
    }

    /// Ends what waits, and pushes that.
    fn decide(&self, id: ApprovalId, state: State) {
        self.plane().approvals.get_mut(&id).unwrap().state = state;
        self.stage.shard.shared.desk.board.post(id, wire::state(state).unwrap());
    }

    async fn heard(&self, what: &str) {
        until(what, || self.plane().heard.iter().any(|heard| heard == what).then_some(())).await;
    }

    fn is_heard(&self, what: &str) -> bool {
        self.plane().heard.iter().any(|heard| heard.starts_with(what))
    }

    fn sent(&self) -> u32 {
        self.stage.seen.1.get()
    }

    fn stages(&self) -> Vec<HoldStage> {
        self.steps().iter().map(|step| step.stage).collect()
    }

    fn steps(&self) -> Vec<HoldStep> {
        let steps = self.stage.records().into_iter();
        let steps = steps.filter_map(|entry| if let Entry::Approval(step) = entry { Some(step) } else { None });
        steps.collect()
    }

    fn digests(&self) -> Vec<Option<CommandDigest>> {
        let verdicts = self.stage.records().into_iter();
        let verdicts = verdicts.filter_map(|entry| if let Entry::Verdict(v) = entry { Some(v.digest) } else { None });
        verdicts.collect()
    }
}

async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..2000 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

fn with_holds<F: Future<Output = ()>>(test: impl FnOnce(Held) -> F) {
    on_stage(|stage| async move { test(Held::set(stage).await).await });
}

fn is_refused(answer: &str, status: u16, code: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.contains(&format!("hoop-refusal: {code}\r\n")), "{answer}");
}

#[test]
fn i3_what_people_release_runs_once_with_exactly_the_bytes_that_were_captured() {
    with_holds(|held| async move {
        let decided = async {
            let id = held.the_one_that_waits().await;
            assert_eq!(held.sent(), 0, "nothing of it reached the backend");
            held.decide(id, State::Approved);
        };
        let (answer, ()) = tokio::join!(held.post("{\"item\": 7}", "X-Why: because\r\n"), decided);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("b\"{\\\"item\\\": 7}\"") && answer.contains("x-why=\"because\""), "{answer}");
        assert!(answer.contains("content-length=\"11\"") && !answer.contains("authorization"), "{answer}");
        held.heard("finish DONE_ANSWERED").await;
        held.stage.settled().await;
        assert_eq!(held.sent(), 1);
        assert_eq!(held.stages(), [HoldStage::Waiting, HoldStage::Released]);
        let (opened, verdict, approval) = (Kind::Opened, Kind::Verdict, Kind::Approval);
        let records = [opened, verdict, approval, approval, Kind::Forwarded, Kind::Response];
        assert_eq!(held.stage.kinds(), records);
        let review = held.plane().reviews[0].clone();
        assert_eq!(review.digest, held.digests()[0].unwrap().0);
        let shown = review.review.unwrap();
        assert_eq!((shown.summary.as_str(), shown.message.as_str()), ("POST /sum", "posts wait"));
        let content = String::from_utf8(shown.content).unwrap();
        assert!(content.ends_with("\n\n{\"item\": 7}") && content.contains("x-why: because"), "{content}");
        assert!(!content.to_ascii_lowercase().contains("bearer"));
        assert_eq!((shown.owner.as_str(), review.run.as_str()), ("team@example.com", "1"));
    });
}

#[test]
fn a_chunked_body_is_sent_whole_too() {
    with_holds(|held| async move {
        held.plane().opens_as = Some(State::Approved);
        let more = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n";
        let answer = held.stage.ask("POST /c/react/sum", more).await;
        assert!(answer.contains("b\"abcde\"") && answer.contains("transfer-encoding=\"chunked\""), "{answer}");
    });
}

#[test]
fn what_people_decide_against_is_refused_with_its_own_reason() {
    with_holds(|held| async move {
        let cases = [
            (State::Denied, 403, "approval_denied", HoldStage::Denied),
            (State::Expired, 428, "approval_expired", HoldStage::Expired),
            (State::Voided, 409, "approval_voided", HoldStage::Voided),
            (State::Unknown, 409, "approval_spent", HoldStage::Spent),
        ];
        for (state, status, code, stage) in cases {
            let decided = async {
                let id = held.the_one_that_waits().await;
                held.decide(id, state);
            };
            let (answer, ()) = tokio::join!(held.post(code, ""), decided);
            is_refused(&answer, status, code);
            assert_eq!(held.stages().last(), Some(&stage));
        }
        assert_eq!(held.sent(), 0);
        assert!(!held.is_heard("leave") && !held.is_heard("claim"));
    });
}

#[test]
fn who_does_not_wait_comes_back_and_takes_the_approval_up() {
    with_holds(|held| async move {
        let first = held.post("a", "Prefer: wait=0\r\n").await;
        is_refused(&first, 428, "approval_required");
        assert!(first.contains("retry-after: 5\r\n"), "{first}");
        let id = held.plane().waiting()[0];
        let location = format!("location: /.hoop/approvals/{id}\r\n");
        assert!(first.contains(&location), "{first}");
        assert!(first.contains(&format!("\"approval\":\"{id}\"")), "{first}");
        assert!(held.is_heard("leave PENDING"), "nobody keeps it when the caller has its answer");

        // What differs is no part of the command.
        let trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
        let later = held.post("a", &format!("Prefer: respond-async\r\n{trace}")).await;
        assert!(later.starts_with("HTTP/1.1 202 ") && later.contains("preference-applied: respond-async"), "{later}");
        assert!(later.contains(&location), "{later}");
        let digests = held.digests();
        assert!(digests[0].is_some() && digests[0] == digests[1]);
        assert_eq!(held.plane().approvals.len(), 1);

        held.decide(id, State::Approved);
        let other = held.post("b", &format!("Prefer: wait=0\r\nHoop-Approval: {id}\r\n")).await;
        is_refused(&other, 409, "approval_mismatch");
        assert_eq!(held.sent(), 0);
        let released = held.post("a", "Prefer: wait=0\r\n").await;
        assert!(released.starts_with("HTTP/1.1 200"), "{released}");
        held.heard("finish DONE_ANSWERED").await;
        let spent = held.post("a", &format!("Prefer: wait=0\r\nHoop-Approval: {id}\r\n")).await;
        is_refused(&spent, 409, "approval_spent");
        assert_eq!(held.sent(), 1);
    });
}

#[test]
fn ap_14_a_caller_that_hangs_up_leaves_and_nothing_runs_when_it_is_approved() {
    with_holds(|held| async move {
        let mut stream = held.stage.connect().await;
        stream.write_all(held.stage.request("POST /c/react/sum", "Content-Length: 0\r\n").as_bytes()).await.unwrap();
        let id = held.the_one_that_waits().await;
        until("it is noted", || (!held.steps().is_empty()).then_some(())).await;
        drop(stream);
        held.heard("leave PENDING").await;
        held.decide(id, State::Approved);
        held.stage.settled().await;
        assert_eq!(held.stages(), [HoldStage::Waiting, HoldStage::Left]);
        assert!(held.stage.ask("GET /c/react/ok", "").await.ends_with("hello"));
        assert_eq!(held.sent(), 1, "the GET");
        assert!(!held.is_heard("claim"));
    });
}

#[test]
fn a_policy_that_refuses_by_now_voids_the_approval() {
    with_holds(|mut held| async move {
        let request = held.stage.request("POST /c/react/sum", "Connection: close\r\nContent-Length: 0\r\n");
        let mut stream = held.stage.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let id = held.the_one_that_waits().await;
        held.policy(3, REFUSES);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        is_refused(&answer, 409, "approval_voided");
        held.heard("rejudged VOIDED").await;
        assert_eq!(held.plane().approvals[&id].state, State::Voided);
        assert_eq!((held.sent(), held.stages()), (0, vec![HoldStage::Waiting, HoldStage::Voided]));
    });
}

#[test]
fn a_policy_that_asks_for_more_is_told_and_waited_for() {
    with_holds(|mut held| async move {
        let request = held.stage.request("POST /c/react/sum", "Connection: close\r\nContent-Length: 0\r\n");
        let mut stream = held.stage.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let id = held.the_one_that_waits().await;
        held.policy(3, &HOLDS.replace("\"on-call\"", "\"dba\""));
        held.heard("rejudged PENDING").await;
        held.decide(id, State::Approved);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    });
}

#[test]
fn one_approval_is_in_one_pair_of_hands() {
    with_holds(|held| async move {
        let other = async {
            let id = held.the_one_that_waits().await;
            let second = held.post("a", &format!("Hoop-Approval: {id}\r\n")).await;
            is_refused(&second, 409, "approval_mismatch");
            assert!(!held.is_heard("leave"), "the first still waits");
            held.decide(id, State::Approved);
        };
        let (first, ()) = tokio::join!(held.post("a", ""), other);
        assert!(first.starts_with("HTTP/1.1 200"), "{first}");
        assert_eq!(held.sent(), 1);
    });
}

#[test]
fn what_a_person_could_not_review_is_not_held() {
    with_holds(|held| async move {
        let long = "x".repeat(70_000);
        is_refused(&held.post(&long, "").await, 413, "too_large_to_review");
        let chunks: String = (0..70).map(|_| format!("400\r\n{}\r\n", "x".repeat(1024))).collect();
        let more = format!("Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
        let request = held.stage.request("POST /c/react/sum", "").trim_end().to_owned() + "\r\n" + &more;
        let mut stream = held.stage.connect().await;
        // What is not read any more may end in a reset.
        drop(stream.write_all(request.as_bytes()).await);
        let mut answer = vec![0; 4096];
        let read = stream.read(&mut answer).await.unwrap();
        is_refused(&String::from_utf8_lossy(&answer[..read]), 413, "too_large_to_review");
        assert_eq!(held.sent(), 0);
        assert!(!held.is_heard("open"));
        assert_eq!(held.digests(), [None, None]);
    });
}

#[test]
fn ap_08_a_claim_without_an_answer_sends_nothing_and_is_accounted_for() {
    with_holds(|held| async move {
        held.plane().opens_as = Some(State::Approved);
        held.plane().trouble.insert("claim", [Trouble::Unanswered; 100].into());
        held.stage.lease(Duration::from_millis(1500));
        let answer = held.post("a", "").await;
        is_refused(&answer, 503, "not_ready");
        held.heard("finish DONE_NOT_SENT").await;
        assert_eq!(held.sent(), 0);
    });
}

#[test]
fn a_lost_request_or_answer_is_asked_again_and_nothing_happens_twice() {
    with_holds(|held| async move {
        held.plane().opens_as = Some(State::Approved);
        for name in ["open", "claim", "finish"] {
            held.plane().trouble.insert(name, [Trouble::Lost, Trouble::Unanswered].into());
        }
        let answer = held.post("a", "").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        until("it is finished", || {
            let plane = held.plane();
            (plane.heard.iter().filter(|heard| *heard == "finish DONE_ANSWERED").count() == 2).then_some(())
        })
        .await;
        assert_eq!((held.sent(), held.plane().approvals.len()), (1, 1), "one key is one hold");
    });
}

#[test]
fn what_was_judged_on_an_older_policy_is_judged_again() {
    with_holds(|mut held| async move {
        held.plane().opens_as = Some(State::Approved);
        for name in ["open", "claim"] {
            held.plane().trouble.insert(name, [Trouble::Stale].into());
        }
        let request = held.stage.request("POST /c/react/sum", "Connection: close\r\nContent-Length: 2\r\n") + "ab";
        let mut stream = held.stage.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        for revision in [3, 4] {
            let untroubled = |plane: &Plane| plane.trouble.values().filter(|left| left.is_empty()).count() as u64;
            until("it is stale", || (untroubled(&held.plane()) == revision - 2).then_some(())).await;
            held.policy(revision, HOLDS);
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("b\"ab\""), "{answer}");
        assert_eq!(held.digests()[0], held.digests()[1], "captured once");
        assert_eq!((held.sent(), held.plane().approvals.len()), (1, 1));
    });
}

#[test]
fn dp_01_without_authority_nothing_is_held_and_what_waits_is_let_go() {
    with_holds(|held| async move {
        let lost = async {
            held.the_one_that_waits().await;
            held.stage.lease(Duration::ZERO);
        };
        let (answer, ()) = tokio::join!(held.post("a", ""), lost);
        is_refused(&answer, 503, "lease_expired");
        assert!(held.is_heard("leave PENDING"));
        held.stage.lease(Duration::from_secs(15));
        held.stage.shard.shared.desk.attached(None);
        let away = held.post("b", "").await;
        is_refused(&away, 428, "approval_required");
        assert!(!away.contains("\"approval\""), "{away}");
        assert_eq!(held.sent(), 0);
    });
}

#[test]
fn dp_13_a_stopping_node_sends_its_callers_back_at_once() {
    with_holds(|held| async move {
        let stopped = async {
            held.the_one_that_waits().await;
            held.stage.shard.shared.draining.send_replace(true);
        };
        let (answer, ()) = tokio::join!(held.post("a", ""), stopped);
        is_refused(&answer, 428, "approval_required");
        assert!(answer.contains("retry-after: 5\r\n"), "{answer}");
        assert_eq!(held.plane().waiting().len(), 1, "the approval waits on");
        assert!(!held.plane().approvals.values().any(|kept| kept.is_attended));
    });
}

#[test]
fn what_was_missed_while_the_node_was_away_is_asked_for() {
    with_holds(|held| async move {
        let missed = async {
            let id = held.the_one_that_waits().await;
            until("it is noted", || (!held.steps().is_empty()).then_some(())).await;
            held.plane().approvals.get_mut(&id).unwrap().state = State::Denied;
            held.stage.shard.shared.desk.board.missed();
        };
        let (answer, ()) = tokio::join!(held.post("a", ""), missed);
        is_refused(&answer, 403, "approval_denied");
    });
}

#[test]
fn a_backend_that_cannot_be_reached_costs_no_approval() {
    with_holds(|mut held| async move {
        held.plane().opens_as = Some(State::Approved);
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        held.stage.objects[2] = object(3, "react", 3, connection(nobody, Recording::Standard));
        held.stage.publish(3);
        is_refused(&held.post("a", "").await, 502, "upstream_unreachable");
        assert!(held.is_heard("leave APPROVED") && !held.is_heard("claim"));
        assert_eq!(held.stages(), [HoldStage::Left]);
    });
}

#[test]
fn what_was_sent_and_not_answered_is_told_so() {
    with_holds(|held| async move {
        held.plane().opens_as = Some(State::Approved);
        let answer = held.stage.ask("POST /c/react/hang", "Content-Length: 0\r\n").await;
        is_refused(&answer, 504, "upstream_timeout");
        assert!(answer.contains("\"approval\":"), "it says what was spent on it: {answer}");
        held.heard("finish DONE_FAILED_AFTER_SEND").await;
    });
}

#[test]
fn who_loses_authority_after_the_claim_sends_nothing_and_says_so() {
    with_holds(|mut held| async move {
        held.plane().opens_as = Some(State::Approved);
        held.plane().trouble.insert("claim", [Trouble::Lost].into());
        let request = held.stage.request("POST /c/react/sum", "Connection: close\r\nContent-Length: 0\r\n");
        let mut stream = held.stage.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        until("a claim", || held.plane().trouble["claim"].is_empty().then_some(())).await;
        held.stage.objects[1] = object(2, "nightly", 3, identity(true));
        held.stage.publish(3);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        is_refused(&answer, 403, "identity_suspended");
        held.heard("finish DONE_NOT_SENT").await;
        assert_eq!(held.sent(), 0);
        assert!(!held.stage.kinds().contains(&Kind::Forwarded));
    });
}

#[test]
fn who_hangs_up_while_the_approval_is_claimed_sends_nothing_and_accounts_for_it() {
    with_holds(|held| async move {
        held.plane().opens_as = Some(State::Approved);
        held.plane().trouble.insert("claim", [Trouble::Lost; 100].into());
        let mut stream = held.stage.connect().await;
        stream.write_all(held.stage.request("POST /c/react/sum", "Content-Length: 0\r\n").as_bytes()).await.unwrap();
        until("a claim", || (held.plane().trouble["claim"].len() < 100).then_some(())).await;
        drop(stream);
        held.heard("finish APPROVED").await;
        held.stage.settled().await;
        assert_eq!((held.sent(), held.is_heard("claim")), (0, false));
        assert_eq!(held.stages(), [HoldStage::Released, HoldStage::Left]);
        // Who comes back can use it.
        held.plane().trouble.clear();
        held.stage.shard.shared.desk.settled().await;
        let again = held.stage.ask("POST /c/react/sum", "Content-Length: 0\r\n").await;
        assert!(again.starts_with("HTTP/1.1 200"), "{again}");
        assert_eq!((held.sent(), held.plane().approvals.len()), (1, 1));
    });
}

#[test]
fn what_was_opened_for_somebody_who_went_away_is_left() {
    with_holds(|held| async move {
        held.plane().trouble.insert("open", [Trouble::Lost; 2].into());
        let mut stream = held.stage.connect().await;
        stream.write_all(held.stage.request("POST /c/react/sum", "Content-Length: 0\r\n").as_bytes()).await.unwrap();
        until("it is asked for", || (held.plane().trouble["open"].len() < 2).then_some(())).await;
        drop(stream);
        held.heard("open PENDING").await;
        held.heard("leave PENDING").await;
        held.stage.shard.shared.desk.settled().await;
        assert!(!held.plane().approvals.values().any(|kept| kept.is_attended));
    });
}

#[test]
fn a_node_that_keeps_too_many_commands_holds_no_more() {
    with_holds(|held| async move {
        while held.stage.shard.captives.take(1) {}
        is_refused(&held.post("a", "").await, 429, "too_many_pending");
        assert!(!held.is_heard("open"));
        assert_eq!(held.stage.kinds(), [Kind::Opened, Kind::Verdict]);
        assert!(held.stage.ask("GET /c/react/ok", "").await.ends_with("hello"), "what needs nobody goes on");
    });
}
