//! Who takes part in the contest.

use hoop_tests::cluster::{Cluster, Options};
use hoop_tests::issuer::{Issuer, Signing};
use hoop_tests::poll::eventually;
use hoop_tests::process::{Process, binary, free_port};
use hoop_tests::stage;
use hoop_tests::tools::nginx;
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tokens of one file, for requests that all bring the same one or each its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tokens {
    None,
    Repeated,
    New,
}

/// Something that answers, and whose processor time counts.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// What stands before `/1024` in a target.
    pub(crate) prefix: &'static str,
    /// The root of its processes; nobody's where there is no proxy.
    pub(crate) process: Option<u32>,
    pub(crate) tokens: Tokens,
}

/// Every part that runs during the contest; ends with it.
pub(crate) struct Field {
    pub(crate) subjects: Vec<Subject>,
    issuer: Issuer,
    directory: PathBuf,
    processes: Vec<Process>,
    _cluster: Cluster,
}

impl Field {
    /// Starts everybody.
    pub(crate) fn start(directory: &Path) -> Self {
        let mut processes = Vec::new();
        let backend = start_own(directory, "backend", &[], &mut processes);
        let floor = start_own(directory, "floor", &[backend.to_string()], &mut processes);
        let floor_process = processes[1].id();
        let nginx_address = start_nginx(directory, backend, &mut processes);
        let nginx_process = processes[2].id();
        let issuer = Issuer::start();
        let mut cluster = start_cluster(&issuer, backend);
        let (gateway, gateway_process) = (cluster.gateway(), cluster.gateway_process().id());

        let subject = |name, address, process, tokens| Subject {
            name,
            address,
            prefix: if tokens == Tokens::None { "" } else { "/c/bench" },
            process,
            tokens,
        };
        let strict = subject("hoopgate, strict recording", gateway, Some(gateway_process), Tokens::Repeated);
        let subjects = vec![
            subject("direct", backend, None, Tokens::None),
            subject("floor", floor, Some(floor_process), Tokens::None),
            subject("nginx", nginx_address, Some(nginx_process), Tokens::None),
            Subject {
                prefix: "/c/plain",
                ..subject("hoopgate, nothing masked", gateway, Some(gateway_process), Tokens::Repeated)
            },
            subject("hoopgate, repeated token", gateway, Some(gateway_process), Tokens::Repeated),
            Subject {
                prefix: "/c/bench/m",
                ..subject("hoopgate, masks matching", gateway, Some(gateway_process), Tokens::Repeated)
            },
            subject("hoopgate, new tokens", gateway, Some(gateway_process), Tokens::New),
            Subject { prefix: "/c/strict", ..strict },
        ];
        Self { subjects, issuer, directory: directory.to_owned(), processes, _cluster: cluster }
    }

    /// Makes the tokens of one run of the load, and returns their file. New ones are new in every run. They are ES256:
    /// a hundred thousand RS256 signatures would take longer than the contest.
    pub(crate) fn tokens(&self, tokens: Tokens, run: usize, requests: usize) -> anyhow::Result<Option<PathBuf>> {
        let count = match tokens {
            Tokens::None => return Ok(None),
            Tokens::Repeated => 1,
            Tokens::New => requests,
        };
        let token = |number: usize| {
            let claims = self.issuer.claims_with("jti", json!(format!("{run}-{number}")));
            self.issuer.sign(Signing::Es256, &claims) + "\n"
        };
        let file = self.directory.join("tokens");
        std::fs::write(&file, (0..count).map(token).collect::<String>())?;
        Ok(Some(file))
    }
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

/// Waits until somebody accepts connections.
fn wait_for(process: &mut Process, address: SocketAddr) {
    process.while_running("a part accepts connections", || TcpStream::connect(address).ok());
}

fn start_own(directory: &Path, part: &str, more: &[String], processes: &mut Vec<Process>) -> SocketAddr {
    let address = loopback();
    let mut command = Command::new(binary("hoop-bench"));
    command.arg(part).arg(address.to_string()).args(more);
    let mut process = Process::start(part, &mut command, &directory.join(format!("{part}.log")));
    wait_for(&mut process, address);
    processes.push(process);
    address
}

fn start_nginx(directory: &Path, backend: SocketAddr, processes: &mut Vec<Process>) -> SocketAddr {
    let address = loopback();
    let server = format!(
        "keepalive_requests 100000000;
        upstream backend {{ server {backend}; keepalive 512; keepalive_requests 100000000; }}
        server {{
            listen {address} reuseport;
            location / {{ proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection \"\"; }}
        }}"
    );
    let mut command = nginx(directory, "worker_processes auto;", &server);
    let mut process = Process::start("nginx", &mut command, &directory.join("nginx.log"));
    wait_for(&mut process, address);
    processes.push(process);
    address
}

impl Drop for Field {
    fn drop(&mut self) {
        // nginx ends its workers only when it is asked to.
        for process in &mut self.processes {
            if process.ended().is_none() {
                process.signal("TERM");
                process.wait();
            }
        }
    }
}

/// Everything on: token, policy, standard recording, masking of every class; once more without masking, and with strict
/// recording.
fn start_cluster(issuer: &Issuer, backend: SocketAddr) -> Cluster {
    let mut cluster = Cluster::start(&Options { log: Some("warn"), ..Options::default() });
    let upstream = format!("http://{backend}");
    let documents = [
        stage::caller(issuer),
        stage::connection("bench", &upstream, ""),
        stage::connection("plain", &upstream, "mask: []"),
        stage::connection("strict", &upstream, "recording: strict"),
    ];
    let _ = cluster.apply("bench", &documents.concat(), &[]).expect_done();
    cluster.start_gateway();
    cluster.wait_until_ready();
    let token = issuer.token();
    eventually("the gateway lets a read through", || {
        let answer = hoop_tests::client::once(cluster.gateway(), "GET", "/c/bench/1024", &token).ok()?;
        (answer.status == 200).then_some(())
    });
    cluster
}
