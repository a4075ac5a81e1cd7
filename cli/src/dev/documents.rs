//! What the demo applies, as an administrator would write it.

use super::issuer::{AUDIENCE, DemoIssuer, PEOPLE};
use hoop_model::spec::Origin;

/// The demo's issuer and identity.
pub(super) fn documents_of_caller(issuer: &DemoIssuer) -> String {
    format!(
        r#"apiVersion: hoop/v1
kind: Issuer
metadata: {{name: ci}}
spec: {{for: identities, url: "{url}", audiences: ["{AUDIENCE}"], algorithms: [ES256], maxTokenLifetime: 1h}}
---
apiVersion: hoop/v1
kind: Identity
metadata: {{name: nightly-react}}
spec:
  issuer: ci
  claims: {{repository_id: "4711", ref: refs/heads/main}}
  run: run_id
  owner: platform-team@example.com
  groups: [agents]
  environment: production
"#,
        url = issuer.url()
    )
}

/// The demo's person, and the issuer that vouches for people.
pub(super) fn documents_of_people(staff: &DemoIssuer) -> String {
    format!(
        r#"---
apiVersion: hoop/v1
kind: Issuer
metadata: {{name: staff}}
spec: {{for: people, url: "{url}", audiences: ["{PEOPLE}"], algorithms: [ES256], maxTokenLifetime: 1h}}
---
apiVersion: hoop/v1
kind: Person
metadata: {{name: ann}}
spec: {{issuer: staff, claims: {{sub: ann-id}}, teams: [on-call]}}
"#,
        url = staff.url()
    )
}

/// A connection to a service, with further entries of its spec.
pub(super) fn document_of_connection(name: &str, origin: &Origin, more: &str) -> String {
    format!(
        "---\napiVersion: hoop/v1\nkind: Connection\nmetadata: {{name: {name}}}\n\
         spec: {{protocol: http, upstream: \"{origin}\", environment: production{more}}}\n"
    )
}

/// The key of the demo's service. Its value is set by itself.
pub(super) fn document_of_key(origin: &Origin) -> String {
    format!(
        "---\napiVersion: hoop/v1\nkind: Secret\nmetadata: {{name: react-api}}\n\
         spec: {{sealed: true, for: [\"{origin}\"]}}\n"
    )
}

/// What stands in place of card numbers. Every other class is redacted.
pub(super) const CARDS: &str = "---
apiVersion: hoop/v1
kind: DataClass
metadata: {name: cards}
spec: {class: pii.card, recognise: {builtin: payment_card, fields: [card_number]}, transform: {keepLast: 4}}
";

/// What the demo begins with.
pub(super) const OPEN_POLICY: &str = r#"---
apiVersion: hoop/v1
kind: Policy
metadata: {name: agents-on-react}
spec:
  cedar: |
    permit (principal in Hoop::Group::"agents", action == Hoop::Action::"connect", resource == Hoop::Connection::"react");
    permit (principal in Hoop::Group::"agents", action in Hoop::Action::"read", resource in Hoop::Connection::"react");
    permit (principal in Hoop::Group::"agents", action == Hoop::Action::"http:PATCH", resource in Hoop::Connection::"react");

    @id("updates-wait")
    @hold("on-call")
    @message("updates wait for on-call; notes do not")
    forbid (principal, action == Hoop::Action::"http:PATCH", resource in Hoop::Connection::"react")
    unless { context.path like "/notes/*" };
---
apiVersion: hoop/v1
kind: Policy
metadata: {name: production}
spec:
  cedar: |
    @id("no-deletes")
    @message("jobs never delete in production")
    forbid (principal, action == Hoop::Action::"http:DELETE", resource in Hoop::Environment::"production");
"#;

/// What it is tightened to.
pub(super) const READ_ONLY_POLICY: &str = r#"apiVersion: hoop/v1
kind: Policy
metadata: {name: agents-on-react}
spec:
  cedar: |
    permit (principal in Hoop::Group::"agents", action == Hoop::Action::"connect", resource == Hoop::Connection::"react");
    permit (principal in Hoop::Group::"agents", action in Hoop::Action::"read", resource in Hoop::Connection::"react");
"#;
