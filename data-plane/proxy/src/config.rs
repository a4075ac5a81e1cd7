//! The node's configuration: as it is written, and as it is used.

use crate::credential::source::SecretSources;
use hoop_model::ResourceName;
use hoop_node::telemetry::metrics::{InvalidListen, RawListen};
use hoop_node::telemetry::{self, spans};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

/// Most shards one process has.
const MAX_SHARDS: usize = 256;
/// Longest that a node serves on after it said that it is not ready.
const LONGEST_DRAIN_DELAY: Duration = Duration::from_secs(300);
/// Least that `spool_max_bytes` may say: below it, a node would refuse commands before a segment is cut.
const LEAST_SPOOL_BYTES: u64 = 1 << 20;

/// How many bytes of evidence a node keeps that is not shipped, unless its configuration says otherwise: 8 GiB.
pub const DEFAULT_SPOOL_MAX_BYTES: u64 = 8 << 30;

/// The configuration file, key by key.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// The node's name in the fleet.
    pub node: String,
    /// Where callers connect: `127.0.0.1:8443`.
    pub listen: String,
    /// The certificate callers see; without it the node speaks plaintext.
    pub tls: Option<RawTls>,
    /// `allowed` lets a node without `tls` listen on an address that other machines reach.
    pub plaintext: Option<String>,
    /// Where the node keeps its key and certificate.
    pub state_dir: PathBuf,
    /// Where the node writes evidence.
    pub spool_dir: PathBuf,
    /// How many bytes of evidence may wait there to be shipped; above that, commands are refused.
    pub spool_max_bytes: Option<u64>,
    /// How many threads serve callers; without it one per core.
    pub shards: Option<usize>,
    /// How many seconds a node that stops serves on while it says that it is not ready; 0 without it.
    pub drain_delay_seconds: Option<u64>,
    /// Where secrets may be on this node; nowhere without it.
    pub secrets: Option<RawSecrets>,
    /// How the process logs.
    #[serde(default)]
    pub log: telemetry::Config,
    /// Where traces go; nowhere without it.
    pub traces: Option<spans::Config>,
    /// Where the node's metrics are read.
    #[serde(default)]
    pub metrics: RawListen,
    /// How the node gets into the fleet.
    pub join: RawJoin,
}

/// `[tls]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTls {
    /// PEM file of the certificate chain.
    pub certificate: PathBuf,
    /// PEM file of the private key.
    pub key: PathBuf,
}

/// `[secrets]`.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSecrets {
    /// Directories beneath which files of secrets may be: `["/run/secrets"]`.
    #[serde(default)]
    pub directories: Vec<PathBuf>,
    /// What the names of environment variables of secrets begin with: `["HOOP_SECRET_"]`.
    #[serde(default)]
    pub environment_prefixes: Vec<String>,
}

/// `[join]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawJoin {
    /// File of the one-time join token; read on the first start only.
    pub token_file: PathBuf,
    /// The control plane's addresses, tried in turn: `["https://cp-1:7443"]`.
    pub control_plane: Vec<String>,
    /// PEM file of the cluster CA.
    pub ca: PathBuf,
}

/// A configuration that can be started.
#[derive(Debug, Clone)]
pub struct Config {
    /// The node's name in the fleet.
    pub node: ResourceName,
    /// Where callers connect. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// What callers' connections look like.
    pub transport: Transport,
    /// Where the node keeps its key and certificate.
    pub state_dir: PathBuf,
    /// Where the node writes evidence.
    pub spool_dir: PathBuf,
    /// How many bytes of evidence may wait there to be shipped, at least 1 MiB; above that, commands are refused.
    pub spool_max_bytes: u64,
    /// How many threads serve callers, 1 to 256.
    pub shards: usize,
    /// How long a node that stops serves on while it says that it is not ready, at most 5 min: what a load balancer needs to
    /// find out.
    pub drain_delay: Duration,
    /// Where secrets may be on this node.
    pub secrets: SecretSources,
    /// Where traces go, if anywhere.
    pub traces: Option<spans::Config>,
    /// Where the node's metrics are read, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// How the node gets into the fleet.
    pub join: Join,
}

/// How callers' connections are protected.
#[derive(Debug, Clone)]
pub enum Transport {
    /// TLS with this certificate.
    Tls {
        /// PEM file of the certificate chain.
        certificate: PathBuf,
        /// PEM file of the private key.
        key: PathBuf,
    },
    /// None: on a loopback address, or where the operator said that something else protects them.
    Plaintext,
}

/// How the node gets into the fleet.
#[derive(Debug, Clone)]
pub struct Join {
    /// File of the one-time join token; read on the first start only.
    pub token_file: PathBuf,
    /// The control plane's addresses, tried in turn; not empty.
    pub control_plane: Vec<String>,
    /// PEM file of the cluster CA.
    pub ca: PathBuf,
}

/// Says what is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` {problem}")]
pub struct InvalidConfig {
    /// The key, dotted.
    pub key: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl RawConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`InvalidConfig`] for the first that is wrong; above all for plaintext that other machines could reach.
    pub fn check(self) -> Result<Config, InvalidConfig> {
        let wrong = |key, problem| InvalidConfig { key, problem };
        let listen: SocketAddr =
            self.listen.parse().map_err(|_| wrong("listen", "must be an IP address and a port: `127.0.0.1:8443`"))?;
        let plaintext = match self.plaintext.as_deref() {
            None => false,
            Some("allowed") => true,
            Some(_) => return Err(wrong("plaintext", "may only be `allowed`")),
        };
        let transport = match self.tls {
            Some(tls) => Transport::Tls { certificate: tls.certificate, key: tls.key },
            None if plaintext || listen.ip().to_canonical().is_loopback() => Transport::Plaintext,
            None => {
                let problem = "is not a loopback address: set `tls`, or `plaintext = \"allowed\"` if something else \
                               protects callers' tokens";
                return Err(wrong("listen", problem));
            }
        };
        let shards = self.shards.unwrap_or_else(|| available_parallelism().map_or(1, usize::from).min(MAX_SHARDS));
        if !(1..=MAX_SHARDS).contains(&shards) {
            return Err(wrong("shards", "must be 1 to 256"));
        }
        let spool_max_bytes = self.spool_max_bytes.unwrap_or(DEFAULT_SPOOL_MAX_BYTES);
        if spool_max_bytes < LEAST_SPOOL_BYTES {
            return Err(wrong("spool_max_bytes", "must be at least 1048576"));
        }
        let drain_delay = Duration::from_secs(self.drain_delay_seconds.unwrap_or(0));
        if drain_delay > LONGEST_DRAIN_DELAY {
            return Err(wrong("drain_delay_seconds", "must be at most 300"));
        }
        let addresses = &self.join.control_plane;
        if addresses.is_empty() || !addresses.iter().all(|address| address.starts_with("https://")) {
            return Err(wrong("join.control_plane", "must list at least one `https://host:port`"));
        }
        let RawSecrets { directories, environment_prefixes } = self.secrets.unwrap_or_default();
        if !directories.iter().all(|directory| directory.is_absolute() && directory.parent().is_some()) {
            return Err(wrong("secrets.directories", "must be absolute, and not the root"));
        }
        if environment_prefixes.iter().any(String::is_empty) {
            return Err(wrong("secrets.environment_prefixes", "must not be empty texts"));
        }
        if let Some(Err(problem)) = self.traces.as_ref().map(spans::Config::check) {
            return Err(wrong("traces", problem));
        }
        let metrics = self.metrics.check().map_err(|InvalidListen(problem)| wrong("metrics", problem))?;
        Ok(Config {
            node: ResourceName::parse(&self.node)
                .map_err(|_| wrong("node", "must be 1 to 63 of `a-z`, `0-9` and `-`"))?,
            listen,
            transport,
            state_dir: self.state_dir,
            spool_dir: self.spool_dir,
            spool_max_bytes,
            shards,
            drain_delay,
            secrets: SecretSources::new(directories, environment_prefixes),
            metrics,
            traces: self.traces,
            join: Join { token_file: self.join.token_file, control_plane: self.join.control_plane, ca: self.join.ca },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(listen: &str) -> RawConfig {
        RawConfig {
            node: "dp-1".into(),
            listen: listen.into(),
            tls: None,
            plaintext: None,
            state_dir: "state".into(),
            spool_dir: "spool".into(),
            spool_max_bytes: None,
            shards: None,
            drain_delay_seconds: None,
            secrets: None,
            log: telemetry::Config::default(),
            metrics: RawListen::default(),
            traces: None,
            join: RawJoin {
                token_file: "token".into(),
                control_plane: vec!["https://cp:7443".into()],
                ca: "ca.pem".into(),
            },
        }
    }

    fn wrong_key(raw: RawConfig) -> Option<&'static str> {
        raw.check().err().map(|error| error.key)
    }

    #[test]
    fn plaintext_that_others_reach_must_be_asked_for() {
        for listen in ["127.0.0.1:0", "[::1]:80", "127.9.9.9:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(wrong_key(raw(listen)), None, "{listen}");
        }
        for listen in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "192.0.2.7:80"] {
            assert_eq!(wrong_key(raw(listen)), Some("listen"), "{listen}");
            assert_eq!(wrong_key(RawConfig { plaintext: Some("allowed".into()), ..raw(listen) }), None);
            let tls = Some(RawTls { certificate: "c".into(), key: "k".into() });
            assert_eq!(wrong_key(RawConfig { tls, ..raw(listen) }), None);
        }
        assert_eq!(wrong_key(RawConfig { plaintext: Some("yes".into()), ..raw("127.0.0.1:0") }), Some("plaintext"));
    }

    #[test]
    fn every_value_is_checked() {
        assert_eq!(wrong_key(raw("localhost:80")), Some("listen"));
        assert_eq!(wrong_key(RawConfig { node: "DP".into(), ..raw("127.0.0.1:0") }), Some("node"));
        assert_eq!(wrong_key(RawConfig { shards: Some(0), ..raw("127.0.0.1:0") }), Some("shards"));
        let long = RawConfig { drain_delay_seconds: Some(301), ..raw("127.0.0.1:0") };
        assert_eq!(wrong_key(long), Some("drain_delay_seconds"));
        let metrics = RawListen { listen: Some("0.0.0.0:9464".into()), plaintext: None };
        assert_eq!(wrong_key(RawConfig { metrics, ..raw("127.0.0.1:0") }), Some("metrics"));
        let small = RawConfig { spool_max_bytes: Some((1 << 20) - 1), ..raw("127.0.0.1:0") };
        assert_eq!(wrong_key(small), Some("spool_max_bytes"));
        assert_eq!(raw("127.0.0.1:0").check().unwrap().spool_max_bytes, 8 << 30);
        for (directories, environment_prefixes, key) in [
            (vec!["run/secrets".into()], vec![], "secrets.directories"),
            (vec!["/".into()], vec![], "secrets.directories"),
            (vec![], vec![String::new()], "secrets.environment_prefixes"),
        ] {
            let secrets = Some(RawSecrets { directories, environment_prefixes });
            assert_eq!(wrong_key(RawConfig { secrets, ..raw("127.0.0.1:0") }), Some(key));
        }
        for control_plane in [vec![], vec!["http://cp:1".to_owned()]] {
            let good = raw("127.0.0.1:0");
            let join = RawJoin { control_plane, ..good.join.clone() };
            assert_eq!(wrong_key(RawConfig { join, ..good }), Some("join.control_plane"));
        }
    }
}
