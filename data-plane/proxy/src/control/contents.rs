//! What the node was sent: a snapshot, and what deltas made of it.

use crate::world::{CannotApply, Given};
use hoop_gate::DigestKey;
use hoop_model::spec::SecretValue;
use hoop_model::{Object, Redacted, Revision, Uid};
use hoop_wire::v1;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An object, or why it cannot be used.
type Read = Result<Arc<Object>, CannotApply>;

/// Everything the node knows of a revision, read but not compiled.
pub(crate) struct Contents {
    revision: Revision,
    cluster_version: u64,
    digest_key: Redacted<Vec<u8>>,
    masking_key: Redacted<Vec<u8>>,
    /// By uid.
    objects: BTreeMap<Vec<u8>, Read>,
    /// The values of sealed secrets, by the uids of their Secrets.
    values: BTreeMap<Vec<u8>, SecretValue>,
}

/// Says that a delta does not begin where the node is, or leads backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotOnBase;

impl Contents {
    /// Takes a snapshot.
    pub(crate) fn of(snapshot: v1::Snapshot) -> Self {
        Self {
            revision: snapshot.revision.unwrap_or_default().into(),
            cluster_version: snapshot.cluster_version,
            digest_key: Redacted::new(snapshot.digest_key),
            masking_key: Redacted::new(snapshot.masking_key),
            objects: snapshot.objects.into_iter().map(read).collect(),
            values: snapshot.secrets.into_iter().filter_map(value).collect(),
        }
    }

    /// Makes a delta's changes.
    ///
    /// # Errors
    /// [`NotOnBase`]; nothing is changed then.
    pub(crate) fn change(&mut self, delta: v1::Delta) -> Result<(), NotOnBase> {
        let base = delta.base.map(Revision::from).filter(|base| *base == self.revision).ok_or(NotOnBase)?;
        let revision = delta.revision.map(Revision::from).filter(|revision| *revision > base).ok_or(NotOnBase)?;
        for gone in &delta.removed {
            self.objects.remove(&gone.uid);
            self.values.remove(&gone.uid);
        }
        for object in delta.changed {
            let (uid, object) = read(object);
            // A Secret that is kept elsewhere from here on comes without its value.
            self.values.remove(&uid);
            self.objects.insert(uid, object);
        }
        self.values.extend(delta.secrets.into_iter().filter_map(value));
        self.revision = revision;
        Ok(())
    }

    /// Returns which revision it is.
    pub(crate) const fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns a snapshot that has the same; nothing where something cannot be used.
    pub(crate) fn to_snapshot(&self) -> Option<v1::Snapshot> {
        let objects = self.objects.values().map(|read| Some(v1::Object::from(&**read.as_ref().ok()?)));
        let opened = self.values.iter().map(|(uid, value)| v1::OpenedSecret {
            secret_uid: uid.clone(),
            version: 0,
            value: value.reveal().to_vec(),
        });
        Some(v1::Snapshot {
            revision: Some(self.revision.into()),
            cluster_version: self.cluster_version,
            objects: objects.collect::<Option<_>>()?,
            digest_key: self.digest_key.reveal().clone(),
            secrets: opened.collect(),
            masking_key: self.masking_key.reveal().clone(),
        })
    }

    /// Returns the objects, and what comes with them.
    ///
    /// # Errors
    /// [`CannotApply`] for the first that cannot be used.
    pub(crate) fn read(&self) -> Result<(Vec<Arc<Object>>, Given), CannotApply> {
        let whole = |reason: String| CannotApply { object: String::new(), reason };
        if self.revision == Revision::default() {
            return Err(whole("the snapshot has no revision".to_owned()));
        }
        let digest_key = DigestKey::from_slice(self.digest_key.reveal());
        let digest_key = digest_key.map_err(|error| whole(format!("the snapshot has no digest key: {error}")))?;
        let masking_key = self.masking_key.reveal().as_slice().try_into();
        let masking_key = masking_key.map_err(|_| whole("the snapshot has no masking key".to_owned()))?;
        let masking_key = Redacted::new(masking_key);
        let by_uid = |(uid, value): (&Vec<u8>, &SecretValue)| Some((Uid::from_slice(uid).ok()?, value.clone()));
        let values = self.values.iter().filter_map(by_uid).collect();
        Ok((self.objects.values().cloned().collect::<Result<_, _>>()?, Given { digest_key, values, masking_key }))
    }
}

fn read(object: v1::Object) -> (Vec<u8>, Read) {
    let (name, uid) = object.metadata.as_ref().map(|m| (m.name.clone(), m.uid.clone())).unwrap_or_default();
    let read = Object::try_from(object).map(Arc::new);
    (uid, read.map_err(|malformed| CannotApply { object: name, reason: malformed.to_string() }))
}

/// A value that is none is left out: what needs it refuses.
fn value(opened: v1::OpenedSecret) -> Option<(Vec<u8>, SecretValue)> {
    Some((opened.secret_uid, SecretValue::parse(opened.value).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(uid: u8, cedar: Option<&str>) -> v1::Object {
        let revision = Some(v1::Revision { epoch: 1, index: 1 });
        let metadata = v1::Metadata { name: format!("o{uid}"), uid: vec![uid; 16], generation: 1, revision };
        let policy = |cedar: &str| v1::spec::Kind::Policy(v1::Policy { cedar: cedar.to_owned() });
        let spec = v1::Spec { kind: cedar.map(policy) };
        v1::Object { metadata: Some(metadata), spec: Some(spec) }
    }

    fn empty(index: u64, digest_key: Vec<u8>) -> v1::Snapshot {
        let masking_key = vec![8; 32];
        v1::Snapshot { revision: at(index), cluster_version: 1, digest_key, masking_key, ..v1::Snapshot::default() }
    }

    fn at(index: u64) -> Option<v1::Revision> {
        Some(v1::Revision { epoch: 1, index })
    }

    fn names(contents: &Contents) -> Vec<String> {
        contents.read().unwrap().0.iter().map(|object| object.metadata.name.to_string()).collect()
    }

    fn delta(base: u64, revision: u64, changed: Vec<v1::Object>, removed: &[u8]) -> v1::Delta {
        let removed = removed.iter().map(|uid| v1::ObjectRef { uid: vec![*uid; 16], ..Default::default() });
        v1::Delta { base: at(base), revision: at(revision), changed, removed: removed.collect(), secrets: vec![] }
    }

    #[test]
    fn a_delta_is_taken_on_exactly_its_base_and_forwards() {
        let objects = vec![object(1, Some("a")), object(2, Some("b"))];
        let snapshot = v1::Snapshot { objects, ..empty(5, vec![9; 32]) };
        let mut contents = Contents::of(snapshot);
        for (base, revision) in [(4, 6), (6, 7), (5, 5), (5, 4), (0, 6)] {
            let refused = contents.change(delta(base, revision, vec![object(3, Some("c"))], &[1]));
            assert_eq!(refused, Err(NotOnBase), "{base} {revision}");
        }
        let headless = v1::Delta { base: None, ..delta(5, 6, vec![], &[]) };
        assert_eq!(contents.change(headless), Err(NotOnBase));
        assert_eq!((names(&contents), contents.revision().index), (vec!["o1".to_owned(), "o2".to_owned()], 5));
        contents.change(delta(5, 6, vec![object(3, Some("c"))], &[1])).unwrap();
        assert_eq!((names(&contents), contents.revision().index), (vec!["o2".to_owned(), "o3".to_owned()], 6));
        contents.change(delta(6, 9, vec![object(2, Some("d"))], &[])).unwrap();
        assert_eq!(names(&contents), ["o2", "o3"]);
    }

    #[test]
    fn what_cannot_be_read_keeps_the_rest_from_being_used_until_it_is_replaced_or_removed() {
        assert!(Contents::of(empty(1, vec![9; 31])).read().unwrap_err().reason.contains("digest key"));
        let keyless = v1::Snapshot { masking_key: vec![], ..empty(1, vec![9; 32]) };
        assert!(Contents::of(keyless).read().unwrap_err().reason.contains("masking key"));
        assert!(Contents::of(v1::Snapshot::default()).read().unwrap_err().reason.contains("no revision"));
        let mut contents = Contents::of(empty(1, vec![9; 32]));
        contents.change(delta(1, 2, vec![object(1, None), object(2, Some("b"))], &[])).unwrap();
        assert_eq!(contents.read().unwrap_err().object, "o1");
        contents.change(delta(2, 3, vec![object(1, Some("a"))], &[])).unwrap();
        assert_eq!(names(&contents), ["o1", "o2"]);
        contents.change(delta(3, 4, vec![object(3, None)], &[])).unwrap();
        assert!(contents.read().is_err());
        contents.change(delta(4, 5, vec![], &[3])).unwrap();
        assert_eq!(names(&contents), ["o1", "o2"]);
    }

    #[test]
    fn se_09_a_value_follows_its_secret_and_leaves_with_it() {
        let opened =
            |uid: u8, value: &str| v1::OpenedSecret { secret_uid: vec![uid; 16], version: 1, value: value.into() };
        let values = |contents: &Contents| {
            let values = contents.read().unwrap().1.values.into_values();
            values.map(|value| String::from_utf8(value.reveal().to_vec()).unwrap()).collect::<Vec<_>>()
        };
        let objects = vec![object(1, Some("a")), object(2, Some("b"))];
        let secrets = vec![opened(1, "value-1"), opened(2, "value-2"), opened(3, "")];
        let mut contents = Contents::of(v1::Snapshot { objects, secrets, ..empty(1, vec![9; 32]) });
        assert_eq!(values(&contents), ["value-1", "value-2"], "and nothing that is no value");
        let rotated = vec![opened(1, "value-3")];
        contents.change(v1::Delta { secrets: rotated, ..delta(1, 2, vec![object(1, Some("a"))], &[]) }).unwrap();
        assert_eq!(values(&contents), ["value-3", "value-2"]);
        contents.change(delta(2, 3, vec![], &[2])).unwrap();
        assert_eq!(values(&contents), ["value-3"]);
        contents.change(delta(3, 4, vec![object(1, Some("b"))], &[])).unwrap();
        assert_eq!(values(&contents), Vec::<String>::new(), "it says no more that it has a value");
        let rotated = vec![opened(1, "value-4")];
        contents.change(v1::Delta { secrets: rotated, ..delta(4, 5, vec![object(1, Some("c"))], &[]) }).unwrap();
        let again = Contents::of(contents.to_snapshot().unwrap());
        assert_eq!((names(&again), values(&again)), (names(&contents), vec!["value-4".to_owned()]));
        contents.change(delta(5, 6, vec![object(3, None)], &[])).unwrap();
        assert!(contents.to_snapshot().is_none(), "what cannot be used is not kept");
    }
}
