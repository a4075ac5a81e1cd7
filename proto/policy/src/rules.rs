//! All rules of one revision.

use crate::slice::{Coordinates, Slice, Unjudgeable};
use crate::statement::{Origin, Role, Statement, parse};
use crate::text::{CompileError, Problem};
use crate::vocabulary::{APPROVE, Lineage, REVEAL, Vocabulary};
use crate::{ApprovalSubject, PersonSubject, Subject};
use aws_lc_rs::digest::{SHA256, digest};
use cedar_policy::EntityUid;
use hoop_model::spec::{Access, ClassName, Policy};
use hoop_model::{ContentHash, Object, ResourceName, Revision, Spec, Target, Uid};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Hashes a policy's text: SHA-256 of its bytes.
#[must_use]
pub fn content_hash(text: &str) -> ContentHash {
    let mut hash = ContentHash([0; 32]);
    hash.0.iter_mut().zip(digest(&SHA256, text.as_bytes()).as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

/// All rules of one revision, ready to judge. Immutable: a node swaps the whole.
pub struct Rules {
    /// The revision; its address tells this value from every other one that a verdict cache could be bound to.
    pub(crate) seal: Arc<Revision>,
    pub(crate) vocabulary: Arc<Vocabulary>,
    policies: BTreeMap<ResourceName, Arc<Compiled>>,
    connections: BTreeMap<ResourceName, (Option<ResourceName>, Access)>,
    index: Index,
}

/// One Policy object's statements.
struct Compiled {
    uid: Uid,
    hash: ContentHash,
    statements: Vec<Arc<Statement>>,
}

/// Statements by action id, then by the entity that every resource they admit is or is in.
type Index = BTreeMap<Box<str>, BTreeMap<Option<EntityUid>, Vec<Arc<Statement>>>>;

impl Rules {
    /// Compiles the Policy and Connection objects of a revision. Policies that `previous` has with the same uid and
    /// text are taken over as they are. Texts are parsed, not type-checked: [`crate::validate`] did that before the
    /// revision was committed.
    ///
    /// # Errors
    /// Every mistake found; there are no rules then, and the node keeps those it has.
    pub fn compile(
        objects: &[Arc<Object>],
        revision: Revision,
        previous: Option<&Self>,
    ) -> Result<Self, Vec<CompileError>> {
        let mut policies = BTreeMap::new();
        let mut connections = BTreeMap::new();
        let mut errors = Vec::new();
        for object in objects {
            let name = &object.metadata.name;
            match &object.spec {
                Spec::Policy(policy) => match compile_one(name, object.metadata.uid, policy, previous) {
                    Ok(compiled) => {
                        if policies.insert(name.clone(), compiled).is_some() {
                            let problem = Problem::new(0, "two policies have this name");
                            errors.push(problem.in_policy(name, &policy.cedar));
                        }
                    }
                    Err(found) => errors.extend(found),
                },
                Spec::Connection(connection) => {
                    connections.insert(name.clone(), (connection.environment.clone(), connection.access));
                }
                Spec::Issuer(_)
                | Spec::Identity(_)
                | Spec::Person(_)
                | Spec::Secret(_)
                | Spec::DataClass(_)
                | Spec::Role(_) => {}
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let vocabulary = previous.map_or_else(|| Arc::new(Vocabulary::load()), |p| Arc::clone(&p.vocabulary));
        let index = index(&vocabulary, policies.values().flat_map(|compiled: &Arc<Compiled>| &compiled.statements));
        Ok(Self { seal: Arc::new(revision), vocabulary, policies, connections, index })
    }

    /// Returns the revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        *self.seal
    }

    /// Returns how many of the policies are the very ones that `other` has, not compiled again.
    #[must_use]
    pub fn shared_with(&self, other: &Self) -> usize {
        let same = |(name, own): &(_, &Arc<Compiled>)| other.policies.get(*name).is_some_and(|o| Arc::ptr_eq(o, own));
        self.policies.iter().filter(same).count()
    }

    /// Returns the connection's environment, or `None` if there is no such connection.
    pub(crate) fn connection(&self, name: &ResourceName) -> Option<Option<&ResourceName>> {
        self.connections.get(name).map(|(environment, _)| environment.as_ref())
    }

    /// Returns what may be done through a connection at all, or `None` if there is no such connection.
    pub(crate) fn access(&self, name: &ResourceName) -> Option<Access> {
        self.connections.get(name).map(|(_, access)| *access)
    }

    /// Gathers the statements that could have a say in one effect.
    pub(crate) fn slice(
        &self,
        subject: &Subject,
        connection: &ResourceName,
        action: &str,
        target: &Target,
    ) -> Result<Slice, Unjudgeable> {
        let environment = self.connection(connection).ok_or(Unjudgeable)?;
        let at = Coordinates {
            principal: self.vocabulary.subject(subject),
            action: self.vocabulary.action(action).ok_or(Unjudgeable)?,
            resource: self.vocabulary.resource(connection, environment, target),
            attributes: Vec::new(),
        };
        let candidates = self.candidates(action, &at.resource);
        Slice::gather(&self.vocabulary, at, candidates.into_iter())
    }

    /// Gathers the forbids that could have a say in a vote.
    pub(crate) fn approval_slice(
        &self,
        person: &PersonSubject,
        approval: &ApprovalSubject,
    ) -> Result<Slice, Unjudgeable> {
        let environment = self.connection(&approval.connection).ok_or(Unjudgeable)?;
        let at = Coordinates {
            principal: self.vocabulary.person(person),
            action: self.vocabulary.action(APPROVE).ok_or(Unjudgeable)?,
            resource: self.vocabulary.approval(approval, environment),
            attributes: self.vocabulary.attributes(approval),
        };
        let candidates = self.candidates(APPROVE, &at.resource);
        let forbids = candidates.into_iter().filter(|statement| statement.role != Role::Permit);
        Slice::gather(&self.vocabulary, at, forbids)
    }

    /// Returns whether any statement could show a value to somebody.
    pub(crate) fn could_reveal(&self) -> bool {
        self.index.get(REVEAL).is_some_and(|shelves| shelves.values().flatten().any(|s| shows(s)))
    }

    /// Gathers the statements that could have a say in whether values of a class are shown. A permit has one only
    /// where its scope names `reveal`.
    pub(crate) fn reveal_slice(&self, subject: &Subject, class: &ClassName) -> Result<Slice, Unjudgeable> {
        let at = Coordinates {
            principal: self.vocabulary.subject(subject),
            action: self.vocabulary.action(REVEAL).ok_or(Unjudgeable)?,
            resource: self.vocabulary.class(class),
            attributes: Vec::new(),
        };
        let candidates = self.candidates(REVEAL, &at.resource).into_iter();
        let heard = candidates.filter(|statement| statement.role != Role::Permit || shows(statement));
        Slice::gather(&self.vocabulary, at, heard)
    }

    /// Looks up the statements for an action that name something the resource is or is in, or nothing.
    fn candidates(&self, action: &str, resource: &Lineage) -> Vec<&Arc<Statement>> {
        let anchors = std::iter::once(None).chain(resource.iter().cloned().map(Some));
        let shelves = self.index.get(action);
        anchors.filter_map(|anchor| shelves?.get(&anchor)).flatten().collect()
    }
}

/// Returns whether a statement is a permit that names `reveal`.
fn shows(statement: &Statement) -> bool {
    statement.role == Role::Permit && statement.scope.names(REVEAL)
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("revision", &self.seal).field("policies", &self.policies.len()).finish()
    }
}

fn compile_one(
    name: &ResourceName,
    uid: Uid,
    policy: &Policy,
    previous: Option<&Rules>,
) -> Result<Arc<Compiled>, Vec<CompileError>> {
    let text = &policy.cedar;
    let hash = content_hash(text);
    let known = previous.and_then(|p| p.policies.get(name)).filter(|known| known.uid == uid && known.hash == hash);
    if let Some(known) = known {
        return Ok(Arc::clone(known));
    }
    policy.check().map_err(|error| vec![Problem::new(0, error.to_string()).in_policy(name, text)])?;
    let statements = parse(Origin { name, uid, hash }, text)?;
    Ok(Arc::new(Compiled { uid, hash, statements }))
}

fn index<'a>(vocabulary: &Vocabulary, statements: impl Iterator<Item = &'a Arc<Statement>>) -> Index {
    let mut index = Index::new();
    for statement in statements {
        let anchor = statement.scope.resource_anchor();
        for (action, _) in vocabulary.actions().filter(|(_, lineage)| statement.scope.admits_action(lineage)) {
            let shelves = index.entry(action.into()).or_default();
            shelves.entry(anchor.cloned()).or_default().push(Arc::clone(statement));
        }
    }
    index
}
