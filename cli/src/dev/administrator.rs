//! The demo's administrator: runs this very program, as a person would, and keeps what it printed.

use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who can sign in to the demo's control plane.
pub(super) struct Administrator {
    server: String,
    ca: PathBuf,
    token_file: PathBuf,
}

/// What a command said.
#[derive(Debug)]
pub(super) struct Said {
    /// The exit code; -1 for a death by signal.
    pub(super) code: i32,
    /// Its output.
    pub(super) out: String,
    /// Its complaints.
    pub(super) err: String,
}

impl Administrator {
    pub(super) fn new(server: &str, (ca, token_file): (PathBuf, PathBuf)) -> Self {
        Self { server: server.to_owned(), ca, token_file }
    }

    /// Gives somebody else the same tool with a token of their own, written to a file in this directory.
    pub(super) fn for_person(&self, directory: &Path, token: &str) -> anyhow::Result<Self> {
        let token_file = directory.join("person-token");
        hoop_node::files::write_private(&token_file, token.as_bytes())?;
        Ok(Self { server: self.server.clone(), ca: self.ca.clone(), token_file })
    }

    /// Runs `hoopctl` with these arguments, whatever comes of it.
    pub(super) async fn run(&self, arguments: &[&str]) -> anyhow::Result<Said> {
        let program = std::env::current_exe().context("find this program")?;
        let mut command = Command::new(program);
        command.args(arguments).arg("--server").arg(&self.server).arg("--ca").arg(&self.ca);
        command.arg("--token-file").arg(&self.token_file);
        let ran = tokio::task::spawn_blocking(move || command.output()).await.context("wait for hoopctl")?;
        let output = ran.context("run hoopctl")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        Ok(Said { code, out: text(&output.stdout), err: text(&output.stderr) })
    }

    /// Runs `hoopctl` and returns what it printed; it must succeed.
    pub(super) async fn done(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let said = self.run(arguments).await?;
        ensure!(said.code == 0, "`hoopctl {}` failed: {}{}", arguments.join(" "), said.out, said.err);
        Ok(said.out)
    }
}

/// Copies a directory with everything in it.
pub(super) fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("make `{}`", to.display()))?;
    for entry in std::fs::read_dir(from).with_context(|| format!("read `{}`", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target).with_context(|| format!("copy to `{}`", target.display()))?;
        }
    }
    Ok(())
}

/// Returns every file beneath a directory whose name ends so, sorted.
pub(super) fn files_ending(directory: &Path, ending: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(|| format!("read `{}`", directory.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_ending(&path, ending)?);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
