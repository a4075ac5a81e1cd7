//! One rule of secrets per test.

use super::support::*;
use crate::*;
use hoop_model::spec::{Connection, Credential, CredentialForm, Origin, Secret, SecretSource};
use hoop_model::{ContentHash, Kind, Revision, Spec, Uid, UnixMillis};

const VAULT: Uid = Uid::mint(40);

pub(crate) fn secret(source: SecretSource) -> Spec {
    Spec::Secret(Secret { source, sent_to: vec![Origin::parse("https://a.test").unwrap()] })
}

fn elsewhere() -> Spec {
    secret(SecretSource::Env("HOOP_SECRET_A".into()))
}

pub(crate) fn using(secret: &str, form: CredentialForm) -> Spec {
    let Spec::Connection(plain) = connection("https://a.test") else { panic!("not a connection") };
    let credential = Credential { secret: name(secret), form };
    Spec::Connection(Connection { credential: Some(credential), ..plain })
}

pub(crate) fn setting(generation: u64, value: u8, base: Revision) -> Change {
    Change::SetSecret(set_secret(generation, value, base))
}

fn set_secret(generation: u64, value: u8, base: Revision) -> SetSecret {
    let (sealed, value_mac) = (vec![value; 40].into(), ContentHash([value; 32]));
    SetSecret { name: name("vault"), generation, sealed, value_mac, base }
}

/// A cluster with one sealed secret that has no value yet.
struct Case {
    state: State,
    index: u64,
}

impl Case {
    fn begun() -> Self {
        let mut case = Self { state: born(), index: 1 };
        let reply = case.objects(vec![object("vault", secret(SecretSource::Sealed), 40)]);
        assert!(matches!(reply, Reply::Applied { .. }), "{reply:?}");
        case
    }

    fn propose(&mut self, proposal: Proposal) -> Reply {
        self.index += 1;
        let before = self.state.revision();
        let (reply, notices) = self.state.apply(self.index, proposal);
        let revision = self.state.revision();
        let moved = vec![Notice::RevisionMoved { base: before, revision }];
        assert_eq!(notices, if revision == before { Vec::new() } else { moved });
        assert_eq!(restored(&self.state), self.state);
        reply
    }

    fn objects(&mut self, objects: Vec<NewObject>) -> Reply {
        let change = apply(self.state.revision(), objects);
        self.propose(proposal(5_000, change))
    }

    fn setting(&self, generation: u64, value: u8) -> SetSecret {
        set_secret(generation, value, self.state.revision())
    }

    fn set(&mut self, set: SetSecret) -> Reply {
        self.propose(proposal(9_000, Change::SetSecret(set)))
    }

    fn generation(&self) -> u64 {
        self.state.object(Kind::Secret, &name("vault")).unwrap().metadata.generation
    }
}

#[test]
fn a_value_is_the_next_generation_of_its_secret_and_a_new_revision() {
    let mut case = Case::begun();
    assert_eq!(case.state.sealed_value(VAULT), None);
    for generation in [2, 3] {
        let before = case.state.revision();
        let reply = case.set(case.setting(generation, 7));
        let revision = Revision { epoch: 1, index: case.index };
        let Reply::Applied { objects, revision: said } = reply else { panic!("{reply:?}") };
        assert!(said == revision && revision > before);
        let metadata = &case.state.object(Kind::Secret, &name("vault")).unwrap().metadata;
        assert_eq!((metadata.generation, metadata.revision, metadata.uid), (generation, revision, VAULT));
        assert_eq!(
            objects,
            [AppliedObject { kind: Kind::Secret, metadata: metadata.clone(), outcome: Outcome::Changed }]
        );
        let value = case.state.sealed_value(VAULT).unwrap();
        assert_eq!(*value, SealedValue { generation, sealed: vec![7; 40].into(), at: UnixMillis(9_000) });
    }
    assert_eq!(case.state.sealed_values().count(), 1);
}

#[test]
fn a_value_that_does_not_fit_is_rejected_and_changes_nothing() {
    let mut case = Case::begun();
    case.objects(vec![object("file", elsewhere(), 41)]);
    let target = |text: &str| reference(Kind::Secret, text);
    let good = case.setting(2, 1);
    let larger = vec![0; MAX_SEALED_BYTES + 1].into();
    let stale = Revision { epoch: 1, index: 1 };
    for (set, why) in [
        (SetSecret { name: name("gone"), ..good.clone() }, Rejection::NotFound(target("gone"))),
        (SetSecret { name: name("file"), ..good.clone() }, Rejection::NotSealed(target("file"))),
        (
            SetSecret { generation: 1, ..good.clone() },
            Rejection::GenerationDiffers { object: target("vault"), found: 1 },
        ),
        (
            SetSecret { generation: 3, ..good.clone() },
            Rejection::GenerationDiffers { object: target("vault"), found: 1 },
        ),
        (SetSecret { sealed: larger, ..good.clone() }, Rejection::ValueTooLarge),
        (
            SetSecret { base: stale, ..good.clone() },
            Rejection::BaseMoved { base: stale, current: case.state.revision() },
        ),
    ] {
        let (before, index) = (case.state.clone(), case.index + 1);
        let reply = case.state.apply(index, proposal(5_000, Change::SetSecret(set))).0;
        assert_eq!((reply, &case.state), (Reply::Rejected(why), &before));
    }
    let largest = SetSecret { sealed: vec![0; MAX_SEALED_BYTES].into(), ..good };
    assert!(matches!(case.set(largest), Reply::Applied { .. }));
}

#[test]
fn a_value_stays_while_its_secret_is_sealed_and_no_longer() {
    let mut case = Case::begun();
    case.set(case.setting(2, 1));
    let wider = ["https://a.test", "https://b.test"].map(|origin| Origin::parse(origin).unwrap());
    let wider = Spec::Secret(Secret { source: SecretSource::Sealed, sent_to: wider.into() });
    case.objects(vec![object("vault", wider, 0)]);
    assert_eq!((case.generation(), case.state.sealed_value(VAULT).map(|value| value.generation)), (3, Some(2)));
    case.objects(vec![object("vault", elsewhere(), 0)]);
    assert_eq!(case.state.sealed_value(VAULT), None);
    case.objects(vec![object("vault", secret(SecretSource::Sealed), 0)]);
    assert_eq!(case.state.sealed_value(VAULT), None, "what was forgotten does not come back");
    case.set(case.setting(6, 2));
    let change = delete(case.state.revision(), reference(Kind::Secret, "vault"));
    case.propose(proposal(5_000, change));
    assert_eq!(case.state.sealed_values().count(), 0);
}

#[test]
fn a_secret_that_a_connection_names_must_be_there_and_stays() {
    let mut case = Case::begun();
    let (react, vault) = (reference(Kind::Connection, "react"), reference(Kind::Secret, "vault"));
    let missing = reference(Kind::Secret, "gone");
    let reply = case.objects(vec![object("react", using("gone", CredentialForm::Bearer), 50)]);
    assert_eq!(reply, Reply::Rejected(Rejection::Dangling { object: react.clone(), missing }));
    case.objects(vec![object("react", using("vault", CredentialForm::Bearer), 50)]);
    let deleting = delete(case.state.revision(), vault.clone());
    let reply = case.propose(proposal(5_000, deleting));
    assert_eq!(reply, Reply::Rejected(Rejection::Referenced { object: vault.clone(), by: react }));
    case.objects(vec![object("react", connection("https://a.test"), 50)]);
    let deleting = delete(case.state.revision(), vault);
    assert!(matches!(case.propose(proposal(5_000, deleting)), Reply::Done { .. }));
}

#[test]
fn a_repeated_request_sets_nothing_again_and_another_value_is_another_request() {
    let mut case = Case::begun();
    let first = case.propose(keyed(5_000, 1, "admin", Change::SetSecret(case.setting(2, 1))));
    let resealed =
        SetSecret { sealed: vec![9; 40].into(), base: Revision::default(), generation: 0, ..case.setting(2, 1) };
    assert_eq!(case.propose(keyed(6_000, 1, "admin", Change::SetSecret(resealed))), first);
    assert_eq!((case.generation(), &*case.state.sealed_value(VAULT).unwrap().sealed), (2, &[1; 40][..]));
    let other = keyed(6_000, 1, "admin", Change::SetSecret(case.setting(3, 2)));
    assert_eq!(case.propose(other), Reply::Rejected(Rejection::KeyReused));
}

#[test]
fn values_of_no_sealed_secret_are_no_state() {
    let mut case = Case::begun();
    case.set(case.setting(2, 1));
    case.objects(vec![object("file", elsewhere(), 41)]);
    let value = case.state.sealed_value(VAULT).unwrap().clone();
    let with = |sealed_values| State::restore(Contents { sealed_values, ..contents(&case.state) });
    assert_eq!(with(vec![(VAULT, value.clone())]).as_ref(), Ok(&case.state));
    for (secret, wrong) in [
        (Uid::mint(41), value.clone()),
        (Uid::mint(99), value.clone()),
        (VAULT, SealedValue { generation: 0, ..value.clone() }),
        (VAULT, SealedValue { generation: 3, ..value.clone() }),
        (VAULT, SealedValue { at: UnixMillis(9_001), ..value.clone() }),
        (VAULT, SealedValue { sealed: vec![0; MAX_SEALED_BYTES + 1].into(), ..value.clone() }),
    ] {
        assert_eq!(with(vec![(secret, wrong)]), Err(Inconsistent::SealedValue(secret)));
    }
    assert_eq!(with(vec![(VAULT, value.clone()), (VAULT, value)]), Err(Inconsistent::SealedValue(VAULT)));
}
