//! Processes: the product's binaries, with their output in files, ended by their id.

use crate::poll::eventually;
use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// A running process. Killed when dropped.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command with both its outputs appended to `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Self {
        let open = || File::options().create(true).append(true).open(log).unwrap();
        let started = command.stdin(Stdio::null()).stdout(open()).stderr(open()).spawn();
        let child = started.unwrap_or_else(|error| panic!("cannot start {name} ({command:?}): {error}"));
        Self { name: name.to_owned(), child, log: log.to_owned() }
    }

    /// Returns its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns everything it has written to its outputs, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Returns its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let name = self.name.clone();
        eventually(&format!("{name} ends"), || self.ended())
    }

    /// Kills it, as a crash would: no handler of its own runs.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }

    /// Sends it a signal, for example `TERM` or `STOP`.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.id().to_string()]).status().unwrap();
        assert!(sent.success(), "cannot send {signal} to {}", self.name);
    }

    /// Asks again and again while it runs; shows its log when it ends before there is an answer.
    pub fn while_running<T>(&mut self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        eventually(what, || {
            let answer = ask();
            if answer.is_none()
                && let Some(status) = self.ended()
            {
                panic!("{} ended ({status}) before this: {what}\n{}", self.name, self.log());
            }
            answer
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(30).collect();
            let text: String = tail.iter().rev().map(|line| format!("{line}\n")).collect();
            // Nobody may be reading any more, and a second panic would leave other processes behind.
            let _ = write!(std::io::stderr(), "--- the last lines of {}\n{text}", self.name);
        }
    }
}

/// Returns the path of one of the workspace's binaries, built by `cargo build --workspace`.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    // A test runs from target/PROFILE/deps, a binary from target/PROFILE.
    let this = std::env::current_exe().unwrap();
    let found = this.ancestors().skip(1).take(2).map(|directory| directory.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("`{name}` is not built: cargo build --workspace"))
}

/// Returns a loopback port that nobody listens on. It lies below the range from which the system hands out ports by
/// itself, so no connection of anybody takes it in between.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = u16::try_from(std::process::id() % 100).unwrap() * 120;
    for _ in 0..12_000 {
        let port = 20_000 + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between 20000 and 32000");
}
