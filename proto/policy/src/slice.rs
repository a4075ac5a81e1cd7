//! The statements that could have a say in one effect, and their evaluation.

use crate::Tags;
use crate::statement::{Reads, Role, Statement};
use crate::vocabulary::{Attributes, Lineage, Vocabulary};
use cedar_policy::{
    AuthorizationError, Authorizer, Entities, Entity, EntityUid, PolicySet, Request, Response, RestrictedExpression,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How the evaluation of a statement ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Its conditions hold.
    Satisfied,
    /// They do not.
    Unsatisfied,
    /// They could not be evaluated; the cause is for administrators, not for callers.
    Failed(Box<str>),
}

/// A statement and how its evaluation ended.
pub(crate) type Ended<'a> = (&'a Statement, Ending);

/// Says that Cedar did not take a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unjudgeable;

/// The statements whose scope admits one (subject, action, resource).
pub(crate) struct Slice {
    /// Sorted by name, so that reasons come in one order however the policies were written.
    statements: Vec<Arc<Statement>>,
    permits: PolicySet,
    forbids: PolicySet,
    pub(crate) reads: Reads,
    principal: Lineage,
    action: EntityUid,
    resource: EntityUid,
    /// The action and the resource; the principal is added per token.
    entities: Entities,
}

/// Who, what and on what: each an entity and everything it is in; never empty.
pub(crate) struct Coordinates<'a> {
    pub(crate) principal: Lineage,
    pub(crate) action: &'a Lineage,
    pub(crate) resource: Lineage,
    /// What the resource says of itself.
    pub(crate) attributes: Attributes,
}

/// The entities of a slice with the principal of one token.
pub(crate) struct Prepared {
    tags: Arc<Tags>,
    entities: Entities,
}

impl Slice {
    /// Gathers those of `candidates` whose scope admits the coordinates.
    pub(crate) fn gather<'a>(
        vocabulary: &Vocabulary,
        at: Coordinates<'_>,
        candidates: impl Iterator<Item = &'a Arc<Statement>>,
    ) -> Result<Self, Unjudgeable> {
        let admitted = candidates.filter(|candidate| {
            let scope = &candidate.scope;
            scope.admits_principal(&at.principal)
                && scope.admits_action(at.action)
                && scope.admits_resource(&at.resource)
        });
        let sorted: BTreeMap<&str, &Arc<Statement>> = admitted.map(|s| (s.name(), s)).collect();
        let statements: Vec<_> = sorted.into_values().cloned().collect();
        let (permits, forbids): (Vec<_>, Vec<_>) = statements.iter().partition(|s| s.role == Role::Permit);
        let set = |of: Vec<&Arc<Statement>>| {
            PolicySet::from_policies(of.into_iter().map(|s| s.cedar.clone())).map_err(|_| Unjudgeable)
        };
        let mut reads = Reads::nothing();
        statements.iter().for_each(|statement| reads.join(&statement.reads));
        let action = at.action.first().ok_or(Unjudgeable)?.clone();
        let resource = at.resource.first().ok_or(Unjudgeable)?.clone();
        let known =
            vocabulary.action_entities.get(&action).cloned().into_iter().chain(chain(&at.resource, at.attributes)?);
        Ok(Self {
            permits: set(permits)?,
            forbids: set(forbids)?,
            reads,
            entities: Entities::from_entities(known, None).map_err(|_| Unjudgeable)?,
            principal: at.principal,
            action,
            resource,
            statements,
        })
    }

    /// Evaluates every statement; there is no answer without a context. `prepared` is reused while the token stays the
    /// same.
    pub(crate) fn evaluate(
        &self,
        prepared: &mut Option<Prepared>,
        tags: &Arc<Tags>,
        context: Option<cedar_policy::Context>,
    ) -> Result<Vec<Ended<'_>>, Unjudgeable> {
        let ready = match prepared.take().filter(|p| Arc::ptr_eq(&p.tags, tags)) {
            Some(ready) => ready,
            None => self.prepare(tags)?,
        };
        let entities = &prepared.insert(ready).entities;
        let principal = self.principal.first().ok_or(Unjudgeable)?.clone();
        let context = context.ok_or(Unjudgeable)?;
        let request = Request::new(principal, self.action.clone(), self.resource.clone(), context, None);
        let request = request.map_err(|_| Unjudgeable)?;
        // Either set has statements of one effect only, so its reasons are all that are satisfied.
        let authorizer = Authorizer::new();
        let permits = authorizer.is_authorized(&request, &self.permits, entities);
        let forbids = authorizer.is_authorized(&request, &self.forbids, entities);
        let satisfied: BTreeSet<&str> = [&permits, &forbids].into_iter().flat_map(reasons).collect();
        let failed: BTreeMap<&str, Box<str>> = [&permits, &forbids].into_iter().flat_map(failures).collect();
        let ended = self.statements.iter().map(|statement| {
            let ending = match failed.get(statement.name()) {
                Some(cause) => Ending::Failed(cause.clone()),
                None if satisfied.contains(statement.name()) => Ending::Satisfied,
                None => Ending::Unsatisfied,
            };
            (&**statement, ending)
        });
        Ok(ended.collect())
    }

    fn prepare(&self, tags: &Arc<Tags>) -> Result<Prepared, Unjudgeable> {
        let (own, parents) = self.principal.split_first().ok_or(Unjudgeable)?;
        let set = |values: &BTreeSet<Box<str>>| {
            RestrictedExpression::new_set(
                values.iter().map(|value| RestrictedExpression::new_string(value.to_string())),
            )
        };
        let values = tags.iter().map(|(name, values)| (name.to_string(), set(values)));
        let principal = Entity::new_with_tags(own.clone(), [], parents.iter().cloned(), values);
        let principal = principal.map_err(|_| Unjudgeable)?;
        let entities = self.entities.clone().add_entities([principal], None).map_err(|_| Unjudgeable)?;
        Ok(Prepared { tags: Arc::clone(tags), entities })
    }
}

/// Renders a lineage in which each entity is in the next one; the attributes are the first one's.
fn chain(lineage: &Lineage, attributes: Attributes) -> Result<Vec<Entity>, Unjudgeable> {
    let parents = lineage.iter().skip(1).map(Some).chain(std::iter::once(None));
    let attributes = std::iter::once(attributes).chain(std::iter::repeat_with(Vec::new));
    let entities = lineage.iter().zip(parents).zip(attributes).map(|((own, parent), attributes)| {
        Entity::new_with_tags(own.clone(), attributes, parent.cloned(), []).map_err(|_| Unjudgeable)
    });
    entities.collect()
}

fn reasons(response: &Response) -> impl Iterator<Item = &str> {
    response.diagnostics().reason().map(AsRef::as_ref)
}

fn failures(response: &Response) -> impl Iterator<Item = (&str, Box<str>)> {
    response.diagnostics().errors().map(|error| match error {
        AuthorizationError::PolicyEvaluationError(error) => {
            (error.policy_id().as_ref(), error.inner().to_string().into())
        }
    })
}
