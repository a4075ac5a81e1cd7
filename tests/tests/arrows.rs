//! The arrows between crates, read from what cargo resolves.
//!
//! Whoever adds a crate gives it a layer here; one without a layer fails.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Model,
    Identity,
    Policy,
    Audit,
    Wire,
    Rpc,
    Node,
    State,
    Raft,
    Server,
    Gate,
    Protocol,
    Proxy,
    Cli,
    Tests,
}

use Layer::{Audit, Cli, Gate, Identity, Model, Node, Policy, Protocol, Proxy, Raft, Rpc, Server, State, Tests, Wire};

/// Every layer that a layer may use. Chains such as `model ← wire ← rpc ← server` are written out.
fn may_use(layer: Layer) -> &'static [Layer] {
    match layer {
        Model => &[],
        Identity | Policy | Audit | Node | State => &[Model],
        Wire => &[Model, Policy, Audit],
        Rpc => &[Model, Wire],
        Raft => &[Model, State, Wire, Rpc],
        Server => &[Model, Identity, Policy, Audit, Wire, Rpc, Node, State, Raft],
        Gate => &[Model, Policy, Audit],
        Protocol => &[Model, Policy],
        Proxy => &[Model, Identity, Policy, Audit, Wire, Rpc, Node, Gate, Protocol],
        Cli => &[Model, Identity, Policy, Audit, Wire, Rpc, Node, Protocol, Server, Proxy],
        Tests => &[Model, Identity, Policy, Audit, Wire, Rpc, Node, State, Raft, Server, Gate, Protocol, Proxy, Cli],
    }
}

/// A crate's layer, by where it lives; `None` is a crate nobody thought about.
fn layer_of(directory: &str) -> Option<Layer> {
    Some(match directory {
        "proto/model" => Model,
        "proto/identity" => Identity,
        "proto/policy" => Policy,
        "proto/audit" => Audit,
        "proto/wire" => Wire,
        "proto/rpc" => Rpc,
        "proto/node" => Node,
        "control-plane/state" => State,
        "control-plane/raft" => Raft,
        "control-plane/server" => Server,
        "data-plane/gate" => Gate,
        "data-plane/proxy" => Proxy,
        "cli" => Cli,
        "tests" => Tests,
        other => {
            let name = other.strip_prefix("data-plane/protocols/")?;
            return (!name.contains('/')).then_some(Protocol);
        }
    })
}

/// Pure: bytes, events and `now` go in, what should happen comes out.
fn is_pure(layer: Layer) -> bool {
    !banned_from(layer).is_empty()
}

/// What no pure crate may reach. The generated stubs of `wire` name tonic, which brings a runtime with it.
fn banned_from(layer: Layer) -> &'static [&'static str] {
    match layer {
        Wire => &["openraft", "redb", "reqwest"],
        Model | Identity | Policy | Audit | State | Gate | Protocol => {
            &["tokio", "hyper", "tonic", "openraft", "redb", "reqwest", "mio", "socket2"]
        }
        Rpc | Node | Raft | Server | Proxy | Cli | Tests => &[],
    }
}

/// What wire may not name itself, although its generated code brings it.
const BANNED_IN_WIRE_ITSELF: &[&str] = &["tokio", "hyper"];

/// The workspace as cargo resolves it.
#[derive(Debug, Clone, Default)]
struct Graph {
    /// Directory of every crate of the workspace, beneath its root.
    members: BTreeMap<String, String>,
    /// Crates that a crate of the workspace names, for any purpose: code, tests, build script.
    named: BTreeMap<String, BTreeSet<String>>,
    /// Package by package, what it is compiled with.
    compiled_with: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn read() -> Self {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked", "--offline"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self::of(&serde_json::from_slice(&output.stdout).unwrap())
    }

    fn of(metadata: &Value) -> Self {
        let root = Path::new(metadata["workspace_root"].as_str().unwrap());
        let names: BTreeMap<&str, &str> = list(&metadata["packages"])
            .iter()
            .map(|package| (package["id"].as_str().unwrap(), package["name"].as_str().unwrap()))
            .collect();
        let is_member = |id: &str| list(&metadata["workspace_members"]).iter().any(|member| member == id);
        let mut graph = Self::default();
        for package in list(&metadata["packages"]).iter().filter(|p| is_member(p["id"].as_str().unwrap())) {
            let manifest = Path::new(package["manifest_path"].as_str().unwrap());
            let directory = manifest.parent().unwrap().strip_prefix(root).unwrap().to_str().unwrap();
            graph.members.insert(package["name"].as_str().unwrap().to_owned(), directory.to_owned());
            let named = list(&package["dependencies"]).iter().map(|d| d["name"].as_str().unwrap().to_owned());
            graph.named.insert(package["name"].as_str().unwrap().to_owned(), named.collect());
        }
        for node in list(&metadata["resolve"]["nodes"]) {
            let is_normal = |dep: &&Value| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
            let deps = list(&node["deps"]).iter().filter(is_normal);
            let deps = deps.map(|dep| names[dep["pkg"].as_str().unwrap()].to_owned());
            let of = names[node["id"].as_str().unwrap()].to_owned();
            graph.compiled_with.entry(of).or_default().extend(deps);
        }
        graph
    }

    /// Everything a package is compiled with, however far away.
    fn reach(&self, package: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![package];
        while let Some(next) = waiting.pop() {
            for dep in self.compiled_with.get(next).into_iter().flatten() {
                if reached.insert(dep.as_str()) {
                    waiting.push(dep);
                }
            }
        }
        reached
    }

    /// Everything that is not as it must be, one line each.
    fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, directory) in &self.members {
            let Some(layer) = layer_of(directory) else {
                found.push(format!("{name} in `{directory}` has no layer"));
                continue;
            };
            let named = self.named.get(name).cloned().unwrap_or_default();
            for used in &named {
                let Some(used_directory) = self.members.get(used) else { continue };
                let allowed = layer_of(used_directory).is_some_and(|used| may_use(layer).contains(&used));
                if !allowed {
                    found.push(format!("{name} must not use {used}"));
                }
            }
            let reach = self.reach(name);
            found.extend(
                banned_from(layer).iter().filter(|b| reach.contains(**b)).map(|b| format!("{name} must not reach {b}")),
            );
            if layer == Wire {
                let itself = BANNED_IN_WIRE_ITSELF.iter().filter(|b| named.contains(**b));
                found.extend(itself.map(|b| format!("{name} must not name {b}")));
            }
            if layer != Raft && named.contains("openraft") {
                found.push(format!("{name} must not name openraft"));
            }
            if reach.contains("openssl-sys") {
                found.push(format!("{name} must not reach openssl"));
            }
        }
        found
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn every_arrow_is_allowed() {
    let graph = Graph::read();
    assert!(graph.members.len() >= 15, "cargo lists too few crates: {:?}", graph.members.keys());
    assert!(graph.reach("hoop-raft").contains("openraft"), "the graph is not what cargo builds");
    assert_eq!(graph.violations(), Vec::<String>::new());
}

/// Adds each forbidden arrow in turn: a checker that misses one is no checker.
#[test]
fn an_invented_forbidden_arrow_is_found() {
    let graph = Graph::read();
    let (mut forbidden, mut allowed) = (0, 0);
    for (from, from_directory) in &graph.members {
        for (to, to_directory) in graph.members.iter().filter(|(to, _)| *to != from) {
            let mut mutant = graph.clone();
            mutant.named.entry(from.clone()).or_default().insert(to.clone());
            let expected = format!("{from} must not use {to}");
            if may_use(layer_of(from_directory).unwrap()).contains(&layer_of(to_directory).unwrap()) {
                assert!(!mutant.violations().contains(&expected));
                allowed += 1;
            } else {
                assert!(mutant.violations().contains(&expected), "{expected}");
                forbidden += 1;
            }
        }
    }
    assert!(forbidden > 100 && allowed > 50, "{forbidden} forbidden, {allowed} allowed");
}

/// The arrows the design names, so that the table above cannot quietly allow them.
#[test]
fn what_the_design_forbids_is_forbidden() {
    for (from, to) in [
        (Gate, Protocol),
        (Protocol, Gate),
        (Protocol, Protocol),
        (Proxy, Server),
        (Proxy, State),
        (Proxy, Raft),
        (Server, Proxy),
        (Server, Gate),
        (State, Policy),
        (State, Wire),
        (Policy, Identity),
        (Cli, State),
        (Cli, Raft),
        (Cli, Gate),
    ] {
        assert!(!may_use(from).contains(&to), "{from:?} must not use {to:?}");
    }
}

#[test]
fn a_pure_crate_that_reaches_a_runtime_is_found_however_far_away() {
    let graph = Graph::read();
    for (name, directory) in graph.members.iter().filter(|(_, d)| is_pure(layer_of(d).unwrap())) {
        for banned in banned_from(layer_of(directory).unwrap()) {
            let mut mutant = graph.clone();
            mutant.compiled_with.entry(name.clone()).or_default().insert("middle".to_owned());
            mutant.compiled_with.insert("middle".to_owned(), BTreeSet::from([(*banned).to_owned()]));
            assert!(mutant.violations().contains(&format!("{name} must not reach {banned}")), "{name} {banned}");
        }
    }
}

#[test]
fn only_the_raft_crate_names_openraft_and_every_crate_has_a_layer() {
    let graph = Graph::read();
    for name in graph.members.keys().filter(|name| *name != "hoop-raft") {
        let mut mutant = graph.clone();
        mutant.named.entry(name.clone()).or_default().insert("openraft".to_owned());
        assert!(mutant.violations().contains(&format!("{name} must not name openraft")));
    }
    let mut mutant = graph;
    mutant.members.insert("hoop-new".to_owned(), "data-plane/new".to_owned());
    assert!(mutant.violations().contains(&"hoop-new in `data-plane/new` has no layer".to_owned()));
}

/// The lints that keep clocks, sockets, files, randomness and locks out of a pure crate are in force in each.
#[test]
fn every_pure_crate_has_the_same_bans() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let bans = std::fs::read_to_string(root.join("proto/model/clippy.toml")).unwrap();
    for banned in ["SystemTime::now", "Instant::now", "std::fs::File", "TcpStream", "Mutex", "HashMap", "SystemRandom"]
    {
        assert!(bans.contains(banned), "{banned} is not banned");
    }
    for (name, directory) in Graph::read().members {
        if is_pure(layer_of(&directory).unwrap()) {
            let here = std::fs::read_to_string(root.join(&directory).join("clippy.toml")).unwrap();
            assert_eq!(here, bans, "{name}");
        }
    }
}
