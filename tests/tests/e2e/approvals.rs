//! Commands that wait for people: what is released runs once, exactly as it was held, and nothing else runs.

use hoop_tests::client::{Answer, Client};
use hoop_tests::cluster::Options;
use hoop_tests::issuer::Issuer;
use hoop_tests::people::{Approver, people, person, posts_wait};
use hoop_tests::poll::eventually;
use hoop_tests::stage::Stage;
use std::ops::{Deref, DerefMut};
use std::thread::JoinHandle;

/// A stage with people, whose tokens are another issuer's than the jobs'.
pub(crate) struct Staffed {
    stage: Stage,
    staff: Issuer,
}

impl Deref for Staffed {
    type Target = Stage;
    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl DerefMut for Staffed {
    fn deref_mut(&mut self) -> &mut Stage {
        &mut self.stage
    }
}

/// A stage on which POST waits for so many people.
pub(crate) fn stage_with_holds(quorum: u32) -> Staffed {
    stage_with_holds_and(quorum, &Options::default())
}

/// The same, with options.
pub(crate) fn stage_with_holds_and(quorum: u32, options: &Options<'_>) -> Staffed {
    let (stage, staff) = (Stage::set_with(options), Issuer::start());
    stage.cluster.apply_and_wait(&(people(&staff) + &posts_wait(quorum)));
    Staffed { stage, staff }
}

pub(crate) fn ann(stage: &Staffed) -> Approver<'_> {
    Approver::named(&stage.cluster, &stage.staff, "ann")
}

/// Sends a POST with more fields on a connection of its own.
fn post(stage: &Stage, body: &str, more: &[(&str, &str)]) -> Answer {
    post_with(stage.cluster.gateway(), &stage.issuer.token(), body, more).unwrap()
}

fn post_with(gateway: std::net::SocketAddr, token: &str, body: &str, more: &[(&str, &str)]) -> std::io::Result<Answer> {
    let authorization = format!("Bearer {token}");
    let fields = [&[("Authorization", authorization.as_str()), ("Content-Type", "application/json")], more].concat();
    Client::connect(gateway)?.request("POST", "/c/orders/items", &fields, Some(body.as_bytes()))
}

/// Sends a POST that waits, from another thread.
pub(crate) fn waiting_post(stage: &Stage, body: &str) -> JoinHandle<std::io::Result<Answer>> {
    let (gateway, token, body) = (stage.cluster.gateway(), stage.issuer.token(), body.to_owned());
    std::thread::spawn(move || post_with(gateway, &token, &body, &[]))
}

pub(crate) fn the_one_that_waits(approver: &Approver<'_>) -> String {
    eventually("a command waits", || {
        let waiting = approver.waiting();
        assert!(waiting.len() < 2, "{waiting:?}");
        waiting.first().map(|approval| approval["id"].as_str().unwrap().to_owned())
    })
}

/// The approval that a refusal names.
fn approval_of(answer: &Answer) -> String {
    answer.json()["approval"].as_str().unwrap_or_else(|| panic!("no approval: {answer:?}")).to_owned()
}

pub(crate) fn bodies(stage: &Stage) -> Vec<String> {
    let posts = stage.backend.seen().into_iter().filter(|seen| seen.method == "POST");
    posts.map(|seen| String::from_utf8(seen.body).unwrap()).collect()
}

#[test]
fn path_a_held_command_runs_once_when_it_is_released() {
    let stage = stage_with_holds(1);
    let job = waiting_post(&stage, r#"{"item":7}"#);
    let ann = ann(&stage);
    let id = the_one_that_waits(&ann);
    assert_eq!(stage.backend.byte_count(), 0, "I1: nothing of a held command reaches the backend");

    let shown = ann.approvals(&["show", &id]).expect_done();
    for wanted in ["POST /items", r#"{"item":7}"#, "nightly", "on-call", "posts wait for on-call", "you may vote"] {
        assert!(shown.contains(wanted), "{wanted} is not in:\n{shown}");
    }
    let _ = ann.approvals(&["approve", &id]).expect_done();
    let answer = job.join().unwrap().unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(bodies(&stage), [r#"{"item":7}"#]);
    eventually("it is known to have run", || (ann.state(&id) == "answered").then_some(()));

    // AP-05: it is spent.
    let again = post(&stage, r#"{"item":7}"#, &[("Hoop-Approval", &id), ("Prefer", "wait=0")]);
    assert_eq!((again.status, again.refusal().as_str()), (409, "approval_spent"));
    assert_eq!(bodies(&stage).len(), 1);
}

#[test]
fn a_denied_command_is_refused_and_never_runs() {
    let stage = stage_with_holds(1);
    let job = waiting_post(&stage, "{}");
    let ann = ann(&stage);
    let id = the_one_that_waits(&ann);
    let _ = ann.approvals(&["deny", &id]).expect_done();
    let answer = job.join().unwrap().unwrap();
    assert_eq!((answer.status, answer.refusal().as_str()), (403, "approval_denied"));
    assert_ne!(ann.approvals(&["approve", &id]).code, 0, "a refusal is final");
    stage.nothing_reached_the_backend();
}

/// Looks at where an approval stands, as a caller.
fn look(stage: &Stage, token: &str, location: &str) -> Answer {
    stage.send_as("GET", location, token)
}

#[test]
fn ap_11_a_caller_sees_where_its_approval_stands_and_nobody_else_does() {
    let stage = stage_with_holds(2);
    let (ann, bob) = (ann(&stage), Approver::named(&stage.cluster, &stage.staff, "bob"));
    let held = post(&stage, r#"{"secret":1}"#, &[("Prefer", "wait=0")]);
    let id = approval_of(&held);
    let location = held.field("location").unwrap().to_owned();
    assert_eq!((held.status, location.as_str()), (428, format!("/.hoop/approvals/{id}").as_str()));
    let token = stage.issuer.token();
    let stands = |state: &str, approvals: u64| {
        let answer = look(&stage, &token, &location);
        let said = answer.json();
        assert_eq!((answer.status, said["state"].as_str(), said["approval"].as_str()), (200, Some(state), Some(&*id)));
        let requirement = serde_json::json!({"team": "on-call", "quorum": 2, "approvals": approvals});
        assert_eq!(said["requirements"], serde_json::json!([requirement]));
        assert_eq!(answer.field("retry-after").is_some(), ["pending", "approved"].contains(&state));
        let keys: Vec<&String> = said.as_object().unwrap().keys().collect();
        let known = ["approval", "expires_in", "requirements", "retry_after", "state"];
        assert!(keys.iter().all(|key| known.contains(&key.as_str())), "nothing of the command: {keys:?}");
    };
    stands("pending", 0);
    let _ = ann.approvals(&["approve", &id]).expect_done();
    stands("pending", 1);
    let unknown = look(&stage, &token, &format!("/.hoop/approvals/{}", "0".repeat(32)));
    let elsewhere = look(&stage, &stage.issuer.token_for_run("nightly-2"), &location);
    for (answer, whose) in [(&unknown, "nobody's"), (&elsewhere, "another run's")] {
        assert_eq!((answer.status, answer.refusal().as_str()), (404, "approval_unknown"), "{whose}");
    }
    assert_eq!(unknown.json()["message"], elsewhere.json()["message"]);
    assert_eq!(look(&stage, &token, "/.hoop/approvals/no-id").status, 404);
    assert_eq!(look(&stage, "no.token.here", &location).status, 401);
    let _ = bob.approvals(&["approve", &id]).expect_done();
    stands("approved", 2);
    assert_eq!(post(&stage, r#"{"secret":1}"#, &[]).status, 200);
    eventually("it is known to have run", || {
        (look(&stage, &token, &location).json()["state"] == "answered").then_some(())
    });
    stands("answered", 2);
}

#[test]
fn who_comes_back_takes_the_approval_up_once() {
    let stage = stage_with_holds(1);
    let ann = ann(&stage);
    let first = post(&stage, r#"{"a":1}"#, &[("Prefer", "wait=0")]);
    assert_eq!((first.status, first.refusal().as_str()), (428, "approval_required"));
    assert!(first.field("retry-after").is_some());
    let id = approval_of(&first);

    // Sent again before anybody voted, it is the same hold.
    let still = post(&stage, r#"{"a":1}"#, &[("Prefer", "wait=0")]);
    assert_eq!((still.status, approval_of(&still)), (428, id.clone()));
    let _ = ann.approvals(&["approve", &id]).expect_done();

    // AP-01: another command is another hold, whatever approval it names.
    let other = post(&stage, r#"{"a":2}"#, &[("Prefer", "wait=0")]);
    assert_eq!(other.status, 428);
    assert_ne!(approval_of(&other), id);
    let named = post(&stage, r#"{"a":2}"#, &[("Prefer", "wait=0"), ("Hoop-Approval", &id)]);
    assert_eq!((named.status, named.refusal().as_str()), (409, "approval_mismatch"));
    assert_eq!(bodies(&stage), Vec::<String>::new());

    // Another run of the same identity is another run.
    let token = stage.issuer.token_for_run("nightly-2");
    let elsewhere = post_with(stage.cluster.gateway(), &token, r#"{"a":1}"#, &[("Prefer", "wait=0")]).unwrap();
    assert_eq!(elsewhere.status, 428);
    assert_ne!(approval_of(&elsewhere), id);

    assert_eq!(post(&stage, r#"{"a":1}"#, &[("Prefer", "wait=0")]).status, 200);
    assert_eq!(bodies(&stage), [r#"{"a":1}"#]);
    let spent = post(&stage, r#"{"a":1}"#, &[("Prefer", "wait=0")]);
    assert_eq!(spent.status, 428, "it released one execution");
    assert_ne!(approval_of(&spent), id);
    assert_eq!(bodies(&stage).len(), 1);
}

#[test]
fn hm_who_releases_a_command_sees_it_masked_and_what_runs_is_what_was_sent() {
    let stage = stage_with_holds(1);
    let body = r#"{"owner":"ada.canary@mail.example","state":"paid"}"#;
    let waiting = waiting_post(&stage, body);
    let ann = ann(&stage);
    let id = the_one_that_waits(&ann);
    let shown = ann.approvals(&["show", &id]).expect_done();
    assert!(shown.contains(r#"{"owner":"[masked:pii.email]","state":"paid"}"#), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
    let _ = ann.approvals(&["approve", &id]).expect_done();
    assert_eq!(waiting.join().unwrap().unwrap().status, 200);
    assert_eq!(stage.backend.seen()[0].body, body.as_bytes());
}

#[test]
fn ap_11_only_those_who_may_release_it_see_it_and_vote() {
    let stage = stage_with_holds(1);
    let held = post(&stage, r#"{"card":"4111111111111111"}"#, &[("Prefer", "wait=0")]);
    let id = approval_of(&held);
    let carol = Approver::named(&stage.cluster, &stage.staff, "carol");
    assert!(carol.waiting().is_empty());
    let stranger = Approver::named(&stage.cluster, &stage.staff, "dave");
    for somebody in [&carol, &stranger] {
        for arguments in [&["show", id.as_str()][..], &["approve", id.as_str()], &["deny", id.as_str()]] {
            let said = somebody.approvals(arguments);
            assert_ne!(said.code, 0, "{said:?}");
            assert!(!said.out.contains("4111"), "{said:?}");
        }
    }
    // The bootstrap token administers, it is nobody who could take responsibility.
    assert_ne!(stage.cluster.hoopctl(&["approvals", "approve", &id]).code, 0);
    let seen = stage.cluster.hoopctl(&["approvals", "show", &id]).expect_done();
    assert!(!seen.contains("4111"), "{seen}");
    // The job's own token is no person's.
    assert_ne!(stage.cluster.hoopctl_as(&stage.issuer.token(), &["approvals", "approve", &id]).code, 0);
    assert_eq!(ann(&stage).state(&id), "pending");
    stage.nothing_reached_the_backend();
}

#[test]
fn ap_10_a_quorum_is_of_different_people_who_are_still_entitled() {
    let stage = stage_with_holds(2);
    let job = waiting_post(&stage, "{}");
    let (ann, bob) = (ann(&stage), Approver::named(&stage.cluster, &stage.staff, "bob"));
    let id = the_one_that_waits(&ann);
    for _ in 0..2 {
        let _ = ann.approvals(&["approve", &id]).expect_done();
    }
    assert_eq!(ann.state(&id), "pending", "one person is one vote");
    assert_eq!(stage.backend.byte_count(), 0);
    let _ = bob.approvals(&["approve", &id]).expect_done();
    assert_eq!(job.join().unwrap().unwrap().status, 200);
    assert_eq!(bodies(&stage), ["{}"]);
}

#[test]
fn ap_10_who_leaves_the_team_takes_the_vote_along() {
    let stage = stage_with_holds(1);
    let held = post(&stage, "{}", &[("Prefer", "wait=0")]);
    let id = approval_of(&held);
    let _ = ann(&stage).approvals(&["approve", &id]).expect_done();
    stage.cluster.apply_and_wait(&person("ann", "finance"));
    let again = post(&stage, "{}", &[("Prefer", "wait=0")]);
    assert_eq!((again.status, again.refusal().as_str()), (428, "approval_required"));
    assert_eq!(bodies(&stage), Vec::<String>::new());
    let bob = Approver::named(&stage.cluster, &stage.staff, "bob");
    let _ = bob.approvals(&["approve", &id]).expect_done();
    assert_eq!(post(&stage, "{}", &[("Prefer", "wait=0")]).status, 200);
    assert_eq!(bodies(&stage), ["{}"]);
}

#[test]
fn a_policy_that_refuses_by_now_voids_the_approval() {
    let stage = stage_with_holds(1);
    let job = waiting_post(&stage, "{}");
    let ann = ann(&stage);
    let id = the_one_that_waits(&ann);
    stage.cluster.apply_and_wait(
        "apiVersion: hoop/v1\nkind: Policy\nmetadata: {name: agents-write}\nspec:\n  cedar: |\n    \
         forbid (principal, action == Hoop::Action::\"http:POST\", resource in Hoop::Connection::\"orders\");\n",
    );
    let _ = ann.approvals(&["approve", &id]);
    let answer = job.join().unwrap().unwrap();
    assert!(matches!(answer.status, 403 | 409), "{answer:?}");
    assert!(answer.field("hoop-refusal").is_some());
    assert_eq!(bodies(&stage), Vec::<String>::new());
}

#[test]
fn ap_14_a_caller_that_went_away_runs_nothing() {
    let stage = stage_with_holds(1);
    let ann = ann(&stage);
    let mut gone = std::net::TcpStream::connect(stage.cluster.gateway()).unwrap();
    let request = format!(
        "POST /c/orders/items HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}",
        stage.issuer.token()
    );
    std::io::Write::write_all(&mut gone, request.as_bytes()).unwrap();
    let id = the_one_that_waits(&ann);
    drop(gone);
    // Its next request on another connection shows that the node goes on; the approval waits for whoever comes back.
    assert_eq!(stage.send("GET", "/c/orders/1").status, 200);
    eventually("nobody keeps the command", || {
        let answer = post(&stage, "{}", &[("Prefer", "wait=0"), ("Hoop-Approval", &id)]);
        (answer.refusal() == "approval_required").then_some(())
    });
    let _ = ann.approvals(&["approve", &id]).expect_done();
    assert_eq!(ann.state(&id), "approved", "and is not used by itself");
    assert_eq!(bodies(&stage), Vec::<String>::new());
}

#[test]
fn ap_07_a_vote_that_was_acknowledged_survives_a_crash() {
    let mut stage = stage_with_holds(1);
    let id = approval_of(&post(&stage, "{}", &[("Prefer", "wait=0")]));
    let _ = ann(&stage).approvals(&["approve", &id]).expect_done();
    stage.cluster.control_process().kill();
    stage.cluster.restart_control_plane();
    stage.wait_until_allowed();
    assert_eq!(ann(&stage).state(&id), "approved");
    // The node has its lease still, and may have to attach again.
    eventually("it runs", || (post(&stage, "{}", &[("Prefer", "wait=0")]).status == 200).then_some(()));
    assert_eq!(bodies(&stage), ["{}"]);
}

#[test]
fn ap_08_a_node_that_dies_after_the_claim_leaves_it_unknown_for_a_person() {
    let mut stage = stage_with_holds(1);
    let (gateway, token) = (stage.cluster.gateway(), stage.issuer.token());
    let authorization = format!("Bearer {token}");
    let job = std::thread::spawn(move || {
        let fields = [("Authorization", authorization.as_str())];
        Client::connect(gateway).unwrap().request("POST", "/c/orders/silent", &fields, Some(b"{}"))
    });
    let id = {
        let ann = ann(&stage);
        let id = the_one_that_waits(&ann);
        let _ = ann.approvals(&["approve", &id]).expect_done();
        eventually("it was sent", || (bodies(&stage).len() == 1).then_some(()));
        assert_eq!(ann.state(&id), "claimed");
        id
    };
    stage.cluster.gateway_process().kill();
    assert!(job.join().unwrap().is_err());
    stage.cluster.start_gateway();
    stage.cluster.wait_until_ready();
    let ann = ann(&stage);
    eventually("nobody knows what became of it", || (ann.state(&id) == "unknown").then_some(()));
    assert_eq!(bodies(&stage).len(), 1, "it never runs by itself again");
    let _ = ann.approvals(&["resolve", &id, "answered"]).expect_done();
    assert_eq!(ann.state(&id), "answered");
}

#[test]
fn too_many_and_too_large_are_refused_with_their_own_reasons() {
    let stage = stage_with_holds(1);
    let large = post(&stage, &"x".repeat(100 << 10), &[("Prefer", "wait=0")]);
    assert_eq!((large.status, large.refusal().as_str()), (413, "too_large_to_review"));
    for number in 0..5 {
        assert_eq!(post(&stage, &format!("{{\"n\":{number}}}"), &[("Prefer", "wait=0")]).status, 428);
    }
    let sixth = post(&stage, "{\"n\":5}", &[("Prefer", "wait=0")]);
    assert_eq!((sixth.status, sixth.refusal().as_str()), (429, "too_many_pending"));
    assert_eq!(bodies(&stage), Vec::<String>::new());
}
