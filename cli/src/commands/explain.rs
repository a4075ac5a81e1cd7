//! `hoopctl explain`: what the rules say of a command, why, and what would change it. Nothing is sent to anybody.

use super::apply::read_files;
use super::{LineFormat, Outcome, print_line};
use crate::client::{Access, Admin, said};
use crate::manifest::Document;
use crate::shown::{escape, escape_json};
use crate::trial::{Asked, Explanation, InvalidField, Trial};
use anyhow::Context;
use hoop_model::{Metadata, Object, Requirement, ResourceName, Revision, Uid, Verdict};
use hoop_policy::{Ending, Explained, Mode, Role};
use hoop_wire::v1;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// Says what the rules would say of a command: the cluster's, or with `-f` those of files. It judges with the same code as a
/// node, and sends nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// The Identity that would send it.
    #[arg(value_parser = ResourceName::parse)]
    identity: ResourceName,
    /// The Connection that it would go to.
    #[arg(value_parser = ResourceName::parse)]
    connection: ResourceName,
    /// The method.
    method: Method,
    /// Path and query, as the backend knows them: `/orders/7?full=1`.
    target: String,
    /// A header field, `NAME: VALUE`; for example of the content type, or the body's length.
    #[arg(short = 'H', long = "header", value_parser = field)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// A claim of the token, `NAME=VALUE`, beside those that the Identity asks for.
    #[arg(long, value_parser = claim)]
    claim: Vec<(String, String)>,
    /// Files to ask instead of the cluster: YAML files, or directories of them.
    #[arg(short, long = "file")]
    file: Vec<PathBuf>,
    /// How to print.
    #[arg(short, long = "output", value_enum, default_value = "text")]
    output: LineFormat,
}

fn field(text: &str) -> Result<(HeaderName, HeaderValue), InvalidField> {
    Asked::field(text)
}

fn claim(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once('=').context("a claim is `NAME=VALUE`")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Explain {
    pub(crate) async fn run(&self, access: &Access) -> anyhow::Result<Outcome> {
        let trial = match self.file.as_slice() {
            [] => of_cluster(&mut access.connect().await?).await?,
            files => of_documents(read_files(files)?)?,
        };
        let asked = Asked {
            identity: self.identity.clone(),
            connection: self.connection.clone(),
            method: self.method.clone(),
            target: self.target.clone(),
            headers: self.header.iter().cloned().collect::<HeaderMap>(),
            claims: self.claim.clone(),
        };
        let explanation = trial.ask(&asked)?;
        match self.output {
            LineFormat::Text => print_line(shown(&trial, &asked, &explanation).trim_end())?,
            LineFormat::Json => print_line(&escape_json(&json(&trial, &asked, &explanation).to_string()))?,
        }
        Ok(Outcome::Done)
    }
}

/// Compiles what the cluster has.
pub(super) async fn of_cluster(admin: &mut Admin) -> anyhow::Result<Trial> {
    let objects = admin.list(v1::ListRequest::default()).await.map_err(said)?.into_inner().objects;
    let objects = objects.into_iter().map(|object| Object::try_from(object).map(Arc::new));
    Trial::of(objects.collect::<Result<_, _>>()?)
}

/// Compiles what files say.
pub(super) fn of_documents(documents: Vec<Document>) -> anyhow::Result<Trial> {
    let objects = documents.into_iter().zip(1_u128..).map(|(document, number)| {
        let (name, uid) = (document.name, Uid::mint(number));
        let metadata = Metadata { name, uid, generation: 1, revision: Revision { epoch: 0, index: 1 } };
        Arc::new(Object { metadata, spec: document.spec })
    });
    Trial::of(objects.collect())
}

/// Shows an explanation to people.
pub(super) fn shown(trial: &Trial, asked: &Asked, explanation: &Explanation) -> String {
    let mut lines = vec![format!("{} on {}, as {}", escape(&explanation.command), asked.connection, asked.identity)];
    lines.push(format!("  {}", outcome(explanation)));
    for (action, statements) in &explanation.statements {
        lines.push(format!("{action}:"));
        if statements.is_empty() {
            lines.push("  no statement is about it".to_owned());
        }
        for explained in statements {
            let place = trial.source(explained).map(|(line, _)| format!(" (line {line})")).unwrap_or_default();
            let message = explained.policy.message.as_ref().map(|message| format!(": {}", escape(message)));
            lines.push(format!(
                "  {:<40} {}{}",
                format!("{}{place}", escape(&explained.policy.statement)),
                says(explained),
                message.filter(|_| explained.ending == Ending::Satisfied).unwrap_or_default(),
            ));
        }
    }
    lines.extend(seen(explanation));
    if !explanation.context.is_empty() {
        lines.push("context:".to_owned());
        lines.extend(explanation.context.iter().map(|(name, value)| format!("  {name} = {}", escape(value))));
    }
    if !explanation.changes.is_empty() {
        lines.push("what would change it:".to_owned());
        lines.extend(explanation.changes.iter().map(|change| format!("  {}", escape(change))));
    }
    lines.join("\n")
}

/// Says what the caller would see of each class that the connection masks, and who decided that.
fn seen(explanation: &Explanation) -> Vec<String> {
    let lines = explanation.classes.iter().flat_map(|(class, shown)| {
        let word = if shown.clear { "shown" } else { "masked" };
        let decided = shown.statements.iter().filter(|explained| explained.ending != Ending::Unsatisfied);
        let statements =
            decided.map(|explained| format!("{} {}", escape(&explained.policy.statement), says(explained)));
        let why = statements.collect::<Vec<_>>().join(", ");
        [format!("  {:<40} {word}{}{why}", class.as_str(), if why.is_empty() { "" } else { ": " })]
    });
    let lines: Vec<_> = lines.collect();
    let heading = (!lines.is_empty()).then(|| "answers:".to_owned());
    heading.into_iter().chain(lines).collect()
}

fn outcome(explanation: &Explanation) -> String {
    let word = explanation.word();
    if let Some(refusal) = explanation.refusal() {
        return format!("{word} {}: {}", refusal.code.as_str(), escape(&refusal.message));
    }
    match explanation.verdict.as_ref().map(|judgement| &judgement.verdict) {
        Ok(Verdict::Hold(required)) => {
            let seats = required.iter().map(|Requirement { team, quorum, .. }| format!("{quorum} of {team}"));
            format!("{word} for {}", seats.collect::<Vec<_>>().join(" and "))
        }
        Ok(Verdict::Allow | Verdict::Refuse(_)) | Err(_) => word.to_owned(),
    }
}

fn says(explained: &Explained) -> String {
    let does = match (&explained.role, &explained.ending) {
        (_, Ending::Failed(cause)) => format!("fails: {cause}"),
        (Role::Permit, Ending::Satisfied) => "permits".to_owned(),
        (Role::Forbid, Ending::Satisfied) => "forbids".to_owned(),
        (Role::Hold(required), Ending::Satisfied) => format!("holds for {} of {}", required.quorum, required.team),
        (Role::Permit, Ending::Unsatisfied) => "would permit, and its condition does not hold".to_owned(),
        (Role::Forbid | Role::Hold(_), Ending::Unsatisfied) => "does not apply".to_owned(),
    };
    match explained.mode {
        Mode::Enforced => does,
        Mode::Shadow => format!("in shadow: {does}"),
    }
}

/// Shows an explanation to scripts.
pub(super) fn json(trial: &Trial, asked: &Asked, explanation: &Explanation) -> Value {
    let statements = explanation.statements.iter().flat_map(|(action, statements)| {
        statements.iter().map(move |explained| {
            let source = trial.source(explained);
            json!({
                "effect": action,
                "statement": explained.policy.statement,
                "role": match explained.role { Role::Permit => "permit", Role::Forbid => "forbid", Role::Hold(_) => "hold" },
                "shadow": explained.mode == Mode::Shadow,
                "says": match &explained.ending {
                    Ending::Satisfied => "satisfied", Ending::Unsatisfied => "unsatisfied", Ending::Failed(_) => "failed",
                },
                "message": explained.policy.message,
                "line": source.map(|(line, _)| line),
                "source": source.map(|(_, text)| text),
            })
        })
    });
    let requirements = match explanation.verdict.as_ref().map(|judgement| &judgement.verdict) {
        Ok(Verdict::Hold(required)) => required.as_slice(),
        Ok(Verdict::Allow | Verdict::Refuse(_)) | Err(_) => &[],
    };
    let refusal = explanation.refusal();
    json!({
        "identity": asked.identity.as_str(),
        "connection": asked.connection.as_str(),
        "command": explanation.command,
        "verdict": explanation.word(),
        "code": refusal.map(|refusal| refusal.code.as_str()),
        "message": refusal.map(|refusal| &refusal.message),
        "requirements": requirements.iter().map(|r| json!({"team": r.team.as_str(), "quorum": r.quorum})).collect::<Value>(),
        "statements": statements.collect::<Value>(),
        "context": explanation.context.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<serde_json::Map<_, _>>(),
        "changes": explanation.changes,
        "classes": explanation.classes.iter().map(|(class, shown)| json!({
            "class": class.as_str(),
            "shown": shown.clear,
            "statements": shown.statements.iter().filter(|explained| explained.ending == Ending::Satisfied)
                .map(|explained| &explained.policy.statement).collect::<Vec<_>>(),
        })).collect::<Value>(),
    })
}
