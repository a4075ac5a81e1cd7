//! One rule of `apply` per test.

use super::support::*;
use crate::*;
use hoop_model::{ContentHash, Kind, Revision, Uid, UnixMillis};

fn rejected(state: &mut State, index: u64, change: Change) -> Rejection {
    let before = state.clone();
    let time = state.log_time().0;
    let (reply, notices) = state.apply(index, proposal(time, change));
    assert_eq!(*state, before, "a rejection changed something");
    assert!(notices.is_empty());
    match reply {
        Reply::Rejected(rejection) => rejection,
        reply @ (Reply::Done { .. }
        | Reply::Applied { .. }
        | Reply::Joined { .. }
        | Reply::Anchored { .. }
        | Reply::Approval(_)) => {
            panic!("not rejected: {reply:?}")
        }
    }
}

fn applied(state: &mut State, index: u64, objects: Vec<NewObject>) -> Vec<(Outcome, u64, Revision)> {
    let change = apply(state.revision(), objects);
    match state.apply(index, proposal(0, change)).0 {
        Reply::Applied { objects, revision } => {
            assert_eq!(revision, state.revision());
            objects.into_iter().map(|o| (o.outcome, o.metadata.generation, o.metadata.revision)).collect()
        }
        reply @ (Reply::Done { .. }
        | Reply::Joined { .. }
        | Reply::Anchored { .. }
        | Reply::Approval(_)
        | Reply::Rejected(_)) => {
            panic!("not applied: {reply:?}")
        }
    }
}

#[test]
fn a_cluster_is_born_once_and_first() {
    let mut state = State::default();
    assert_eq!(state.cluster_version(), 0);
    for change in [Change::Tick, apply(Revision::default(), vec![]), mint(1, HOUR), spend(1, "a")] {
        assert_eq!(rejected(&mut state, 1, change), Rejection::NotBorn);
    }
    let mut state = born();
    assert_eq!((state.cluster_version(), state.revision()), (CLUSTER_VERSION, Revision { epoch: 1, index: 1 }));
    assert_eq!(rejected(&mut state, 2, bootstrap()), Rejection::AlreadyBorn);
}

#[test]
fn log_time_is_the_latest_proposed_and_never_goes_back() {
    let mut state = born();
    state.apply(2, proposal(9_000, Change::Tick));
    state.apply(3, proposal(4_000, Change::Tick));
    assert_eq!(state.log_time(), UnixMillis(9_000));
    // A rejected proposal carries time as well.
    state.apply(4, proposal(9_500, bootstrap()));
    assert_eq!(state.log_time(), UnixMillis(9_500));
}

#[test]
fn an_unchanged_spec_keeps_generation_and_revision() {
    let mut state = born();
    let at = |index| Revision { epoch: 1, index };
    assert_eq!(applied(&mut state, 2, vec![object("p", policy("a"), 7)]), [(Outcome::Created, 1, at(2))]);
    assert_eq!(applied(&mut state, 3, vec![object("p", policy("a"), 8)]), [(Outcome::Unchanged, 1, at(2))]);
    assert_eq!(state.revision(), at(2), "nothing changed, so the revision stays");
    let both = vec![object("p", policy("a"), 9), object("q", policy("a"), 10)];
    assert_eq!(applied(&mut state, 4, both), [(Outcome::Unchanged, 1, at(2)), (Outcome::Created, 1, at(4))]);
    assert_eq!(applied(&mut state, 5, vec![object("p", policy("b"), 11)]), [(Outcome::Changed, 2, at(5))]);
    let uid = state.object(Kind::Policy, &name("p")).unwrap().metadata.uid;
    assert_eq!(uid, hoop_model::Uid::mint(7), "a changed object keeps its uid");
}

#[test]
fn a_change_judged_at_another_revision_is_rejected() {
    let mut state = born();
    let stale = state.revision();
    applied(&mut state, 2, vec![object("p", policy("a"), 7)]);
    let moved = Rejection::BaseMoved { base: stale, current: state.revision() };
    assert_eq!(rejected(&mut state, 3, apply(stale, vec![object("q", policy("a"), 8)])), moved);
    assert_eq!(rejected(&mut state, 3, delete(stale, reference(Kind::Policy, "p"))), moved);
    // Two proposals of one log entry cannot share a revision.
    let current = state.revision();
    let again = apply(current, vec![object("q", policy("a"), 8)]);
    assert_eq!(rejected(&mut state, 2, again), Rejection::BaseMoved { base: current, current });
}

#[test]
fn preconditions_hold_or_nothing_changes() {
    let mut state = born();
    applied(&mut state, 2, vec![object("p", policy("a"), 7)]);
    let p = reference(Kind::Policy, "p");
    let with = |text: &str, precondition| NewObject { precondition, ..object(text, policy("b"), 9) };
    let found = state.revision();
    let other = Revision { epoch: 1, index: 1 };
    let cases = [
        (with("p", Precondition::Absent), Rejection::Exists(p.clone())),
        (with("p", Precondition::At(other)), Rejection::RevisionDiffers { object: p.clone(), found }),
        (with("q", Precondition::At(found)), Rejection::NotFound(reference(Kind::Policy, "q"))),
    ];
    for (object, reason) in cases {
        let good = with("new", Precondition::Absent);
        let change = apply(found, vec![good, object]);
        assert_eq!(rejected(&mut state, 3, change), reason);
    }
    applied(&mut state, 3, vec![with("p", Precondition::At(found)), with("q", Precondition::Absent)]);
}

#[test]
fn an_object_given_twice_is_rejected() {
    let mut state = born();
    let twice = apply(state.revision(), vec![object("p", policy("a"), 7), object("p", policy("b"), 8)]);
    assert_eq!(rejected(&mut state, 2, twice), Rejection::GivenTwice(reference(Kind::Policy, "p")));
}

#[test]
fn what_an_object_names_exists_after_the_change() {
    let mut state = born();
    let bot = reference(Kind::Identity, "bot");
    let ci = reference(Kind::Issuer, "ci");
    let alone = apply(state.revision(), vec![object("bot", identity("ci", "ops"), 7)]);
    let dangling = Rejection::Dangling { object: bot.clone(), missing: ci.clone() };
    assert_eq!(rejected(&mut state, 2, alone), dangling);
    let names = |target: &Reference| NewObject { references: [target.clone()].into(), ..object("p", policy("a"), 9) };
    let missing = apply(state.revision(), vec![names(&bot)]);
    let dangling = Rejection::Dangling { object: reference(Kind::Policy, "p"), missing: bot.clone() };
    assert_eq!(rejected(&mut state, 2, missing), dangling);
    // In any order, within one change.
    let issuer = object("ci", issuer("https://ci.test"), 8);
    applied(&mut state, 2, vec![names(&bot), object("bot", identity("ci", "ops"), 7), issuer]);

    let base = state.revision();
    let by = reference(Kind::Policy, "p");
    let refused = Rejection::Referenced { object: ci.clone(), by: bot.clone() };
    assert_eq!(rejected(&mut state, 3, delete(base, ci.clone())), refused);
    assert_eq!(rejected(&mut state, 3, delete(base, bot.clone())), Rejection::Referenced { object: bot.clone(), by });
    for (index, target) in [(3, reference(Kind::Policy, "p")), (4, bot), (5, ci.clone())] {
        let change = delete(state.revision(), target);
        state.apply(index, proposal(0, change));
        assert_eq!(state.revision().index, index);
    }
    assert_eq!(rejected(&mut state, 6, delete(Revision { epoch: 1, index: 5 }, ci.clone())), Rejection::NotFound(ci));
}

#[test]
fn a_join_token_admits_one_node_once() {
    let mut state = born();
    let revision = state.revision();
    state.apply(2, proposal(1_000, mint(1, HOUR)));
    assert_eq!(rejected(&mut state, 3, mint(1, HOUR)), Rejection::JoinTokenExists);
    assert_eq!(rejected(&mut state, 3, spend(9, "a")), Rejection::JoinTokenUnknown);
    let (reply, notices) = state.apply(3, proposal(2_000, spend(1, "a")));
    let node = state.node(&name("a")).unwrap().clone();
    assert_eq!(reply, Reply::Joined { uid: node.uid, role: Role::DataPlane, labels: node.labels });
    assert_eq!(notices, vec![Notice::NodeJoined { node: name("a"), at: UnixMillis(2_000) }]);
    assert_eq!(rejected(&mut state, 4, spend(1, "b")), Rejection::JoinTokenUnknown);
    // A refusal for the name leaves the token.
    state.apply(4, proposal(2_000, mint(2, HOUR)));
    assert_eq!(rejected(&mut state, 5, spend(2, "a")), Rejection::NodeNameTaken(name("a")));
    assert!(matches!(state.apply(5, proposal(2_000, spend(2, "b"))).0, Reply::Joined { .. }));
    assert_eq!(state.revision(), revision, "joining is not policy");
}

#[test]
fn a_join_token_expires_by_log_time() {
    let mut state = born();
    assert_eq!(rejected(&mut state, 2, mint(1, 1_000)), Rejection::JoinTokenLifetime);
    assert_eq!(rejected(&mut state, 2, mint(1, 1_001 + 24 * HOUR)), Rejection::JoinTokenLifetime);
    state.apply(2, proposal(1_000, mint(1, 5_000)));
    state.apply(3, proposal(1_000, mint(2, 5_001)));
    // The proposer's own time is not what counts.
    state.apply(4, proposal(5_000, Change::Tick));
    let (reply, _) = state.apply(5, proposal(1_000, spend(1, "a")));
    assert_eq!(reply, Reply::Rejected(Rejection::JoinTokenExpired));
    assert!(matches!(state.apply(6, proposal(1_000, spend(2, "a"))).0, Reply::Joined { .. }));
}

#[test]
fn a_node_joins_again_as_who_it_is_with_a_token_that_is_for_it() {
    let mut state = born();
    state.apply(2, proposal(1_000, mint(1, HOUR)));
    state.apply(2, proposal(1_000, spend(1, "a")));
    let node = state.node(&name("a")).unwrap().clone();
    assert_eq!(rejected(&mut state, 3, mint_again(2, "b", HOUR)), Rejection::NodeUnknown(name("b")));
    state.apply(3, proposal(1_000, mint_again(2, "a", HOUR)));
    assert_eq!(restored(&state), state);
    let spend_as = |node: &str, uid| {
        let (token_hash, node_uid) = (ContentHash([2; 32]), Uid::mint(uid));
        Change::SpendJoinToken(SpendJoinToken { token_hash, role: Role::DataPlane, node: name(node), node_uid })
    };
    for (other, uid) in [("b", 1), ("b", 2), ("a", 2)] {
        assert_eq!(rejected(&mut state, 4, spend_as(other, uid)), Rejection::JoinTokenNode, "{other} {uid}");
    }
    let (reply, _) = state.apply(4, proposal(9_000, spend_as("a", 1)));
    assert_eq!(reply, Reply::Joined { uid: node.uid, role: node.role, labels: node.labels.clone() });
    assert_eq!(state.node(&name("a")), Some(&node), "nothing of it is another");
    assert_eq!(rejected(&mut state, 5, spend_as("a", 1)), Rejection::JoinTokenUnknown);

    state.apply(5, proposal(9_000, mint_again(3, "a", HOUR)));
    state.apply(5, proposal(9_000, remove("a", 1, false)));
    assert_eq!(state.join_tokens().count(), 0, "no token is left that would bring it back");
}

#[test]
fn a_removed_node_is_gone_its_name_is_free_and_it_is_remembered_for_two_hours() {
    let mut state = born();
    for (token, node) in [(1, "a"), (2, "b")] {
        state.apply(2, proposal(1_000, mint(token, HOUR)));
        state.apply(2, proposal(1_000, spend(token, node)));
    }
    let unknown = Rejection::NodeUnknown(name("a"));
    assert_eq!(rejected(&mut state, 3, remove("a", 2, true)), unknown, "another one of its name is not meant");
    let revision = state.revision();
    let (reply, notices) = state.apply(3, proposal(5_000, remove("a", 1, false)));
    assert_eq!(reply, Reply::Done { revision });
    assert_eq!(notices, [Notice::NodeRemoved { node: name("a"), at: UnixMillis(5_000) }]);
    assert_eq!(state.nodes().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(rejected(&mut state, 4, remove("a", 1, true)), unknown);

    state.apply(4, proposal(6_000, mint(3, HOUR)));
    state.apply(4, proposal(6_000, spend(3, "a")));
    assert_eq!(state.node(&name("a")).unwrap().uid, Uid::mint(3));
    assert_eq!(rejected(&mut state, 5, remove("a", 1, true)), unknown);
    let removal = Removed { name: name("a"), uid: Uid::mint(1), at: UnixMillis(5_000) };
    assert_eq!(state.removed_nodes().collect::<Vec<_>>(), [&removal]);
    assert_eq!(restored(&state), state);
    let twice = Contents { removed_nodes: vec![removal.clone(), removal.clone()], ..contents(&state) };
    assert_eq!(State::restore(twice), Err(Inconsistent::Removed(name("a"))));
    let to_come = Removed { at: UnixMillis(6_001), ..removal };
    let to_come = Contents { removed_nodes: vec![to_come], ..contents(&state) };
    assert_eq!(State::restore(to_come), Err(Inconsistent::Removed(name("a"))));

    let over = 5_000 + u64::try_from(REMOVAL_KNOWN_FOR.as_millis()).unwrap();
    state.apply(6, proposal(over - 1, Change::Tick));
    assert_eq!(state.removed_nodes().count(), 1);
    state.apply(6, proposal(over, Change::Tick));
    assert_eq!(state.removed_nodes().count(), 0);
}

#[test]
fn join_tokens_are_bounded_and_expired_ones_make_room() {
    let mut state = born();
    let token = |number: usize, expires| {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        let (token_hash, expires) = (hoop_model::ContentHash(hash), UnixMillis(expires));
        let labels = hoop_model::spec::Labels::new();
        Change::MintJoinToken(MintJoinToken { token_hash, role: Role::DataPlane, labels, again: None, expires })
    };
    for number in 0..MAX_JOIN_TOKENS {
        state.apply(2, proposal(1_000, token(number, HOUR)));
    }
    assert_eq!(state.join_tokens().count(), MAX_JOIN_TOKENS);
    assert_eq!(rejected(&mut state, 3, token(MAX_JOIN_TOKENS, HOUR)), Rejection::TooManyJoinTokens);
    state.apply(3, proposal(HOUR, token(MAX_JOIN_TOKENS, 2 * HOUR)));
    assert_eq!(state.join_tokens().count(), 1);
}

#[test]
fn a_key_is_the_callers_own_and_of_one_request() {
    let mut state = born();
    let change = apply(state.revision(), vec![object("p", policy("a"), 7)]);
    let (first, notices) = state.apply(2, keyed(1_000, 1, "alice", change));
    assert_eq!(notices.len(), 1);
    // The repeat draws another uid and base, and gets the same reply.
    let after = state.clone();
    let repeat = apply(state.revision(), vec![object("p", policy("a"), 8)]);
    assert_eq!(state.apply(3, keyed(1_000, 1, "alice", repeat)), (first.clone(), vec![]));
    let other = apply(state.revision(), vec![object("p", policy("b"), 8)]);
    let reused = Reply::Rejected(Rejection::KeyReused);
    assert_eq!(state.apply(4, keyed(1_000, 1, "alice", other.clone())).0, reused);
    assert_eq!(state, after);
    // Another caller's key is another key.
    assert!(matches!(state.apply(5, keyed(1_000, 1, "bob", other)).0, Reply::Applied { .. }));
}

#[test]
fn a_key_is_forgotten_after_a_day_of_log_time() {
    let mut state = born();
    let day = 24 * HOUR;
    state.apply(2, keyed(1_000, 1, "alice", Change::Tick));
    let change = |state: &State| apply(state.revision(), vec![object("p", policy("a"), 7)]);
    let early = change(&state);
    assert_eq!(state.apply(3, keyed(999 + day, 1, "alice", early)).0, Reply::Rejected(Rejection::KeyReused));
    let late = change(&state);
    assert!(matches!(state.apply(4, keyed(1_000 + day, 1, "alice", late)).0, Reply::Applied { .. }));
}

#[test]
fn a_rejection_is_not_remembered() {
    let mut state = born();
    let wrong = apply(Revision::default(), vec![object("p", policy("a"), 7)]);
    assert!(matches!(state.apply(2, keyed(1_000, 1, "alice", wrong)).0, Reply::Rejected(_)));
    let right = apply(state.revision(), vec![object("p", policy("a"), 7)]);
    assert!(matches!(state.apply(3, keyed(1_000, 1, "alice", right)).0, Reply::Applied { .. }));
}

#[test]
fn a_minted_token_has_no_repeat() {
    let mut state = born();
    state.apply(2, keyed(1_000, 1, "alice", mint(1, HOUR)));
    let reused = Reply::Rejected(Rejection::KeyReused);
    assert_eq!(state.apply(3, keyed(1_000, 1, "alice", mint(2, HOUR))).0, reused);
}

#[test]
fn keys_are_bounded_and_a_full_memory_refuses() {
    let mut state = born();
    let full = |number: usize, caller: &str| {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&number.to_be_bytes());
        Proposal { key: Some(IdempotencyKey(key)), ..keyed(1_000, 0, caller, Change::Tick) }
    };
    for number in 0..MAX_KEYS_PER_CALLER {
        state.apply(2, full(number, "alice"));
    }
    let refused = Reply::Rejected(Rejection::TooManyKeys);
    assert_eq!(state.apply(2, full(MAX_KEYS_PER_CALLER, "alice")).0, refused);
    assert!(matches!(state.apply(2, full(0, "alice")).0, Reply::Done { .. }), "a known key still answers");
    for number in 0..MAX_KEYS - MAX_KEYS_PER_CALLER {
        assert!(matches!(state.apply(2, full(number, "bob")).0, Reply::Done { .. }));
    }
    assert_eq!(state.apply(2, full(0, "carol")).0, refused);
    for others in ["node/a", "person/1"] {
        assert!(matches!(state.apply(2, full(0, others)).0, Reply::Done { .. }), "{others} has room of its own");
    }
}

#[test]
fn holds_of_nodes_are_forgotten_after_an_hour_and_take_no_room_from_administrators() {
    let mut state = born();
    let key = |number: usize| {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&number.to_be_bytes());
        Some(IdempotencyKey(key))
    };
    let at = |time, number, caller| Proposal { key: key(number), ..keyed(time, 0, caller, Change::Tick) };
    for number in 0..MAX_KEYS {
        let caller = if number % 2 == 0 { "node/a" } else { "node/b" };
        assert!(matches!(state.apply(2, at(1_000, number, caller)).0, Reply::Done { .. }));
    }
    assert_eq!(state.apply(2, at(1_000, 0, "node/c")).0, Reply::Rejected(Rejection::TooManyKeys));
    assert!(matches!(state.apply(2, at(1_000, 0, "administrator")).0, Reply::Done { .. }));
    let hour = u64::try_from(NODES_REMEMBERED_FOR.as_millis()).unwrap();
    state.apply(3, proposal(1_000 + hour, Change::Tick));
    let remembered: Vec<&str> = state.remembered().map(|(caller, ..)| caller).collect();
    assert_eq!(remembered, ["administrator"]);
    assert!(matches!(state.apply(4, at(1_000 + hour, 0, "node/c")).0, Reply::Done { .. }));
}

#[test]
fn contents_of_no_state_are_refused() {
    let empty = || Contents {
        longest_stale: std::time::Duration::ZERO,
        cluster_version: 1,
        revision: Revision::default(),
        log_time: UnixMillis(0),
        birth: born().birth().cloned(),
        objects: vec![],
        join_tokens: vec![],
        nodes: vec![],
        removed_nodes: vec![],
        remembered: vec![],
        evidence: contents(&State::default()).evidence,
        approvals: vec![],
        sign_ins: vec![],
        sealed_values: Vec::new(),
        bootstrap_spent: false,
        admin_sessions: vec![],
        recoveries: vec![],
    };
    assert!(State::restore(empty()).is_ok());
    assert_eq!(State::restore(Contents { cluster_version: 2, ..empty() }), Err(Inconsistent::TooNew(2)));
    assert_eq!(State::restore(Contents { birth: None, ..empty() }), Err(Inconsistent::Birth));
    assert_eq!(State::restore(Contents { cluster_version: 0, ..empty() }), Err(Inconsistent::Birth));
    let mut state = born();
    let both = vec![object("ci", issuer("https://ci.test"), 1), object("bot", identity("ci", "ops"), 2)];
    applied(&mut state, 2, both);
    let stored: Vec<_> = state.stored_objects().cloned().collect();
    let twice = [stored.clone(), stored.clone()].concat();
    let found = State::restore(Contents { objects: twice, ..empty() });
    assert_eq!(found, Err(Inconsistent::ObjectTwice(reference(Kind::Issuer, "ci"))));
    let alone = State::restore(Contents { objects: stored[1..].to_vec(), ..empty() });
    assert!(matches!(alone, Err(Inconsistent::Dangling { .. })));
}

#[test]
fn a_window_that_was_ever_applied_counts_for_who_may_not_have_heard_of_its_end() {
    use hoop_model::Spec;
    use hoop_model::spec::{Access, Connection, Stale};
    let stale = |seconds| {
        let Spec::Connection(plain) = connection("https://a.test") else { panic!("not a connection") };
        let stale = Stale::Serve(std::time::Duration::from_secs(seconds));
        Spec::Connection(Connection { access: Access::Read, stale, ..plain })
    };
    let mut state = born();
    let windows = [connection("https://a.test"), stale(60), stale(30), connection("https://a.test")];
    let known = windows.into_iter().zip(2..).map(|(spec, index)| {
        let _ = applied(&mut state, index, vec![object("a", spec, 1)]);
        assert_eq!(restored(&state), state);
        state.longest_stale().as_secs()
    });
    assert_eq!(known.collect::<Vec<_>>(), [0, 60, 60, 60]);
    let _ = applied(&mut state, 6, vec![object("a", stale(30), 1)]);
    let forgotten = Contents { longest_stale: std::time::Duration::ZERO, ..contents(&state) };
    assert_eq!(State::restore(forgotten).unwrap().longest_stale().as_secs(), 30, "a connection has it");
}
