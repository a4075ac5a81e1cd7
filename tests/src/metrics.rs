//! A process's metrics, as Prometheus would read them.

use crate::client::Client;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// One reading of a page.
#[derive(Debug, Clone)]
pub struct Page {
    /// As it came.
    pub text: String,
    /// Every series with its value: `name{label="value"}`.
    pub series: BTreeMap<String, f64>,
    /// Every family's kind, by its name as series have it.
    pub kinds: BTreeMap<String, String>,
}

impl Page {
    /// Reads a page. It must be whole, and no series may be there twice.
    ///
    /// # Panics
    /// When it is not a page.
    #[must_use]
    pub fn read(address: SocketAddr) -> Self {
        let answer = Client::connect(address).unwrap().request("GET", "/metrics", &[], None).unwrap();
        assert_eq!(answer.status, 200);
        let text = String::from_utf8(answer.body).unwrap();
        let body = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("cut off: {text}"));
        let (mut series, mut kinds) = (BTreeMap::new(), BTreeMap::new());
        for line in body.lines() {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                let ending = if kind == "counter" { "_total" } else { "" };
                assert_eq!(kinds.insert(format!("{name}{ending}"), kind.to_owned()), None, "{name} twice");
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert_eq!(series.insert(name.to_owned(), value.parse().unwrap()), None, "{name} twice");
            }
        }
        Self { text, series, kinds }
    }

    /// Returns a series' value, 0 for one that is not there.
    #[must_use]
    pub fn value(&self, series: &str) -> f64 {
        self.series.get(series).copied().unwrap_or_default()
    }

    /// Returns the names of the labels that a family's series have, without a histogram's own.
    #[must_use]
    pub fn labels(&self, family: &str) -> BTreeSet<String> {
        let endings = ["", "_bucket", "_sum", "_count"].map(|ending| format!("{family}{ending}"));
        let of_family = self.series.keys().filter(|series| {
            let name = series.split('{').next().unwrap();
            endings.iter().any(|known| known == name)
        });
        let labels = of_family.filter_map(|series| series.split_once('{'));
        let names = labels.flat_map(|(_, labels)| {
            let parts = labels.trim_end_matches('}').split("\",");
            parts.map(|part| part.split('=').next().unwrap().to_owned()).collect::<Vec<_>>()
        });
        names.filter(|name| name != "le").collect()
    }
}
