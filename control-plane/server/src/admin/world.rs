//! The objects as they would be after a change, and whether they may be so.

use super::{custody, masking};
use crate::authorise::Objects;
use hoop_model::{Kind, Metadata, Object, ResourceName, Revision, Spec, Uid};
use hoop_node::pki::trust_anchors;
use hoop_state::{Reference, State};
use hoop_wire::v1;
use prost::Message;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Most bytes of all objects and all values of secrets together, as they are sent to nodes: below the largest message (16 MiB), so that what is
/// committed can reach every node whole.
const MAX_WORLD_BYTES: usize = 15 << 20;

/// The objects as they would be.
pub(super) struct World {
    objects: Objects,
    /// How many bytes the values of secrets are.
    value_bytes: usize,
}

impl World {
    /// Begins with what there is.
    pub(super) fn of(state: &State) -> Self {
        let keyed = |object: &Arc<Object>| ((object.spec.kind(), object.metadata.name.clone()), Arc::clone(object));
        let value_bytes = state.sealed_values().map(|(_, value)| value.sealed.len()).sum();
        Self { objects: state.objects().map(keyed).collect(), value_bytes }
    }

    /// Returns whether there is room for so many more bytes of secrets' values.
    pub(super) fn has_room_for(&self, more: usize) -> bool {
        self.bytes().saturating_add(more) <= MAX_WORLD_BYTES
    }

    /// Returns how many bytes everything is, as it is sent to nodes.
    fn bytes(&self) -> usize {
        let objects: usize = self.objects.values().map(|object| v1::Object::from(&**object).encoded_len()).sum();
        objects.saturating_add(self.value_bytes)
    }

    /// Returns the objects, by kind and name.
    pub(super) const fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Creates or changes an object.
    pub(super) fn put(&mut self, name: &ResourceName, spec: &Spec, uid: Uid) {
        let place = (spec.kind(), name.clone());
        let metadata = match self.objects.get(&place) {
            Some(existing) => existing.metadata.clone(),
            None => Metadata { name: name.clone(), uid, generation: 1, revision: Revision::default() },
        };
        self.objects.insert(place, Arc::new(Object { metadata, spec: spec.clone() }));
    }

    /// Deletes an object.
    pub(super) fn remove(&mut self, target: &Reference) {
        self.objects.remove(&(target.kind, target.name.clone()));
    }

    /// Judges the whole: trust rules, policies, size. Everything found, in the administrator's words; nothing found means
    /// that it may be.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut issuers = Vec::new();
        let mut identities = Vec::new();
        let mut people = Vec::new();
        let mut problems = Vec::new();
        for ((kind, name), object) in &self.objects {
            let anchors = match &object.spec {
                Spec::Issuer(issuer) => {
                    issuers.push((name, issuer));
                    issuer.ca.as_ref().map(|ca| ("ca", ca))
                }
                Spec::Identity(identity) => {
                    identities.push((name, identity));
                    None
                }
                Spec::Connection(connection) => connection.upstream_ca.as_ref().map(|ca| ("upstreamCa", ca)),
                Spec::Person(person) => {
                    people.push((name, person));
                    None
                }
                Spec::Policy(_) | Spec::Secret(_) | Spec::DataClass(_) | Spec::Role(_) => None,
            };
            // One that no node can use would fence every node that is sent it.
            if let Some((field, Err(error))) = anchors.map(|(field, pem)| (field, trust_anchors(pem))) {
                problems.push(format!("{kind} `{name}`: `{field}`: {error}"));
            }
        }
        let findings = hoop_identity::lint::trust_rules_with_people(issuers, identities, people);
        problems.extend(findings.iter().map(ToString::to_string));
        problems.extend(custody::problems(&self.objects));
        problems.extend(masking::problems(&self.objects));
        let objects: Vec<_> = self.objects.values().cloned().collect();
        // A hold that nobody could release is a refusal in disguise.
        let named = hoop_policy::World::of(&objects).demanding_teams();
        if let Err(errors) = hoop_policy::validate_in(&objects, &named) {
            problems.extend(errors.iter().map(ToString::to_string));
        }
        let bytes = self.bytes();
        if bytes > MAX_WORLD_BYTES {
            problems
                .push(format!("all objects and values together would be {bytes} bytes, and may be {MAX_WORLD_BYTES}"));
        }
        problems
    }
}

/// Returns the objects that a spec's text names and that must exist for as long as it does. Groups, environments and
/// actions are no objects; [`World::problems`] checks them.
pub(super) fn references(name: &ResourceName, spec: &Spec) -> Result<BTreeSet<Reference>, Vec<String>> {
    match spec {
        Spec::Policy(policy) => hoop_policy::references(name, &policy.cedar)
            .map(|named| named.iter().filter_map(object_named).collect())
            .map_err(|errors| errors.iter().map(ToString::to_string).collect()),
        Spec::Issuer(_)
        | Spec::Identity(_)
        | Spec::Connection(_)
        | Spec::Person(_)
        | Spec::Secret(_)
        | Spec::DataClass(_)
        | Spec::Role(_) => Ok(BTreeSet::new()),
    }
}

fn object_named(entity: &hoop_policy::Reference) -> Option<Reference> {
    let kind = entity.entity_type.strip_prefix("Hoop::")?.parse().ok()?;
    // A class is no object: an object declares it, or it is built in. What names one that is gone does not compile.
    if kind == Kind::DataClass {
        return None;
    }
    Some(Reference { kind, name: ResourceName::parse(&entity.id).ok()? })
}
