//! Clients and tools that are not ours: curl, Python with httpx, nginx.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Runs curl and returns the status and the body of the answer, or curl's own error.
///
/// # Errors
/// What curl said, when it got no answer.
pub fn curl(arguments: &[&str]) -> Result<(u16, String), String> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "60", "--noproxy", "*", "--write-out", "\n%{http_code}"])
        .args(arguments)
        .output()
        .expect("curl is not installed: run tests/run.sh");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    Ok((status.parse().unwrap(), body.to_owned()))
}

/// Runs a Python program with the tests' packages and returns what it prints.
///
/// # Panics
/// When it fails.
#[must_use]
pub fn python(program: &str, arguments: &[&str]) -> String {
    let python = repository().join("target/venv/bin/python");
    assert!(python.exists(), "the Python packages are not installed: run tests/run.sh");
    let output = Command::new(python).arg("-c").arg(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns a command that runs nginx in the foreground with these `server` blocks, everything beneath `directory`. `processes`
/// says how many: `master_process off;` is the one that is started, whose end is the end of it all. With any other the
/// workers end only where it is asked to end (`TERM`).
#[must_use]
pub fn nginx(directory: &Path, processes: &str, server: &str) -> Command {
    let config = format!(
        "{processes}
        pid nginx.pid;
        events {{ worker_connections 4096; }}
        http {{
            access_log off;
            client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
            {server}
        }}"
    );
    std::fs::write(directory.join("nginx.conf"), config).unwrap();
    // Debian keeps it where only administrators look.
    let installed = Path::new("/usr/sbin/nginx");
    let mut command = Command::new(if installed.exists() { installed } else { Path::new("nginx") });
    command.arg("-p").arg(directory).args(["-c", "nginx.conf", "-g", "daemon off;", "-e", "stderr"]);
    command
}

/// Returns whatever the gzip streams within these bytes contain.
pub(crate) fn inflate(bytes: &[u8]) -> Vec<u8> {
    filter(
        "import sys, zlib
data = sys.stdin.buffer.read()
at = data.find(b'\\x1f\\x8b\\x08')
while at >= 0:
    stream = zlib.decompressobj(31)
    for i in range(at, len(data), 512):
        try:
            sys.stdout.buffer.write(stream.decompress(data[i:i + 512]))
        except zlib.error:
            break
    at = data.find(b'\\x1f\\x8b\\x08', at + 1)",
        bytes,
    )
}

#[cfg(test)]
pub(crate) fn deflate(bytes: &[u8]) -> Vec<u8> {
    filter("import gzip, sys; sys.stdout.buffer.write(gzip.compress(sys.stdin.buffer.read()))", bytes)
}

fn filter(program: &str, input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("python3");
    command.arg("-c").arg(program).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("python3 is not installed: run tests/run.sh");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    output.stdout
}
