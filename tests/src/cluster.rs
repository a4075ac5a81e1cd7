//! A control plane, a data-plane node, and the administrator's tool, as processes.

use crate::certs::Certificate;
use crate::client::{self, Answer};
use crate::metrics::Page;
use crate::process::{Process, binary, free_port};
use crate::tracer::SmallDisk;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The node's name.
pub const NODE: &str = "dp-1";

/// What a cluster is started with.
#[derive(Default)]
pub struct Options<'a> {
    /// The certificate that callers see; without it they speak plaintext.
    pub tls: Option<&'a Certificate>,
    /// What both planes log; `info` without it.
    pub log: Option<&'a str>,
    /// A program that the data-plane node runs under, with its arguments.
    pub under: Vec<String>,
    /// More lines of the control plane's table `[evidence]`.
    pub evidence: &'a str,
    /// Where both planes send their traces.
    pub traces: Option<String>,
    /// More tables of the node's configuration; `{DIRECTORY}` is the cluster's directory.
    pub gateway: &'a str,
    /// Variables of the node's environment.
    pub environment: &'a [(&'a str, &'a str)],
    /// Places in the cluster's directory that are file systems of their own, and how many KiB each has.
    pub disks: &'a [(&'a str, usize)],
}

/// The file of the administrator's session, in the cluster's directory.
pub const SESSION: &str = "session-token";

/// What a command of the administrator's said.
#[derive(Debug)]
pub struct Said {
    /// The exit code.
    pub code: i32,
    /// Its output.
    pub out: String,
    /// Its complaints.
    pub err: String,
}

/// One control-plane voter and one data-plane node on loopback, with everything they keep in one temporary directory.
pub struct Cluster {
    disks: Vec<SmallDisk>,
    directory: TempDir,
    log: String,
    under: Vec<String>,
    environment: Vec<(String, String)>,
    control_port: u16,
    gateway_port: u16,
    /// Of the control plane and of the node.
    metrics_ports: (u16, u16),
    control: Process,
    gateway: Option<Process>,
}

impl Cluster {
    /// Starts a control plane, and writes the node's configuration with a fresh join token. The node is not started.
    #[must_use]
    pub fn start(options: &Options<'_>) -> Self {
        let directory = tempfile::Builder::new().prefix("hoop-").tempdir().unwrap();
        let (control_port, gateway_port) = (free_port(), free_port());
        let metrics_ports = (free_port(), free_port());
        let log = options.log.unwrap_or("info").to_owned();
        let at = |name: &str| directory.path().join(name).display().to_string();
        write_private(&directory.path().join("seal.key"), &"5a".repeat(32));
        let config = format!(
            "listen = \"127.0.0.1:{control_port}\"\ndata_dir = \"{}\"\nseal_key = \"{}\"\n\n\
             [log]\nfilter = \"{log}\"\n\n{}[evidence]\nlost_after_seconds = 2\n{}\n",
            at("control-plane"),
            at("seal.key"),
            metrics(metrics_ports.0),
            options.evidence,
        ) + &traces(options);
        std::fs::write(directory.path().join("control-plane.toml"), config).unwrap();
        let disk = |(name, kib): &(&str, usize)| SmallDisk::over(&directory.path().join(name), *kib);
        let disks = options.disks.iter().map(disk).collect();
        let control = spawn_control_plane(directory.path());
        let under = options.under.clone();
        let environment = options.environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let environment = environment.collect();
        let mut cluster = Self {
            disks,
            directory,
            log,
            under,
            environment,
            control_port,
            gateway_port,
            metrics_ports,
            control,
            gateway: None,
        };
        cluster.wait_for_control_plane();
        cluster.write_gateway_config(options);
        cluster
    }

    fn write_gateway_config(&self, options: &Options<'_>) {
        let token = self.hoopctl(&["cluster", "join-token", "--role", "data-plane"]).expect_done();
        write_private(&self.path("join-token"), token.trim());
        let at = |name: &str| self.path(name).display().to_string();
        let mut config = format!(
            "node = \"{NODE}\"\nlisten = \"127.0.0.1:{}\"\nstate_dir = \"{}\"\nspool_dir = \"{}\"\n\n[join]\n\
             token_file = \"{}\"\ncontrol_plane = [\"{}\"]\nca = \"{}\"\n",
            self.gateway_port,
            at("data-plane"),
            at("spool"),
            at("join-token"),
            self.server(),
            self.ca().display(),
        );
        if let Some(certificate) = options.tls {
            std::fs::write(self.path("gateway.pem"), &certificate.pem).unwrap();
            write_private(&self.path("gateway.key"), &certificate.key_pem);
            let tls = format!("\n[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n", at("gateway.pem"), at("gateway.key"));
            config.push_str(&tls);
        }
        config.push_str(&metrics(self.metrics_ports.1));
        config.push_str(&traces(options));
        config.push_str(&options.gateway.replace("{DIRECTORY}", &self.directory.path().display().to_string()));
        std::fs::write(self.path("data-plane.toml"), config).unwrap();
    }

    /// Starts the data-plane node; does not wait until it is of use.
    pub fn start_gateway(&mut self) {
        let node = binary("hoop-data-plane");
        let mut command = match self.under.split_first() {
            None => Command::new(node),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(node);
                command
            }
        };
        command.arg("--config").arg(self.path("data-plane.toml")).env("RUST_LOG", &self.log);
        command.envs(self.environment.iter().cloned());
        self.gateway = Some(Process::start("the data plane", &mut command, &self.path("data-plane.log")));
    }

    /// Waits until the node says that it is ready.
    pub fn wait_until_ready(&mut self) {
        let address = self.gateway();
        let gateway = self.gateway.as_mut().expect("the data plane is not started");
        gateway.while_running("the node is ready", || ready(address).ok().filter(|answer| answer.status == 200));
    }

    /// Returns the node's process.
    pub fn gateway_process(&mut self) -> &mut Process {
        self.gateway.as_mut().expect("the data plane is not started")
    }

    /// Returns the control plane's process.
    pub const fn control_process(&mut self) -> &mut Process {
        &mut self.control
    }

    /// Starts the control plane again after its end, and waits until it answers.
    pub fn restart_control_plane(&mut self) {
        self.control.kill();
        self.control = spawn_control_plane(self.directory.path());
        self.wait_for_control_plane();
    }

    fn wait_for_control_plane(&mut self) {
        let (first, session) = (self.path("admin-token"), self.path(SESSION));
        let (from, to) = (first.display().to_string(), session.display().to_string());
        let arguments = ["login", "--one-time-token", &from, "--to", &to];
        let sign_in = hoopctl_command(self.directory.path(), self.control_port, &arguments);
        let status = hoopctl_command(self.directory.path(), self.control_port, &["cluster", "status"]);
        self.control.while_running("the control plane answers", || {
            let is_signed_in = session.exists() || (first.exists() && run(&mut { sign_in() }).code == 0);
            (is_signed_in && run(&mut { status() }).code == 0).then_some(())
        });
    }

    /// Returns where callers connect.
    #[must_use]
    pub fn gateway(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.gateway_port).into()
    }

    /// Returns where the control plane is.
    #[must_use]
    pub fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.control_port)
    }

    /// Returns the file of the cluster CA.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.path("control-plane/ca.pem")
    }

    /// Returns the file systems that it was started with.
    #[must_use]
    pub fn disks(&self) -> &[SmallDisk] {
        &self.disks
    }

    /// Returns the port of the control plane.
    #[must_use]
    pub const fn control_port(&self) -> u16 {
        self.control_port
    }

    /// Reads the control plane's metrics.
    #[must_use]
    pub fn control_plane_metrics(&self) -> Page {
        Page::read((Ipv4Addr::LOCALHOST, self.metrics_ports.0).into())
    }

    /// Reads the node's metrics.
    #[must_use]
    pub fn gateway_metrics(&self) -> Page {
        Page::read((Ipv4Addr::LOCALHOST, self.metrics_ports.1).into())
    }

    /// Returns a path in the cluster's directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Returns where the node writes evidence.
    #[must_use]
    pub fn spool(&self) -> PathBuf {
        self.path("spool")
    }

    /// Returns what the node says about itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn ready(&self) -> std::io::Result<Answer> {
        ready(self.gateway())
    }

    /// Runs the administrator's tool.
    #[must_use]
    pub fn hoopctl(&self, arguments: &[&str]) -> Said {
        run(&mut hoopctl_command(self.directory.path(), self.control_port, arguments)())
    }

    /// Runs the administrator's tool with somebody's own token.
    #[must_use]
    pub fn hoopctl_as(&self, token: &str, arguments: &[&str]) -> Said {
        let file = tempfile::NamedTempFile::new_in(self.directory.path()).unwrap();
        write_private(file.path(), token);
        let mut command = Command::new(binary("hoopctl"));
        command.arg("--server").arg(self.server()).arg("--ca").arg(self.ca());
        run(command.arg("--token-file").arg(file.path()).args(arguments))
    }

    /// Runs the tool of somebody whose token is only where they keep it, with more variables in their environment.
    #[must_use]
    pub fn hoopctl_without_token(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
        let mut command = Command::new(binary("hoopctl"));
        command.arg("--server").arg(self.server()).arg("--ca").arg(self.ca()).args(arguments);
        run(command.env_remove("HOOP_TOKEN_FILE").envs(environment.iter().copied()))
    }

    /// Makes a token for recovery, as somebody on the voter's host would.
    #[must_use]
    pub fn recover(&self) -> String {
        let mut command = Command::new(binary("hoop-control-plane"));
        command.arg("recover").arg("--config").arg(self.path("control-plane.toml"));
        run(&mut command).expect_done()
    }

    /// Runs the administrator's tool where there is no cluster it could ask.
    #[must_use]
    pub fn hoopctl_alone(&self, arguments: &[&str]) -> Said {
        run(Command::new(binary("hoopctl")).args(arguments).current_dir(self.directory.path()))
    }

    /// Starts the control plane again, which must fail; returns what it said.
    #[must_use]
    pub fn control_plane_refuses_to_start(&mut self) -> String {
        self.control.kill();
        self.control = spawn_control_plane(self.directory.path());
        assert!(!self.control.wait().success(), "the control plane started");
        self.control.log()
    }

    /// Applies documents.
    #[must_use]
    pub fn apply(&self, name: &str, documents: &str, options: &[&str]) -> Said {
        let file = self.path(&format!("{name}.yaml"));
        std::fs::write(&file, documents).unwrap();
        self.hoopctl(&[&["apply", "-f", file.to_str().unwrap()], options].concat())
    }

    /// Applies documents and waits until the node has them.
    ///
    /// # Panics
    /// When they are not applied.
    pub fn apply_and_wait(&self, documents: &str) {
        let _ = self.apply("documents", documents, &["--wait"]).expect_done();
    }
}

impl Said {
    /// Returns the output of a command that must have succeeded.
    ///
    /// # Panics
    /// When it has not.
    #[must_use]
    pub fn expect_done(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }
}

fn metrics(port: u16) -> String {
    format!("\n[metrics]\nlisten = \"127.0.0.1:{port}\"\n\n")
}

fn traces(options: &Options<'_>) -> String {
    options.traces.as_ref().map(|endpoint| format!("\n[traces]\nendpoint = \"{endpoint}\"\n")).unwrap_or_default()
}

fn spawn_control_plane(directory: &Path) -> Process {
    let mut command = Command::new(binary("hoop-control-plane"));
    command.arg("--config").arg(directory.join("control-plane.toml"));
    command.arg("--admin-token-file").arg(directory.join("admin-token"));
    Process::start("the control plane", &mut command, &directory.join("control-plane.log"))
}

fn hoopctl_command<'a>(directory: &'a Path, port: u16, arguments: &'a [&'a str]) -> impl Fn() -> Command + use<> {
    let directory = directory.to_owned();
    let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    move || {
        let mut command = Command::new(binary("hoopctl"));
        command.arg("--server").arg(format!("https://127.0.0.1:{port}"));
        command.arg("--ca").arg(directory.join("control-plane/ca.pem"));
        command.arg("--token-file").arg(directory.join(SESSION)).args(&arguments);
        command
    }
}

fn run(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

fn ready(address: SocketAddr) -> std::io::Result<Answer> {
    client::Client::connect(address)?.request("GET", "/.hoop/readyz", &[], None)
}

/// Writes a file that only its owner may read.
fn write_private(path: &Path, text: &str) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::File::options().create(true).write(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
