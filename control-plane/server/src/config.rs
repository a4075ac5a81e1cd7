//! Configuration: what the file says, and what it means.

use crate::EvidenceLimits;
use hoop_node::config::{ConfigError, load};
use hoop_node::pki::SERVER_NAME;
use hoop_node::telemetry;
use hoop_node::telemetry::metrics::{InvalidListen, RawListen};
use hoop_node::telemetry::spans;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the evidence store is beneath the data directory, unless the file says otherwise.
const EVIDENCE: &str = "evidence";

/// The configuration file's text as typed.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    listen: String,
    data_dir: PathBuf,
    seal_key: PathBuf,
    evidence_dir: Option<PathBuf>,
    #[serde(default)]
    evidence: RawEvidence,
    #[serde(default)]
    server_names: Vec<String>,
    #[serde(default)]
    log: telemetry::Config,
    #[serde(default)]
    metrics: RawListen,
    traces: Option<spans::Config>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEvidence {
    reserve_bytes: Option<u64>,
    node_bytes_per_hour: Option<u64>,
    lost_after_seconds: Option<u64>,
}

/// How a control-plane node runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it serves, with TLS; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the replicated state is kept.
    pub data_dir: PathBuf,
    /// The file of the cluster's seal key. Never beneath `data_dir`: a copy of that directory must open nothing.
    pub seal_key: PathBuf,
    /// Where the evidence store is kept: what the fleet recorded, for as long as anybody wants to read it.
    pub evidence_dir: PathBuf,
    /// How much evidence may come.
    pub evidence: EvidenceLimits,
    /// DNS names and IP addresses its certificate has beside the one all nodes ask for.
    pub server_names: Vec<String>,
    /// How the process logs.
    pub log: telemetry::Config,
    /// Where traces go, if anywhere.
    pub traces: Option<spans::Config>,
    /// Where its metrics are read, if anywhere.
    pub metrics: Option<SocketAddr>,
}

/// Says why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum InvalidConfig {
    /// The file cannot be read, or is not what it must be.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// The address is not `IP:PORT`.
    #[error("`listen` = `{0}` is not an IP address and a port")]
    Listen(String),
    /// A path is empty.
    #[error("`{0}` is empty")]
    EmptyPath(&'static str),
    /// Metrics cannot be read there.
    #[error("`metrics`: {0}")]
    Metrics(#[from] InvalidListen),
    /// Traces cannot be sent there.
    #[error("`traces`: {0}")]
    Traces(&'static str),
    /// Nothing could ever be shipped.
    #[error("`evidence.node_bytes_per_hour` is 0: no node could ship anything")]
    NoBudget,
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// [`InvalidConfig`], with line and column for a text that is not a configuration.
    pub fn read(path: &Path) -> Result<Self, InvalidConfig> {
        Self::of(load(path)?)
    }

    fn of(raw: RawConfig) -> Result<Self, InvalidConfig> {
        let RawConfig { listen, data_dir, seal_key, evidence_dir, evidence, mut server_names, log, metrics, traces } =
            raw;
        let listen = listen.parse().map_err(|_| InvalidConfig::Listen(listen))?;
        let evidence_dir = evidence_dir.unwrap_or_else(|| data_dir.join(EVIDENCE));
        for (key, path) in [("data_dir", &data_dir), ("seal_key", &seal_key), ("evidence_dir", &evidence_dir)] {
            if path.as_os_str().is_empty() {
                return Err(InvalidConfig::EmptyPath(key));
            }
        }
        server_names.retain(|name| name != SERVER_NAME);
        let evidence = evidence.limits()?;
        let metrics = metrics.check()?;
        traces.as_ref().map_or(Ok(()), spans::Config::check).map_err(InvalidConfig::Traces)?;
        Ok(Self { traces, metrics, listen, data_dir, seal_key, evidence_dir, evidence, server_names, log })
    }
}

impl RawEvidence {
    fn limits(self) -> Result<EvidenceLimits, InvalidConfig> {
        let usual = EvidenceLimits::default();
        let node_bytes_per_hour = self.node_bytes_per_hour.unwrap_or(usual.node_bytes_per_hour);
        (node_bytes_per_hour > 0).then_some(()).ok_or(InvalidConfig::NoBudget)?;
        Ok(EvidenceLimits {
            reserve_bytes: self.reserve_bytes.unwrap_or(usual.reserve_bytes),
            node_bytes_per_hour,
            lost_after: self.lost_after_seconds.map_or(usual.lost_after, Duration::from_secs),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, InvalidConfig> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::read(file.path())
    }

    #[test]
    fn a_file_says_where_to_listen_and_where_things_are() {
        let config =
            read("listen = '127.0.0.1:0'\ndata_dir = '/d'\nseal_key = '/k'\n[log]\nformat = 'json'\n").unwrap();
        assert_eq!(config.listen, "127.0.0.1:0".parse().unwrap());
        assert_eq!(config.log.format, telemetry::Format::Json);
        assert_eq!(config.evidence_dir, Path::new("/d/evidence"));
        let apart = "listen = '127.0.0.1:0'\ndata_dir = '/d'\nseal_key = '/k'\nevidence_dir = '/e'\n";
        assert_eq!(read(apart).unwrap().evidence_dir, Path::new("/e"));
        assert_eq!(read(apart).unwrap().evidence, EvidenceLimits::default());
        let bounded = "[evidence]\nreserve_bytes = 5\nnode_bytes_per_hour = 6\nlost_after_seconds = 7\n";
        let limits = EvidenceLimits { reserve_bytes: 5, node_bytes_per_hour: 6, lost_after: Duration::from_secs(7) };
        assert_eq!(read(&format!("{apart}{bounded}")).unwrap().evidence, limits);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let whole = "listen = '127.0.0.1:0'\ndata_dir = '/d'\nseal_key = '/k'\n";
        assert!(matches!(read(&format!("{whole}sealkey = 1\n")), Err(InvalidConfig::File(_))));
        assert!(matches!(read(&whole.replace("127.0.0.1:0", "here")), Err(InvalidConfig::Listen(_))));
        assert!(matches!(read(&whole.replace("'/k'", "''")), Err(InvalidConfig::EmptyPath("seal_key"))));
        let nowhere = format!("{whole}evidence_dir = ''\n");
        assert!(matches!(read(&nowhere), Err(InvalidConfig::EmptyPath("evidence_dir"))));
        let starved = format!("{whole}[evidence]\nnode_bytes_per_hour = 0\n");
        assert!(matches!(read(&starved), Err(InvalidConfig::NoBudget)));
        let reachable = format!("{whole}[metrics]\nlisten = '0.0.0.0:9464'\n");
        assert!(matches!(read(&reachable), Err(InvalidConfig::Metrics(_))));
        assert!(matches!(read(&format!("{whole}[evidence]\nreserve = 1\n")), Err(InvalidConfig::File(_))));
        assert!(matches!(read("listen = '127.0.0.1:0'\n"), Err(InvalidConfig::File(_))));
    }
}
