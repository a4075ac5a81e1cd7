//! `hoopctl policy test`: cases that say what the rules must say.

use super::apply::read_files;
use super::{Format, Outcome, explain};
use crate::client::Access;
use crate::manifest;
use crate::shown::escape;
use crate::trial::{Asked, Explanation, Trial};
use anyhow::Context;
use comfy_table::{Table, presets};
use hoop_model::ResourceName;
use http::{HeaderMap, Method};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Runs cases against the cluster's rules, or with `-f` against those of files. Exits with 1 if one does not come out.
#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// YAML files of cases: `tests: [{name, identity, connection, request, expect}]`.
    #[arg(required = true)]
    cases: Vec<PathBuf>,
    /// The documents to ask instead of the cluster: YAML files, or directories of them.
    #[arg(short, long = "file")]
    file: Vec<PathBuf>,
    /// How to print.
    #[arg(short, long = "output", value_enum, default_value = "table")]
    output: Format,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    tests: Vec<Case>,
}

/// What must come of one command.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    identity: ResourceName,
    connection: ResourceName,
    /// `METHOD TARGET`.
    request: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    claims: BTreeMap<String, String>,
    expect: Expected,
    /// The refusal's code.
    code: Option<String>,
    /// A team whose people must release it.
    team: Option<ResourceName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Allow,
    Refuse,
    Hold,
}

impl Expected {
    const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Refuse => "refuse",
            Self::Hold => "hold",
        }
    }
}

/// How one case came out.
struct Ran {
    name: String,
    /// What is wrong, with the explanation; none if nothing is.
    problem: Option<(String, String)>,
}

impl Test {
    pub(crate) async fn run(&self, access: &Access) -> anyhow::Result<Outcome> {
        let trial = match self.file.as_slice() {
            [] => explain::of_cluster(&mut access.connect().await?).await?,
            files => explain::of_documents(read_files(files)?)?,
        };
        let mut ran = Vec::new();
        for file in &self.cases {
            let text = std::fs::read_to_string(file).with_context(|| format!("read `{}`", file.display()))?;
            let cases: Vec<Cases> =
                manifest::read_as(&text).map_err(|error| anyhow::anyhow!("{}:{error}", file.display()))?;
            for case in cases.into_iter().flat_map(|cases| cases.tests) {
                ran.push(case.run(&trial));
            }
        }
        let value = ran.iter().map(|ran| {
            json!({"name": ran.name, "passed": ran.problem.is_none(), "problem": ran.problem.as_ref().map(|(p, _)| p)})
        });
        self.output.print(&value.collect(), || shown(&ran))?;
        let failed = ran.iter().filter(|ran| ran.problem.is_some()).count();
        Ok(if failed == 0 && !ran.is_empty() { Outcome::Done } else { Outcome::Failed })
    }
}

impl Case {
    fn run(self, trial: &Trial) -> Ran {
        let problem = match self.asked() {
            Ok(asked) => match trial.ask(&asked) {
                Ok(explanation) => {
                    let wrong = self.wrong(&explanation);
                    wrong.map(|wrong| (wrong, explain::shown(trial, &asked, &explanation)))
                }
                Err(error) => Some((format!("{error:#}"), String::new())),
            },
            Err(error) => Some((format!("{error:#}"), String::new())),
        };
        Ran { name: self.name, problem }
    }

    fn asked(&self) -> anyhow::Result<Asked> {
        let (method, target) = self.request.split_once(' ').context("`request` is `METHOD TARGET`")?;
        let fields = self.headers.iter().map(|(name, value)| Asked::field(&format!("{name}: {value}")));
        Ok(Asked {
            identity: self.identity.clone(),
            connection: self.connection.clone(),
            method: method.parse::<Method>().context("`request` begins with a method")?,
            target: target.to_owned(),
            headers: fields.collect::<Result<HeaderMap, _>>()?,
            claims: self.claims.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        })
    }

    fn wrong(&self, explanation: &Explanation) -> Option<String> {
        let word = explanation.word();
        if word != self.expect.word() {
            return Some(format!("expected {}, got {word}", self.expect.word()));
        }
        let code = explanation.refusal().map(|refusal| refusal.code.as_str());
        if let Some(expected) = self.code.as_deref().filter(|expected| Some(*expected) != code) {
            return Some(format!("expected code {expected}, got {}", code.unwrap_or("none")));
        }
        let teams = explanation.teams();
        let missing = self.team.as_ref().filter(|team| !teams.contains(team));
        missing.map(|team| format!("team {team} is not asked"))
    }
}

fn shown(ran: &[Ran]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["", "TEST", "PROBLEM"]);
    let mut more = Vec::new();
    for Ran { name, problem } in ran {
        let (word, what) = match problem {
            None => ("ok", String::new()),
            Some((what, explanation)) => {
                more.push(format!("{}: {}\n{explanation}", escape(name), escape(what)));
                ("FAILED", escape(what))
            }
        };
        table.add_row([word.to_owned(), escape(name), what]);
    }
    let failed = ran.iter().filter(|ran| ran.problem.is_some()).count();
    let mut parts = vec![table.to_string(), format!("{} passed, {failed} failed", ran.len() - failed)];
    parts.extend(more);
    parts.join("\n\n")
}
