//! A tracer on a running process: faults at system calls that are named, so that no product needs a hook for tests.

use crate::poll::eventually;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A tracer that is attached to every thread of a process. Dropping it detaches it, and the process goes on untouched.
pub struct Tracer {
    process: u32,
    child: Child,
    _said: tempfile::NamedTempFile,
}

impl Tracer {
    /// Attaches `strace` with these arguments, and returns once it is.
    ///
    /// # Panics
    /// When it does not attach.
    #[must_use]
    pub fn attach(process: u32, arguments: &[String]) -> Self {
        let said = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new("strace");
        command.args(["-f", "-p", &process.to_string(), "-o", "/dev/null"]).args(arguments);
        let child = command.stdin(Stdio::null()).stderr(said.reopen().unwrap()).spawn().unwrap();
        let mut tracer = Self { process, child, _said: said };
        eventually("the tracer is attached", || {
            let ended = tracer.child.try_wait().unwrap();
            let said = std::fs::read_to_string(tracer._said.path()).unwrap();
            // The process may have come to its end at the very first call, and taken the tracer along.
            let is_attached = said.contains("attached");
            assert!(is_attached || ended.is_none(), "the tracer ended: {said}");
            is_attached.then_some(())
        });
        tracer
    }

    /// Kills the process at its next call of one of these on one of the places: before the call does anything.
    #[must_use]
    pub fn kill_at(process: u32, calls: &str, number: usize, places: &[PathBuf]) -> Self {
        let inject = format!("inject={calls}:signal=KILL:when={number}");
        let on = places.iter().flat_map(|place| ["-P".to_owned(), place.display().to_string()]);
        let which = ["-e".to_owned(), format!("trace={calls}"), "-e".to_owned(), inject];
        Self::attach(process, &which.into_iter().chain(on).collect::<Vec<_>>())
    }

    /// Makes every call of one of these do something else, for example `error=EIO`, for as long as the tracer lives.
    #[must_use]
    pub fn inject(process: u32, calls: &str, fault: &str) -> Self {
        let inject = format!("inject={calls}:{fault}");
        Self::attach(process, &["-e".to_owned(), format!("trace={calls}"), "-e".to_owned(), inject])
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Its own handler detaches; a KILL would take the process along.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        eventually("the tracer is detached", || {
            // It may wait for ever for a process that was killed while another thread of it was stopped.
            if is_dead(self.process) {
                let _ = self.child.kill();
            }
            self.child.try_wait().unwrap()
        });
    }
}

/// Returns whether a process is gone, but for whoever has not looked at its end yet.
fn is_dead(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"));
    status.map_or(true, |status| status.lines().any(|line| line.starts_with("State:") && line.contains('Z')))
}

/// Returns the sockets of a process, as the kernel names them, whose other end is one of these loopback ports, or whose own
/// is `own` if that is given.
#[must_use]
pub fn sockets(process: u32, own: Option<u16>, others: &[u16]) -> Vec<PathBuf> {
    let held: Vec<PathBuf> = std::fs::read_dir(format!("/proc/{process}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{process}/net/tcp")).unwrap();
    let port = |address: &str| u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok();
    let meant = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, remote) = (port(fields[1])?, port(fields[2])?);
        let is_meant = own.is_none_or(|own| own == local) && (others.is_empty() || others.contains(&remote));
        (is_meant && fields[3] == "01").then(|| PathBuf::from(format!("socket:[{}]", fields[9])))
    });
    meant.filter(|socket| held.contains(socket)).collect()
}

/// A file system of its own, in memory and of a fixed size, over a directory.
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many KiB; needs to be root.
    ///
    /// # Panics
    /// When it cannot be mounted.
    #[must_use]
    pub fn over(path: &Path, kib: usize) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let options = format!("size={kib}k,mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(path).status().unwrap();
        assert!(mounted.success(), "cannot mount a file system");
        Self { path: path.to_owned() }
    }

    /// Fills it up to its last page; returns the file to remove.
    #[must_use]
    pub fn fill(&self) -> PathBuf {
        let filler = self.path.join(".filler");
        let mut bytes = vec![0; 64 << 20];
        while let Err(error) = std::fs::write(&filler, &bytes) {
            assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
            let written = std::fs::metadata(&filler).map_or(0, |file| file.len());
            if written > 0 {
                return filler;
            }
            bytes.truncate(bytes.len() / 2);
        }
        panic!("there is room for more than is needed to fill it");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that is being ended may still have files there.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}
