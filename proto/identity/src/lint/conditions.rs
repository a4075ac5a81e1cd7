//! What is wrong with the conditions of one Identity.

use super::{Conditions, Finding, alternatives, names_one_of, never_matches, text_of, wrong_issuer};
use hoop_model::spec::{Audience, ClaimCondition, Identity, Issuer};
use hoop_model::{Kind, ResourceName};
use std::collections::BTreeMap;

/// Claims that name something by a name its owner can give up and somebody else can take, and the ids that go with it.
/// GitHub ("About security hardening with OpenID Connect", token claims), GitLab ("OpenID Connect in GitLab CI/CD"),
/// Buildkite ("OIDC in Buildkite Pipelines") and HCP Terraform ("Workload identity tokens").
const RECYCLABLE: &[(&str, &[&str])] = &[
    ("repository", &["repository_id"]),
    ("repository_owner", &["repository_owner_id", "repository_id"]),
    ("workflow_ref", &["repository_id"]),
    ("job_workflow_ref", &["repository_id"]),
    ("actor", &["actor_id", "repository_id"]),
    ("project_path", &["project_id"]),
    ("namespace_path", &["namespace_id", "project_id"]),
    ("user_login", &["user_id", "project_id"]),
    ("user_email", &["user_id", "project_id"]),
    ("pipeline_slug", &["pipeline_id"]),
    ("organization_slug", &["organization_id", "pipeline_id"]),
    ("terraform_workspace_name", &["terraform_workspace_id"]),
    ("terraform_project_name", &["terraform_project_id", "terraform_workspace_id"]),
    ("terraform_organization_name", &["terraform_organization_id", "terraform_workspace_id"]),
];

/// Beginnings of a `sub` that is made of such names, and the ids that go with them.
const RECYCLABLE_SUBJECTS: &[(&str, &[&str])] = &[
    ("repo:", &["repository_id"]),
    ("repository_owner:", &["repository_owner_id", "repository_id"]),
    ("project_path:", &["project_id"]),
    ("organization:", &["pipeline_id", "terraform_workspace_id"]),
];

/// URLs of CI issuers that sign tokens for everybody, and the ids of which a rule must name one.
const PUBLIC_ISSUERS: &[(&str, &[&str])] = &[
    ("https://token.actions.githubusercontent.com", &["repository_id", "repository_owner_id"]),
    ("https://gitlab.com", &["project_id", "namespace_id"]),
    ("https://agent.buildkite.com", &["pipeline_id", "organization_id"]),
    ("https://app.terraform.io", &["terraform_workspace_id", "terraform_project_id", "terraform_organization_id"]),
];

/// Claims that say under which circumstances a job runs, and not whose job it is.
const GENERIC: &[&str] = &[
    "aud",
    "base_ref",
    "branch",
    "build_branch",
    "deployment_tier",
    "environment",
    "environment_protected",
    "event_name",
    "exp",
    "head_ref",
    "iat",
    "iss",
    "nbf",
    "pipeline_source",
    "ref",
    "ref_path",
    "ref_protected",
    "ref_type",
    "repository_visibility",
    "project_visibility",
    "run_attempt",
    "runner_environment",
    "scope",
    "terraform_run_phase",
    "typ",
    "workflow",
];

pub(super) fn lint(
    name: &ResourceName,
    identity: &Identity,
    issuers: &BTreeMap<&ResourceName, &Issuer>,
) -> Vec<Finding> {
    let issuer = issuers.get(&identity.issuer).copied();
    let mut messages = Vec::new();
    messages.extend(wrong_issuer(&identity.issuer, issuer, Audience::Identities));
    messages.extend(identity.claims.iter().filter_map(|(claim, is)| never_matches(claim, is)));
    messages.extend(identity.claims.iter().filter_map(|(claim, is)| recyclable(&identity.claims, claim, is)));
    messages.extend(anybody(&identity.claims, issuer));
    let finding = |message| Finding { kind: Kind::Identity, name: name.clone(), message };
    messages.into_iter().map(finding).collect()
}

/// Says that a condition names something by a name that others can take over.
fn recyclable(claims: &Conditions, claim: &str, condition: &ClaimCondition) -> Option<String> {
    let ids = match claim {
        "sub" => {
            let sub = text_of(condition)?;
            RECYCLABLE_SUBJECTS.iter().find(|(beginning, _)| sub.starts_with(beginning))?.1
        }
        _ => RECYCLABLE.iter().find(|(name, _)| *name == claim)?.1,
    };
    (!names_one_of(claims, ids)).then(|| {
        format!(
            "`claims.{claim}` is a name that can be given up and taken by others; also require {}, which is never reused",
            alternatives(ids)
        )
    })
}

/// Says that the conditions leave open whose job it is.
fn anybody(claims: &Conditions, issuer: Option<&Issuer>) -> Option<String> {
    if claims.keys().all(|claim| GENERIC.contains(&claim.as_str())) {
        return Some(
            "`claims` names no job, project or subject: every token of the issuer with the same circumstances would \
             match; also require `sub` or an id"
                .to_owned(),
        );
    }
    let url = issuer?.url.as_str();
    let is_tenant_of =
        |public: &str| url.strip_prefix(public).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let (_, ids) = PUBLIC_ISSUERS.iter().find(|(public, _)| is_tenant_of(public))?;
    (!names_one_of(claims, ids))
        .then(|| format!("`claims` must require {}: `{url}` signs tokens for everybody's jobs", alternatives(ids)))
}
