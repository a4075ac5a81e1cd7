//! Objects: changed all or nothing, each change one revision.

use crate::apply::Made;
use crate::{
    AppliedObject, ApplyObjects, DeleteObject, NewObject, Notice, Outcome, Precondition, Reference, Rejection, Reply,
    State,
};
use hoop_model::{Kind, Metadata, Object, ResourceName, Revision, Spec};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An object and what it references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// The object.
    pub object: Arc<Object>,
    /// The objects its text names, as its proposer found them.
    pub references: BTreeSet<Reference>,
}

/// The objects by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Objects(BTreeMap<Reference, StoredObject>);

impl Objects {
    pub(crate) fn all(&self) -> impl Iterator<Item = &StoredObject> + Clone {
        self.0.values()
    }

    pub(crate) fn find(&self, kind: Kind, name: &ResourceName) -> Option<&StoredObject> {
        self.0.get(&Reference { kind, name: name.clone() })
    }

    /// Puts an object in its place; returns whether the place was empty.
    pub(crate) fn put(&mut self, stored: StoredObject) -> bool {
        self.0.insert(stored.reference(), stored).is_none()
    }

    /// Returns what an object references that is not there.
    pub(crate) fn dangling(&self) -> Option<(Reference, Reference)> {
        self.all().find_map(|stored| {
            let missing = stored.names().into_iter().find(|target| !self.0.contains_key(target))?;
            Some((stored.reference(), missing))
        })
    }

    fn namer_of(&self, target: &Reference) -> Option<Reference> {
        let mut others = self.0.iter().filter(|(reference, _)| *reference != target);
        others.find(|(_, stored)| stored.names().contains(target)).map(|(reference, _)| reference.clone())
    }
}

impl StoredObject {
    pub(crate) fn reference(&self) -> Reference {
        Reference { kind: self.object.spec.kind(), name: self.object.metadata.name.clone() }
    }

    /// Everything it needs to exist: what its text names and what its spec names by type.
    fn names(&self) -> BTreeSet<Reference> {
        let mut names = self.references.clone();
        match &self.object.spec {
            Spec::Identity(identity) => {
                names.insert(Reference { kind: Kind::Issuer, name: identity.issuer.clone() });
            }
            Spec::Person(person) => {
                names.insert(Reference { kind: Kind::Issuer, name: person.issuer.clone() });
            }
            Spec::Connection(connection) => {
                let secret = connection.credential.as_ref().map(|credential| credential.secret.clone());
                names.extend(secret.map(|name| Reference { kind: Kind::Secret, name }));
            }
            Spec::Issuer(_) | Spec::Policy(_) | Spec::Secret(_) | Spec::DataClass(_) | Spec::Role(_) => {}
        }
        names
    }
}

/// The objects of one change as they will be, in the order given.
struct Planned {
    stored: Vec<(Outcome, StoredObject)>,
}

impl State {
    pub(crate) fn apply_objects(&mut self, index: u64, apply: ApplyObjects) -> Made {
        let next = self.check_base(index, apply.base)?;
        let plan = self.plan(apply.objects, next)?;
        self.check_references(&plan)?;

        let moves = plan.stored.iter().any(|(outcome, _)| *outcome != Outcome::Unchanged);
        let notices = if moves { vec![self.move_revision(next)] } else { Vec::new() };
        let objects = plan.stored.iter().map(|(outcome, stored)| AppliedObject {
            kind: stored.object.spec.kind(),
            metadata: stored.object.metadata.clone(),
            outcome: *outcome,
        });
        let reply = Reply::Applied { objects: objects.collect(), revision: self.revision };
        for (_, stored) in plan.stored {
            let object = Arc::clone(&stored.object);
            self.follow_stale(&object);
            if let Some(before) = self.objects.0.insert(stored.reference(), stored) {
                self.follow_person(&before.object, Some(&object));
                self.follow_secret(&before.object, Some(&object));
            }
        }
        Ok((reply, notices))
    }

    pub(crate) fn delete_object(&mut self, index: u64, delete: &DeleteObject) -> Made {
        let next = self.check_base(index, delete.base)?;
        let target = &delete.target;
        let existing = self.objects.0.get(target);
        check_precondition(delete.precondition, target, existing)?;
        if existing.is_none() {
            return Err(Rejection::NotFound(target.clone()));
        }
        if let Some(by) = self.objects.namer_of(target) {
            return Err(Rejection::Referenced { object: target.clone(), by });
        }
        if let Some(removed) = self.objects.0.remove(target) {
            self.follow_person(&removed.object, None);
            self.follow_secret(&removed.object, None);
        }
        let notices: Vec<Notice> = vec![self.move_revision(next)];
        Ok((Reply::Done { revision: self.revision }, notices))
    }

    pub(crate) fn follow_stale(&mut self, object: &Object) {
        if let Spec::Connection(connection) = &object.spec {
            self.longest_stale = self.longest_stale.max(connection.stale.window());
        }
    }

    fn plan(&self, objects: Vec<NewObject>, next: Revision) -> Result<Planned, Rejection> {
        let mut given = BTreeSet::new();
        let mut stored = Vec::with_capacity(objects.len());
        for object in objects {
            let reference = Reference { kind: object.spec.kind(), name: object.name.clone() };
            let existing = self.objects.0.get(&reference);
            check_precondition(object.precondition, &reference, existing)?;
            stored.push(planned(object, existing, next));
            if let Some(twice) = given.replace(reference) {
                return Err(Rejection::GivenTwice(twice));
            }
        }
        Ok(Planned { stored })
    }

    fn check_references(&self, plan: &Planned) -> Result<(), Rejection> {
        let given: BTreeSet<Reference> = plan.stored.iter().map(|(_, stored)| stored.reference()).collect();
        for (_, stored) in &plan.stored {
            let exists = |target: &Reference| given.contains(target) || self.objects.0.contains_key(target);
            if let Some(missing) = stored.names().into_iter().find(|target| !exists(target)) {
                return Err(Rejection::Dangling { object: stored.reference(), missing });
            }
        }
        Ok(())
    }
}

/// An unchanged spec keeps its metadata; its references follow the proposer, who reads them from the spec.
fn planned(new: NewObject, existing: Option<&StoredObject>, next: Revision) -> (Outcome, StoredObject) {
    let NewObject { name, spec, precondition: _, uid, references } = new;
    match existing {
        Some(old) if old.object.spec == spec => {
            (Outcome::Unchanged, StoredObject { object: Arc::clone(&old.object), references })
        }
        Some(old) => {
            let before = &old.object.metadata;
            let generation = before.generation.saturating_add(1);
            let metadata = Metadata { name, uid: before.uid, generation, revision: next };
            (Outcome::Changed, StoredObject { object: Arc::new(Object { metadata, spec }), references })
        }
        None => {
            let metadata = Metadata { name, uid, generation: 1, revision: next };
            (Outcome::Created, StoredObject { object: Arc::new(Object { metadata, spec }), references })
        }
    }
}

fn check_precondition(
    precondition: Precondition,
    reference: &Reference,
    existing: Option<&StoredObject>,
) -> Result<(), Rejection> {
    match (precondition, existing) {
        (Precondition::Any, _) | (Precondition::Absent, None) => Ok(()),
        (Precondition::Absent, Some(_)) => Err(Rejection::Exists(reference.clone())),
        (Precondition::At(_), None) => Err(Rejection::NotFound(reference.clone())),
        (Precondition::At(wanted), Some(stored)) if stored.object.metadata.revision == wanted => Ok(()),
        (Precondition::At(_), Some(stored)) => {
            Err(Rejection::RevisionDiffers { object: reference.clone(), found: stored.object.metadata.revision })
        }
    }
}
