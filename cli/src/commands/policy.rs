//! `hoopctl policy`: what rules mean, without a cluster.

use super::Outcome;
use super::apply::{read_files, warn};
use hoop_model::{Metadata, Object, Revision, Uid};
use std::path::PathBuf;
use std::sync::Arc;

/// Works on policies offline.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Policy {
    /// Checks that documents would be accepted together: types, names, annotations.
    Check {
        /// YAML files or directories.
        #[arg(short, long = "file", required = true)]
        file: Vec<PathBuf>,
    },
}

impl Policy {
    pub(crate) fn run(&self) -> anyhow::Result<Outcome> {
        let Self::Check { file } = self;
        let documents = read_files(file)?;
        warn(&documents);
        let objects: Vec<_> = documents
            .into_iter()
            .map(|document| {
                // Only the control plane mints uids and revisions; checking needs none that mean anything.
                let metadata =
                    Metadata { name: document.name, uid: Uid::mint(0), generation: 1, revision: Revision::default() };
                Arc::new(Object { metadata, spec: document.spec })
            })
            .collect();
        let Err(errors) = hoop_policy::validate(&objects) else {
            println!("{} documents are valid together", objects.len());
            return Ok(Outcome::Done);
        };
        for error in errors {
            eprintln!("{error}");
        }
        Ok(Outcome::Refused)
    }
}
