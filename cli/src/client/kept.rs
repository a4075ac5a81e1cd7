//! What `hoopctl login` keeps: one file for each server, readable by its owner only.

use anyhow::Context;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Returns the token that is kept for a server.
pub(super) fn token(server: &str) -> anyhow::Result<Option<String>> {
    let file = file(&directory()?, server);
    match std::fs::read_to_string(&file) {
        Ok(token) => Ok(Some(token)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read `{}`", file.display())),
    }
}

/// Keeps a token for a server.
pub(super) fn keep(server: &str, token: &str) -> anyhow::Result<()> {
    let directory = directory()?;
    hoop_node::files::make_directory(&directory).with_context(|| format!("make `{}`", directory.display()))?;
    Ok(hoop_node::files::write_private(&file(&directory, server), token.as_bytes())?)
}

/// Forgets the token of a server.
pub(super) fn forget(server: &str) -> anyhow::Result<()> {
    let file = file(&directory()?, server);
    match std::fs::remove_file(&file) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("remove `{}`", file.display())),
    }
}

/// Beneath the XDG configuration directory (XDG Base Directory Specification 0.8).
fn directory() -> anyhow::Result<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    Ok(base.context("neither XDG_CONFIG_HOME nor HOME says where to keep who is signed in")?.join("hoopgate/signed-in"))
}

fn file(directory: &Path, server: &str) -> PathBuf {
    let host = server.split_once("://").map_or(server, |(_, host)| host);
    let name = host.trim_end_matches('/').replace(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-'), "_");
    directory.join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_a_file_of_its_own_and_no_other_place() {
        let file = |server| file(Path::new("/c"), server).display().to_string();
        assert_eq!(file("https://cp.test:7443"), "/c/cp.test_7443");
        assert_eq!(file("https://cp.test:7443/"), "/c/cp.test_7443");
        assert_eq!(file("https://[::1]:7443"), "/c/___1__7443");
        assert_eq!(file("https://a/../../b"), "/c/a_.._.._b");
    }
}
