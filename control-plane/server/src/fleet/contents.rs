//! What a node may know of a revision: all of it, or what is different from a revision that it has.

use super::known::{opened, view};
use crate::secrets::Vault;
use hoop_model::spec::Labels;
use hoop_model::{Object, Revision};
use hoop_state::State;
use hoop_wire::v1;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How many revisions are kept to tell differences from. A node that is further behind is sent everything, so however slow
/// the nodes are, this is all that is kept for them (CP-16).
const MAX_KEPT: usize = 16;

/// The objects of a revision, by kind and name.
type Objects = Arc<[Arc<Object>]>;

/// The objects of the newest revisions that were sent to somebody.
#[derive(Default)]
pub(crate) struct Past {
    kept: Mutex<VecDeque<(Revision, Objects)>>,
}

impl Past {
    /// Keeps what is about to be sent.
    pub(super) fn keep(&self, state: &State) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.iter().any(|(revision, _)| *revision == state.revision()) {
            return;
        }
        if kept.len() >= MAX_KEPT {
            kept.pop_front();
        }
        kept.push_back((state.revision(), state.objects().cloned().collect()));
    }

    /// Returns what is different for a node with these labels since an earlier revision, if that is kept.
    pub(super) fn delta(&self, base: Revision, state: &State, labels: &Labels, vault: &Vault) -> Option<v1::Delta> {
        let before = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let earlier = kept.iter().find(|(revision, _)| *revision == base && base < state.revision());
            earlier.map(|(_, objects)| Arc::clone(objects))?
        };
        let (changed, removed) = difference(view(before.iter(), labels), view(state.objects(), labels));
        Some(v1::Delta {
            base: Some(base.into()),
            revision: Some(state.revision().into()),
            secrets: opened(changed.iter().copied(), state, vault),
            changed: changed.into_iter().map(|object| v1::Object::from(&**object)).collect(),
            removed,
        })
    }
}

/// Compares two views, both by kind and name.
fn difference<'a>(
    before: impl Iterator<Item = &'a Arc<Object>>,
    now: impl Iterator<Item = &'a Arc<Object>>,
) -> (Vec<&'a Arc<Object>>, Vec<v1::ObjectRef>) {
    let place = |object: &'a Arc<Object>| (object.spec.kind(), &object.metadata.name);
    let (mut changed, mut removed) = (Vec::new(), Vec::new());
    let mut before = before.peekable();
    for object in now {
        while let Some(gone) = before.next_if(|old| place(old) < place(object)) {
            removed.push(reference(gone));
        }
        match before.next_if(|old| place(old) == place(object)) {
            Some(old) if Arc::ptr_eq(old, object) || old.metadata == object.metadata => continue,
            // Another object of the same name.
            Some(old) if old.metadata.uid != object.metadata.uid => removed.push(reference(old)),
            Some(_) | None => {}
        }
        changed.push(object);
    }
    removed.extend(before.map(reference));
    (changed, removed)
}

fn reference(object: &Arc<Object>) -> v1::ObjectRef {
    let Object { metadata, spec } = &**object;
    let (kind, name) = (spec.kind().to_string(), metadata.name.to_string());
    v1::ObjectRef { kind, name, uid: metadata.uid.to_bytes().to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoop_model::spec::SecretSource;
    use hoop_model::spec::{
        Access, Connection, Credential, CredentialForm, Origin, Policy, Protocol, Recording, Secret, Stale,
    };
    use hoop_model::{Kind, Metadata, Redacted, ResourceName, Spec, Uid};
    use std::collections::BTreeMap;
    use std::time::Duration;

    type World = BTreeMap<(Kind, ResourceName), Arc<Object>>;

    /// An object with one of three secrets' names, a policy's or a connection's.
    fn object(kind: Kind, name: &ResourceName, uid: u128, index: u64, mut next: impl FnMut(u64) -> u64) -> Arc<Object> {
        let revision = Revision { epoch: 1, index };
        let credential = |secret| Credential { secret, form: CredentialForm::Bearer };
        let spec = match kind {
            Kind::Policy => Spec::Policy(Policy { cedar: format!("// {index}") }),
            Kind::Secret => Spec::Secret(Secret { source: SecretSource::Sealed, sent_to: vec![plain().upstream] }),
            Kind::Connection | Kind::Issuer | Kind::Identity | Kind::Person | Kind::DataClass | Kind::Role => {
                Spec::Connection(Connection {
                    nodes: [("zone".to_owned(), next(3).to_string())].into(),
                    credential: (next(2) == 0).then(|| credential(named(next(3)))),
                    ..plain()
                })
            }
        };
        Arc::new(Object {
            metadata: Metadata { name: name.clone(), uid: Uid::mint(uid), generation: 1, revision },
            spec,
        })
    }

    fn named(number: u64) -> ResourceName {
        ResourceName::parse(&format!("o{number}")).unwrap()
    }

    fn plain() -> Connection {
        Connection {
            protocol: Protocol::Http,
            upstream: Origin::parse("http://127.0.0.1:1").unwrap(),
            upstream_ca: None,
            environment: None,
            recording: Recording::Standard,
            session_grace: Duration::ZERO,
            response_timeout: Duration::from_secs(1),
            hold: Duration::ZERO,
            nodes: Labels::new(),
            credential: None,
            mask: None,
            access: Access::Any,
            stale: Stale::Refuse,
        }
    }

    /// A node's contents, as the contract says that a delta changes them.
    fn change(contents: &mut BTreeMap<Vec<u8>, v1::Object>, changed: Vec<v1::Object>, removed: Vec<v1::ObjectRef>) {
        for gone in removed {
            assert!(contents.remove(&gone.uid).is_some(), "it is told only of what it had: {gone:?}");
        }
        for object in changed {
            contents.insert(object.metadata.clone().unwrap().uid, object);
        }
    }

    #[test]
    fn any_changes_told_as_differences_make_the_contents_of_the_last_revision() {
        let mut draw = 7_u64;
        let mut next = move |below: u64| {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (draw >> 33) % below
        };
        let labels = Labels::from([("zone".to_owned(), "1".to_owned())]);
        let mut counts = [0_u32; 4];
        for _ in 0..200 {
            let (mut world, mut sent) = (World::new(), World::new());
            let mut contents = BTreeMap::new();
            for index in 1..60 {
                let name = named(next(6));
                let kind = [Kind::Connection, Kind::Policy, Kind::Secret][usize::try_from(next(3)).unwrap()];
                let place = (kind, name.clone());
                if next(3) == 0 {
                    world.remove(&place);
                } else {
                    let uid = world.get(&place).map(|object| u128::from_be_bytes(object.metadata.uid.to_bytes()));
                    let uid = uid.unwrap_or(u128::from(index) + 100);
                    world.insert(place, object(kind, &name, uid, index, &mut next));
                }
                // A slow node is told of several changes at once.
                if next(3) == 0 {
                    continue;
                }
                let (changed, removed) = difference(view(sent.values(), &labels), view(world.values(), &labels));
                let changed: Vec<_> = changed.into_iter().map(|object| v1::Object::from(&**object)).collect();
                let kinds = [changed.is_empty(), removed.is_empty()];
                counts[usize::from(kinds[0]) * 2 + usize::from(kinds[1])] += 1;
                change(&mut contents, changed, removed);
                sent.clone_from(&world);
                let whole: BTreeMap<_, _> = view(world.values(), &labels)
                    .map(|object| (object.metadata.uid.to_bytes().to_vec(), v1::Object::from(&**object)))
                    .collect();
                assert_eq!(contents, whole);
            }
        }
        assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
    }

    #[test]
    fn only_so_many_revisions_are_kept() {
        let (past, vault) = (Past::default(), Vault::new(&Redacted::new([1; 32])));
        for _ in 0..3 {
            past.keep(&State::default());
        }
        assert_eq!(past.kept.lock().unwrap().len(), 1);
        assert!(past.delta(Revision { epoch: 1, index: 3 }, &State::default(), &Labels::new(), &vault).is_none());
    }
}
