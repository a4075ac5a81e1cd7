//! `hoopctl apply`: make the documents true, all of them or none.

use super::receipts::{self, Counted};
use super::{Outcome, complain, print_line};
use crate::client::{Admin, said};
use crate::manifest::{self, Document};
use anyhow::{Context, bail};
use hoop_model::Spec;
use hoop_wire::v1;
use std::path::{Path, PathBuf};

/// Longest that `--wait` waits for the fleet.
const WAIT_MILLIS: u64 = 30_000;

/// Applies resources from YAML.
#[derive(Debug, clap::Args)]
pub(crate) struct Apply {
    /// A YAML file, or a directory whose `*.yaml` and `*.yml` files are taken in the order of their names.
    #[arg(short, long = "file", required = true)]
    file: Vec<PathBuf>,
    /// Check and report, change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Return once it is in effect on every node: applied, or without authority.
    #[arg(long)]
    wait: bool,
}

impl Apply {
    pub(crate) async fn run(&self, mut admin: Admin) -> anyhow::Result<Outcome> {
        let documents = read_files(&self.file)?;
        warn(&documents);
        let revision = match apply(&mut admin, &documents, self.dry_run).await {
            Ok(reply) => report(&reply, self.dry_run)?,
            Err(status) if matches!(status.code(), tonic::Code::InvalidArgument | tonic::Code::PermissionDenied) => {
                complain(&format!("refused: {}", status.message()));
                return Ok(Outcome::Refused);
            }
            Err(status) => return Err(said(status)),
        };
        match revision {
            Some(revision) if self.wait && !self.dry_run => wait(&mut admin, revision).await,
            Some(_) | None => Ok(Outcome::Done),
        }
    }
}

/// Says of policies what is likely not meant. None of it keeps them from being applied.
pub(crate) fn warn(documents: &[Document]) {
    for document in documents {
        if let Spec::Policy(policy) = &document.spec {
            for warning in hoop_policy::lint(&document.name, &policy.cedar) {
                complain(&format!("warning: {warning}"));
            }
        }
    }
}

/// Sends documents as one transaction.
pub(crate) async fn apply(
    admin: &mut Admin,
    documents: &[Document],
    dry_run: bool,
) -> Result<v1::ApplyResponse, tonic::Status> {
    let documents = documents.iter().map(|document| v1::Document {
        name: document.name.to_string(),
        spec: Some((&document.spec).into()),
        precondition: None,
    });
    let request = v1::ApplyRequest {
        documents: documents.collect(),
        dry_run,
        idempotency_key: hoop_node::random::<16>().to_vec(),
    };
    Ok(admin.apply(request).await?.into_inner())
}

/// Waits until a revision is in effect on every node, and says how each stands.
pub(crate) async fn wait(admin: &mut Admin, revision: v1::Revision) -> anyhow::Result<Outcome> {
    let request =
        v1::WaitAppliedRequest { revision: Some(revision), timeout_ms: WAIT_MILLIS, identity_uid: Vec::new() };
    let nodes = admin.wait_applied(request).await.map_err(said)?.into_inner().nodes;
    if !nodes.is_empty() {
        print_line(&receipts::table(&nodes, Counted::Nothing).to_string())?;
    }
    Ok(receipts::outcome(&nodes))
}

fn report(reply: &v1::ApplyResponse, dry_run: bool) -> anyhow::Result<Option<v1::Revision>> {
    for applied in &reply.applied {
        let name = applied.metadata.as_ref().map_or("?", |metadata| metadata.name.as_str());
        let word = match applied.outcome() {
            v1::apply_response::Outcome::Created => "created",
            v1::apply_response::Outcome::Changed => "changed",
            v1::apply_response::Outcome::Unchanged => "unchanged",
            v1::apply_response::Outcome::Unspecified => "unknown",
        };
        print_line(&format!("{}/{name} {word}{}", applied.kind, if dry_run { " (dry run)" } else { "" }))?;
    }
    if let Some(revision) = reply.revision {
        print_line(&format!("revision {}.{}", revision.epoch, revision.index))?;
    }
    Ok(reply.revision)
}

/// Reads every document of the files and directories, in order.
pub(crate) fn read_files(paths: &[PathBuf]) -> anyhow::Result<Vec<Document>> {
    let mut documents = Vec::new();
    for path in paths {
        for file in yaml_files(path)? {
            let text = std::fs::read_to_string(&file).with_context(|| format!("read `{}`", file.display()))?;
            let read = manifest::read_all(&text).map_err(|error| anyhow::anyhow!("{}:{error}", file.display()))?;
            documents.extend(read);
        }
    }
    if documents.is_empty() {
        bail!("no documents found");
    }
    Ok(documents)
}

fn yaml_files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("read `{}`", path.display()))?;
    let mut files = entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"));
    files.sort();
    Ok(files)
}
