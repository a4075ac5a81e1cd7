//! The words a policy may use: the Cedar schema, and what it means for effects and contexts.

use crate::{ApprovalSubject, PersonSubject, Subject};
use cedar_policy::{Entities, EntityId, EntityTypeName, EntityUid, RestrictedExpression, Schema};
use hoop_model::spec::ClassName;
use hoop_model::{Context, ResourceName, Target, Value};
use std::collections::BTreeMap;

/// The action that opens a session.
pub(crate) const CONNECT: &str = "connect";
/// The action of a person who votes for a held command.
pub(crate) const APPROVE: &str = "approve";
/// The action of an identity that sees values of a data class as they are.
pub(crate) const REVEAL: &str = "reveal";

/// The schema policies are type-checked against, in Cedar's schema language.
///
/// Cedar has sets but no lists, and a record's keys are fixed by its type. So `segments` is the *set* of path segments
/// (order and repetition are `path`'s business: match them with `like`), and the open-ended query is two sets:
/// `queryKeys` for "is there a parameter of this name", `query` for exact `"key=value"` pairs, one per value of a
/// repeated key. Both are the decoded texts; a key that has a `=` in it is told apart by `queryKeys`.
///
/// `approve` needs no permit: the members of the team that a hold names may approve, and a forbid can only narrow that.
/// Its resource is the approval: `connection` and `identity` of the held command, the `groups` of that identity, the ids
/// of the actions that the command would take as `effects`, the `run` it belongs to, and the `team` whose requirement
/// the vote is for. `resource in Hoop::Connection::"…"` and `resource in Hoop::Environment::"…"` are about the
/// connection. `context.anyRun` says that the person would let a later run of the identity use the approval too.
///
/// `reveal` is asked for each data class that a connection masks: its resource is the class, which is in the classes
/// that its name begins with (`pii.email` in `pii`), and `context.connection` is where the value comes from. Only a permit
/// whose scope names `reveal` shows anything, so that no permit that leaves the action open does by accident; any forbid
/// that is satisfied, or fails, keeps the values masked. Credentials that the gateway injects are no class to it.
pub const SCHEMA: &str = r#"
namespace Hoop {
  entity Group;
  entity Environment;
  entity Identity in [Group, Environment] tags Set<String>;
  entity Team;
  entity Person in [Team];
  entity Connection in [Environment];
  entity Route in [Connection];
  entity DataClass in [DataClass];
  entity Approval in [Connection] {
    connection: Connection,
    effects: Set<String>,
    groups: Set<Group>,
    identity: Identity,
    run: String,
    team: Team,
  };

  type HttpContext = {
    bodyBytes?: Long,
    contentType?: String,
    method: String,
    path: String,
    query: Set<String>,
    queryKeys: Set<String>,
    segments: Set<String>,
  };

  action read, write, manage;
  action connect appliesTo { principal: [Identity], resource: [Connection], context: {} };
  action "http:GET", "http:HEAD", "http:OPTIONS" in [read]
    appliesTo { principal: [Identity], resource: [Connection, Route], context: HttpContext };
  action "http:POST", "http:PUT", "http:PATCH", "http:DELETE" in [write]
    appliesTo { principal: [Identity], resource: [Connection, Route], context: HttpContext };
  action reveal appliesTo { principal: [Identity], resource: [DataClass], context: { connection: Connection } };
  action approve appliesTo { principal: [Person], resource: [Approval], context: { anyRun: Bool } };
}
"#;

/// The actions that are in `read`, as [`SCHEMA`] says.
const READS: [&str; 3] = ["http:GET", "http:HEAD", "http:OPTIONS"];

/// Returns whether a command reads and does nothing else. One without effects does not.
#[must_use]
pub fn only_reads(effects: &[hoop_model::Effect]) -> bool {
    !effects.is_empty() && effects.iter().all(is_read)
}

/// Returns whether an effect is of an action in `read`.
pub(crate) fn is_read(effect: &hoop_model::Effect) -> bool {
    READS.contains(&&*effect.action)
}

#[derive(Clone, Copy)]
enum Shape {
    Long,
    Text,
    Texts,
}

/// An attribute of a context: name, type, and whether it is always there.
type Attribute = (&'static str, Shape, bool);

const HTTP_CONTEXT: [Attribute; 7] = [
    ("bodyBytes", Shape::Long, false),
    ("contentType", Shape::Text, false),
    ("method", Shape::Text, true),
    ("path", Shape::Text, true),
    ("query", Shape::Texts, true),
    ("queryKeys", Shape::Texts, true),
    ("segments", Shape::Texts, true),
];

/// An entity, then everything it is in.
pub(crate) type Lineage = Vec<EntityUid>;

/// What an entity says of itself, by name.
pub(crate) type Attributes = Vec<(String, RestrictedExpression)>;

/// The schema, taken apart.
pub(crate) struct Vocabulary {
    pub(crate) schema: Schema,
    pub(crate) action_entities: Entities,
    /// Actions that apply to something, by id: not the groups.
    actions: BTreeMap<Box<str>, Lineage>,
    types: Types,
}

struct Types {
    identity: EntityTypeName,
    group: EntityTypeName,
    environment: EntityTypeName,
    connection: EntityTypeName,
    route: EntityTypeName,
    data_class: EntityTypeName,
    team: EntityTypeName,
    person: EntityTypeName,
    approval: EntityTypeName,
}

impl Vocabulary {
    #[expect(clippy::expect_used, reason = "the schema is a constant of this crate")]
    pub(crate) fn load() -> Self {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).expect("the schema parses");
        let action_entities = schema.action_entities().expect("actions form a hierarchy");
        let applicable =
            schema.actions().filter(|a| schema.principals_for_action(a).is_some_and(|mut p| p.next().is_some()));
        let actions = applicable.map(|action| {
            let above = action_entities.ancestors(action).into_iter().flatten();
            (action.id().unescaped().into(), std::iter::once(action).chain(above).cloned().collect())
        });
        let actions = actions.collect();
        let named = |name: &str| format!("Hoop::{name}").parse().expect("a type name of the schema");
        let types = Types {
            identity: named("Identity"),
            group: named("Group"),
            environment: named("Environment"),
            connection: named("Connection"),
            route: named("Route"),
            data_class: named("DataClass"),
            team: named("Team"),
            person: named("Person"),
            approval: named("Approval"),
        };
        Self { schema, action_entities, actions, types }
    }

    /// Returns every action that applies to something, with what it is in.
    pub(crate) fn actions(&self) -> impl Iterator<Item = (&str, &Lineage)> {
        self.actions.iter().map(|(id, lineage)| (&**id, lineage))
    }

    pub(crate) fn action(&self, id: &str) -> Option<&Lineage> {
        self.actions.get(id)
    }

    pub(crate) fn subject(&self, subject: &Subject) -> Lineage {
        let groups = subject.groups.iter().map(|group| entity(&self.types.group, group.as_str()));
        let environment = subject.environment.iter().map(|name| entity(&self.types.environment, name.as_str()));
        let own = entity(&self.types.identity, subject.name.as_str());
        std::iter::once(own).chain(groups).chain(environment).collect()
    }

    pub(crate) fn person(&self, person: &PersonSubject) -> Lineage {
        let teams = person.teams.iter().map(|team| entity(&self.types.team, team.as_str()));
        std::iter::once(entity(&self.types.person, person.name.as_str())).chain(teams).collect()
    }

    /// Returns the approval, then what it is in.
    pub(crate) fn approval(&self, approval: &ApprovalSubject, environment: Option<&ResourceName>) -> Lineage {
        let own = entity(&self.types.approval, &approval.id.to_string());
        let within = self.resource(&approval.connection, environment, &Target::Connection);
        std::iter::once(own).chain(within).collect()
    }

    /// Returns what the schema has a policy know of an approval.
    pub(crate) fn attributes(&self, approval: &ApprovalSubject) -> Attributes {
        let named =
            |of: &EntityTypeName, name: &ResourceName| RestrictedExpression::new_entity_uid(entity(of, name.as_str()));
        let effects = approval.effects.iter().map(|e| RestrictedExpression::new_string(e.action.to_string()));
        let groups = approval.groups.iter().map(|group| named(&self.types.group, group));
        let attributes = [
            ("connection", named(&self.types.connection, &approval.connection)),
            ("effects", RestrictedExpression::new_set(effects)),
            ("groups", RestrictedExpression::new_set(groups)),
            ("identity", named(&self.types.identity, &approval.identity)),
            ("run", RestrictedExpression::new_string(approval.run.to_string())),
            ("team", named(&self.types.team, &approval.team)),
        ];
        attributes.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// Returns the class, then those that its name begins with, the longest first.
    pub(crate) fn class(&self, class: &ClassName) -> Lineage {
        let names = std::iter::successors(Some(class.as_str()), |name| name.rsplit_once('.').map(|(above, _)| above));
        names.map(|name| entity(&self.types.data_class, name)).collect()
    }

    /// Returns the touched entity, then what it is in. A route's id is `CONNECTION/ROUTE`.
    pub(crate) fn resource(
        &self,
        connection: &ResourceName,
        environment: Option<&ResourceName>,
        target: &Target,
    ) -> Lineage {
        let route = match target {
            Target::Connection => None,
            Target::Route(route) => Some(entity(&self.types.route, &format!("{connection}/{route}"))),
        };
        let environment = environment.map(|name| entity(&self.types.environment, name.as_str()));
        let own = entity(&self.types.connection, connection.as_str());
        route.into_iter().chain(std::iter::once(own)).chain(environment).collect()
    }
}

fn entity(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}

/// Returns whether a context has exactly the attributes that the schema gives the action; false for an unknown action.
///
/// INVARIANT: the answer is Cedar's own (`the_shapes_are_the_schemas`). It is given here because it must hold before a
/// verdict is looked up: Cedar's own check costs more than the look-up.
pub(crate) fn fits(action: &str, context: &Context) -> bool {
    let attributes: &[Attribute] = match action {
        CONNECT => &[],
        _ if action.starts_with("http:") => &HTTP_CONTEXT,
        _ => return false,
    };
    let sorted = context.is_sorted_by(|(a, _), (b, _)| a < b);
    let known = context.iter().all(|(name, value)| {
        let attribute = attributes.iter().find(|(known, _, _)| known == name);
        attribute.is_some_and(|&(_, shape, _)| has_shape(shape, value))
    });
    let has = |wanted: &str| context.iter().any(|(name, _)| name == wanted);
    sorted && known && attributes.iter().all(|(name, _, required)| !required || has(name))
}

fn has_shape(shape: Shape, value: &Value) -> bool {
    match (shape, value) {
        (Shape::Long, Value::Long(_)) | (Shape::Text, Value::Text(_)) => true,
        (Shape::Texts, Value::Set(elements)) => elements.iter().all(|e| matches!(e, Value::Text(_))),
        (Shape::Long | Shape::Text | Shape::Texts, _) => false,
    }
}

/// Returns the context of `reveal`: the connection, which comes first in its lineage.
pub(crate) fn reveal_context(connection: &Lineage) -> Option<cedar_policy::Context> {
    let connection = RestrictedExpression::new_entity_uid(connection.first()?.clone());
    cedar_policy::Context::from_pairs([("connection".to_owned(), connection)]).ok()
}

/// Renders a context for evaluation; `None` if it names an attribute twice.
pub(crate) fn cedar_context(context: &Context) -> Option<cedar_policy::Context> {
    let pairs = context.iter().map(|(name, value)| Some((name.to_string(), expression(value)?)));
    cedar_policy::Context::from_pairs(pairs.collect::<Option<Vec<_>>>()?).ok()
}

fn expression(value: &Value) -> Option<RestrictedExpression> {
    match value {
        Value::Bool(value) => Some(RestrictedExpression::new_bool(*value)),
        Value::Long(value) => Some(RestrictedExpression::new_long(*value)),
        Value::Text(value) => Some(RestrictedExpression::new_string(value.to_string())),
        Value::Set(elements) => {
            let elements = elements.iter().map(expression).collect::<Option<Vec<_>>>()?;
            Some(RestrictedExpression::new_set(elements))
        }
        Value::Record(fields) => {
            let fields = fields.iter().map(|(name, value)| Some((name.to_string(), expression(value)?)));
            RestrictedExpression::new_record(fields.collect::<Option<Vec<_>>>()?).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cedar_policy::Request;

    fn schema_takes(vocabulary: &Vocabulary, action: &str, context: &Context) -> bool {
        let connection = ResourceName::parse("react").unwrap();
        let principal: EntityUid = "Hoop::Identity::\"x\"".parse().unwrap();
        let action = vocabulary.action(action).unwrap()[0].clone();
        let resource = vocabulary.resource(&connection, None, &Target::Connection).remove(0);
        let context = cedar_context(context).unwrap();
        Request::new(principal, action, resource, context, Some(&vocabulary.schema)).is_ok()
    }

    #[test]
    fn the_shapes_are_the_schemas() {
        let vocabulary = Vocabulary::load();
        let values = [
            Value::Bool(true),
            Value::Long(1),
            Value::Text("x".into()),
            Value::Set(vec![]),
            Value::Set(vec![Value::Text("x".into())]),
            Value::Set(vec![Value::Long(1)]),
            Value::Record(vec![("x".into(), Value::Long(1))]),
        ];
        let fitting = |skip: Option<usize>| -> Context {
            let all = HTTP_CONTEXT.iter().enumerate().filter(|(i, _)| Some(*i) != skip);
            all.map(|(_, (name, shape, _))| {
                let value = match shape {
                    Shape::Long => &values[1],
                    Shape::Text => &values[2],
                    Shape::Texts => &values[4],
                };
                ((*name).into(), value.clone())
            })
            .collect()
        };
        let mut contexts = vec![vec![], fitting(None)];
        for i in 0..HTTP_CONTEXT.len() {
            contexts.push(fitting(Some(i)));
            contexts.extend(values.iter().map(|value| {
                let mut context = fitting(None);
                context[i].1 = value.clone();
                context
            }));
        }
        let mut more = fitting(None);
        more.push(("surplus".into(), values[1].clone()));
        contexts.push(more);
        let actions: Vec<_> = vocabulary.actions().map(|(id, _)| id.to_owned()).collect();
        assert_eq!(actions.len(), 10);
        let mut taken = 0;
        for action in &actions {
            for context in &contexts {
                let expected = schema_takes(&vocabulary, action, context);
                assert_eq!(fits(action, context), expected, "{action}: {context:?}");
                taken += usize::from(expected);
            }
        }
        assert!(taken > 50, "{taken}");
    }

    #[test]
    fn a_context_out_of_order_or_with_a_name_twice_does_not_fit() {
        let mut context: Context = HTTP_CONTEXT
            .iter()
            .filter(|(_, _, required)| *required)
            .map(|(name, shape, _)| {
                let value = if matches!(shape, Shape::Texts) { Value::Set(vec![]) } else { Value::Text("/".into()) };
                ((*name).into(), value)
            })
            .collect();
        assert!(fits("http:GET", &context));
        context.swap(0, 1);
        assert!(!fits("http:GET", &context));
        context.swap(0, 1);
        context.insert(1, context[0].clone());
        assert!(!fits("http:GET", &context));
    }

    #[test]
    fn what_only_reads_is_what_the_schema_has_in_read() {
        let line = SCHEMA.lines().find(|line| line.contains("in [read]")).unwrap();
        let quoted: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        assert_eq!(quoted, READS);
        assert_eq!(SCHEMA.matches("in [read]").count(), 1);
        let effect = |action: &'static str| hoop_model::Effect { action: action.into(), target: Target::Connection };
        assert!(only_reads(&[effect("http:GET"), effect("http:HEAD")]));
        for other in [&[][..], &[effect("http:GET"), effect("http:POST")], &[effect("read")], &[effect("HTTP:GET")]] {
            assert!(!only_reads(other), "{other:?}");
        }
    }

    #[test]
    fn groups_and_unknown_actions_have_no_context() {
        for action in ["read", "write", "sql:select", "", "Hoop"] {
            assert!(!fits(action, &vec![]), "{action}");
            assert!(Vocabulary::load().action(action).is_none(), "{action}");
        }
    }
}
