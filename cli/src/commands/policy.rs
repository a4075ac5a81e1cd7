//! `hoopctl policy`: what rules mean, before anybody is judged by them.

use super::apply::{read_files, warn};
use super::policy_test::Test;
use super::{Outcome, complain, print_line};
use crate::client::Access;
use hoop_model::{Metadata, Object, Revision, Uid};
use std::path::PathBuf;
use std::sync::Arc;

/// Checks and tests policies.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Policy {
    /// Checks that documents would be accepted together: types, names, annotations.
    Check {
        /// YAML files or directories.
        #[arg(short, long = "file", required = true)]
        file: Vec<PathBuf>,
    },
    Test(Test),
}

impl Policy {
    pub(crate) async fn run(&self, access: &Access) -> anyhow::Result<Outcome> {
        match self {
            Self::Check { file } => check(file),
            Self::Test(test) => test.run(access).await,
        }
    }
}

fn check(file: &[PathBuf]) -> anyhow::Result<Outcome> {
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
        print_line(&format!("{} documents are valid together", objects.len()))?;
        return Ok(Outcome::Done);
    };
    for error in errors {
        complain(&error.to_string());
    }
    Ok(Outcome::Refused)
}
