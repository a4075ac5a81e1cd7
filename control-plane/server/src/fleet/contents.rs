//! What a node may know of a revision: all of it, or what is different from a revision that it has.

use hoop_model::spec::Labels;
use hoop_model::{Object, Revision, Spec};
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
    pub(super) fn delta(&self, base: Revision, state: &State, labels: &Labels) -> Option<v1::Delta> {
        let before = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let earlier = kept.iter().find(|(revision, _)| *revision == base && base < state.revision());
            earlier.map(|(_, objects)| Arc::clone(objects))?
        };
        let (changed, removed) = difference(view(before.iter(), labels), view(state.objects(), labels));
        Some(v1::Delta { base: Some(base.into()), revision: Some(state.revision().into()), changed, removed })
    }
}

/// Returns the objects that a node with these labels may know, in their order.
pub(super) fn view<'a>(
    objects: impl Iterator<Item = &'a Arc<Object>>,
    labels: &Labels,
) -> impl Iterator<Item = &'a Arc<Object>> {
    objects.filter(|object| may_know(object, labels))
}

fn may_know(object: &Object, labels: &Labels) -> bool {
    match &object.spec {
        Spec::Connection(connection) => connection.is_placed_on(labels),
        Spec::Issuer(_) | Spec::Identity(_) | Spec::Policy(_) => true,
        // Nobody but the control plane asks who people are.
        Spec::Person(_) => false,
    }
}

/// Compares two views, both by kind and name.
fn difference<'a>(
    before: impl Iterator<Item = &'a Arc<Object>>,
    now: impl Iterator<Item = &'a Arc<Object>>,
) -> (Vec<v1::Object>, Vec<v1::ObjectRef>) {
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
        changed.push(v1::Object::from(&**object));
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
    use hoop_model::spec::{Connection, Origin, Policy, Protocol, Recording};
    use hoop_model::{Kind, Metadata, ResourceName, Uid};
    use std::collections::BTreeMap;
    use std::time::Duration;

    type World = BTreeMap<(Kind, ResourceName), Arc<Object>>;

    fn object(name: &str, uid: u128, index: u64, zone: Option<u64>) -> Arc<Object> {
        let revision = Revision { epoch: 1, index };
        let name = ResourceName::parse(name).unwrap();
        let spec = match zone {
            None => Spec::Policy(Policy { cedar: format!("// {index}") }),
            Some(zone) => {
                Spec::Connection(Connection { nodes: [("zone".to_owned(), zone.to_string())].into(), ..plain() })
            }
        };
        Arc::new(Object { metadata: Metadata { name, uid: Uid::mint(uid), generation: 1, revision }, spec })
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
                let name = format!("o{}", next(6));
                let zone = (next(2) == 0).then(|| next(3));
                let kind = if zone.is_some() { Kind::Connection } else { Kind::Policy };
                let place = (kind, ResourceName::parse(&name).unwrap());
                if next(3) == 0 {
                    world.remove(&place);
                } else {
                    let uid = world
                        .get(&place)
                        .map_or(u128::from(index) + 100, |o| u128::from_be_bytes(o.metadata.uid.to_bytes()));
                    world.insert(place, object(&name, uid, index, zone));
                }
                // A slow node is told of several changes at once.
                if next(3) == 0 {
                    continue;
                }
                let (changed, removed) = difference(view(sent.values(), &labels), view(world.values(), &labels));
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
        let past = Past::default();
        for _ in 0..3 {
            past.keep(&State::default());
        }
        assert_eq!(past.kept.lock().unwrap().len(), 1);
        assert!(past.delta(Revision { epoch: 1, index: 3 }, &State::default(), &Labels::new()).is_none());
    }
}
