//! One-time tokens are used up once, by log time, whatever is proposed and however often.

use super::support::{born, proposal, restored};
use crate::{
    Change, MAX_ADMIN_SESSION, MAX_ADMIN_SESSIONS, MAX_RECOVERY, OneTime, OpenAdminSession, Rejection, Reply, State,
};
use hoop_model::{ContentHash, UnixMillis};

const NOW: u64 = 100_000;

fn first() -> OneTime {
    OneTime::Bootstrap { token_hash: ContentHash([3; 32]) }
}

fn recovery(id: u8, expires: u64) -> OneTime {
    OneTime::Recovery { id: [id; 16], expires: UnixMillis(expires) }
}

fn open(state: &mut State, now: u64, with: OneTime, session: u8, expires: u64) -> Result<(), Rejection> {
    let change = OpenAdminSession { with, session_hash: ContentHash([session; 32]), expires: UnixMillis(expires) };
    let before = state.clone();
    let (reply, notices) = state.apply(9, proposal(now, Change::OpenAdminSession(change)));
    assert_eq!(notices, []);
    assert_eq!(&restored(state), state);
    match reply.clone() {
        Reply::Done { .. } => Ok(()),
        Reply::Rejected(rejection) => {
            assert_eq!(state.is_bootstrap_spent(), before.is_bootstrap_spent(), "a refused attempt uses nothing up");
            Err(rejection)
        }
        Reply::Applied { .. } | Reply::Joined { .. } | Reply::Anchored { .. } | Reply::Approval(_) => {
            panic!("{reply:?}")
        }
    }
}

fn is_open(state: &State, session: u8, now: u64) -> bool {
    state.admin_session(&ContentHash([session; 32]), UnixMillis(now)).is_some()
}

#[test]
fn the_first_token_opens_one_session_that_ends_by_log_time() {
    let mut state = born();
    let wrong = OneTime::Bootstrap { token_hash: ContentHash([4; 32]) };
    assert_eq!(open(&mut state, NOW, wrong, 1, NOW + 5), Err(Rejection::OneTimeUnknown));
    let longest = NOW + u64::try_from(MAX_ADMIN_SESSION.as_millis()).unwrap();
    for expires in [NOW, NOW - 1, longest + 1] {
        assert_eq!(open(&mut state, NOW, first(), 1, expires), Err(Rejection::AdminSessionLifetime), "{expires}");
    }
    assert_eq!(open(&mut state, NOW, first(), 1, NOW + 500), Ok(()));
    assert_eq!(open(&mut state, NOW, first(), 2, NOW + 500), Err(Rejection::OneTimeSpent));
    assert!(is_open(&state, 1, NOW + 499) && !is_open(&state, 1, NOW + 500) && !is_open(&state, 2, NOW));
    state.apply(10, proposal(NOW + 500, Change::Tick));
    assert!(!is_open(&state, 1, NOW), "a clock that is behind log time opens nothing again");
    assert_eq!(open(&mut state, NOW + 900, first(), 3, NOW + 950), Err(Rejection::OneTimeSpent), "for ever");
}

#[test]
fn a_token_for_recovery_is_used_up_for_as_long_as_it_would_be_good() {
    let mut state = born();
    let most = NOW + u64::try_from(MAX_RECOVERY.as_millis()).unwrap();
    assert_eq!(open(&mut state, NOW, recovery(1, most + 1), 1, NOW + 5), Err(Rejection::OneTimeUnknown));
    assert_eq!(open(&mut state, NOW, recovery(1, NOW), 1, NOW + 5), Err(Rejection::RecoveryExpired));
    assert_eq!(open(&mut state, NOW, recovery(1, NOW + 50), 1, NOW + 500), Ok(()));
    assert_eq!(open(&mut state, NOW + 49, recovery(1, NOW + 50), 2, NOW + 500), Err(Rejection::OneTimeSpent));
    assert_eq!(open(&mut state, NOW + 50, recovery(1, NOW + 50), 2, NOW + 500), Err(Rejection::RecoveryExpired));
    assert_eq!(open(&mut state, NOW + 60, recovery(2, NOW + 90), 1, NOW + 500), Err(Rejection::AdminSessionExists));
    assert_eq!(open(&mut state, NOW + 60, recovery(2, NOW + 90), 2, NOW + 500), Ok(()));
    assert_eq!(state.recoveries().map(|(id, _)| id[0]).collect::<Vec<_>>(), [2], "the others are void by themselves");
    assert!(!state.is_bootstrap_spent());
}

#[test]
fn sessions_are_bounded_and_ended_ones_make_room() {
    let mut state = born();
    for id in 0..u8::try_from(MAX_ADMIN_SESSIONS).unwrap() {
        assert_eq!(open(&mut state, NOW, recovery(id, NOW + 50), id, NOW + 500), Ok(()));
    }
    assert_eq!(open(&mut state, NOW, recovery(200, NOW + 50), 200, NOW + 500), Err(Rejection::TooManyAdminSessions));
    let (reply, _) = state.apply(10, proposal(NOW, Change::EndAdminSession { session_hash: ContentHash([7; 32]) }));
    assert!(matches!(reply, Reply::Done { .. }) && !is_open(&state, 7, NOW));
    assert_eq!(open(&mut state, NOW, recovery(200, NOW + 50), 200, NOW + 500), Ok(()));
    assert_eq!(open(&mut state, NOW + 500, recovery(201, NOW + 550), 201, NOW + 999), Ok(()));
    assert_eq!(state.admin_sessions().count(), 1);
}
