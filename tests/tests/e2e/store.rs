//! Evidence leaves its node, is anchored, and is verified by somebody who has nothing but the files and one public key.

use crate::evidence::from_record_to_send;
use crate::rounds;
use hoop_audit::{CloseReason, Entry, decode_log_entry};
use hoop_model::LogEntry;
use hoop_tests::cluster::{NODE, Options, Said};
use hoop_tests::evidence::files;
use hoop_tests::poll::eventually;
use hoop_tests::stage::{Stage, connection};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// An export of the evidence store, and the key it was made under.
struct Export {
    directory: tempfile::TempDir,
    key: String,
}

impl Export {
    fn of(stage: &Stage) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("evidence");
        let _ = stage.cluster.hoopctl(&["audit", "export", target.to_str().unwrap()]).expect_done();
        let key = stage.cluster.hoopctl(&["audit", "key"]).expect_done().trim().to_owned();
        Self { directory, key }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("evidence")
    }

    fn segments(&self) -> Vec<PathBuf> {
        files(&self.path()).into_iter().filter(|path| path.extension().is_some_and(|e| e == "seg")).collect()
    }

    /// Verifies without any cluster: the server that is named does not exist.
    fn verify(&self, stage: &Stage, more: &[&str]) -> Said {
        let path = self.path();
        let arguments = [&["audit", "verify", path.to_str().unwrap(), "--key", &self.key], more].concat();
        stage.cluster.hoopctl_alone(&arguments)
    }

    /// Changes a copy of the export; the verifier must find it.
    fn damage_is_found(&self, stage: &Stage, what: &str, damage: impl FnOnce(&Self)) {
        let copy = Self { directory: tempfile::tempdir().unwrap(), key: self.key.clone() };
        copy_tree(&self.path(), &copy.path());
        damage(&copy);
        let said = copy.verify(stage, &[]);
        assert_eq!(said.code, 1, "{what} was not found: {}{}", said.out, said.err);
    }
}

fn copy_tree(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, target).unwrap();
    }
}

fn change(path: &Path, with: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    with(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// Waits until nothing is left on the node that is not in the store.
fn wait_until_shipped(stage: &Stage) {
    eventually("everything is shipped", || files(&stage.cluster.spool()).is_empty().then_some(()));
}

fn stop_in_order(stage: &mut Stage) {
    stage.cluster.gateway_process().signal("TERM");
    assert!(stage.cluster.gateway_process().wait().success());
}

fn sessions(stage: &Stage, more: &[&str]) -> Vec<serde_json::Value> {
    let said = stage.cluster.hoopctl(&[&["sessions", "list", "-o", "json"], more].concat()).expect_done();
    serde_json::from_str(&said).unwrap()
}

#[test]
fn what_a_job_did_is_read_from_the_store_and_verifies_with_one_key() {
    let mut stage = Stage::set();
    let token = stage.issuer.token();
    let mut job = stage.connect();
    for number in 0..5 {
        assert_eq!(job.send("GET", &format!("/c/orders/item/{number}"), &token).unwrap().status, 200);
        assert_eq!(job.send("DELETE", &format!("/c/orders/item/{number}"), &token).unwrap().status, 403);
    }
    drop(job);

    // While it is only on its node, it is shown, and marked.
    let live = eventually("the session is listed", || {
        let found = sessions(&stage, &["--identity", "nightly", "--refused"]);
        found.first().map(|session| session["id"].as_str().unwrap().to_owned())
    });
    let shown = stage.cluster.hoopctl(&["sessions", "show", &live]).expect_done();
    assert!(shown.contains("DELETE /item/4") && shown.contains("jobs never delete in production"), "{shown}");

    stop_in_order(&mut stage);
    wait_until_shipped(&stage);
    let found = sessions(&stage, &["--identity", "nightly", "--refused"]);
    assert_eq!(found.len(), 1);
    // The warm-up may have had the same token, and so the same session.
    assert!(found[0]["allowed"].as_u64() >= Some(5) && found[0]["refused"].as_u64() == Some(5), "{}", found[0]);
    assert_eq!(sessions(&stage, &["--identity", "nobody"]), Vec::<serde_json::Value>::new());

    let evidence = stage.evidence();
    assert_eq!(evidence.cut_off, 0);
    let export = Export::of(&stage);
    let said = export.verify(&stage, &[]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
}

#[test]
fn damage_to_an_export_is_found() {
    let mut stage = Stage::set();
    for number in 0..20 {
        assert_eq!(stage.send("GET", &format!("/c/orders/{number}")).status, 200);
    }
    stop_in_order(&mut stage);
    let export = Export::of(&stage);
    assert_eq!(export.verify(&stage, &[]).code, 0);
    let note = stage.cluster.hoopctl(&["audit", "checkpoint"]).expect_done();
    let segments = export.segments().len();
    assert!(segments > 0);

    for number in 0..segments {
        let length = std::fs::metadata(&export.segments()[number]).unwrap().len();
        for offset in (0..length).step_by(usize::try_from(length / 16).unwrap().max(1)) {
            export.damage_is_found(&stage, "au_01 a flipped bit", |copy| {
                change(&copy.segments()[number], |bytes| bytes[usize::try_from(offset).unwrap()] ^= 1);
            });
        }
        export.damage_is_found(&stage, "au_03 a cut tail", |copy| {
            change(&copy.segments()[number], |bytes| bytes.truncate(bytes.len() / 2));
        });
        export.damage_is_found(&stage, "au_07 a segment that is gone", |copy| {
            std::fs::remove_file(&copy.segments()[number]).unwrap();
        });
    }
    if segments > 1 {
        export.damage_is_found(&stage, "au_04 segments that changed places", |copy| {
            let (first, second) = (&copy.segments()[0], &copy.segments()[1]);
            let bytes = std::fs::read(first).unwrap();
            std::fs::copy(second, first).unwrap();
            std::fs::write(second, bytes).unwrap();
        });
    }
    export.damage_is_found(&stage, "an altered log", |copy| {
        change(&copy.path().join("log/entries"), |bytes| *bytes.last_mut().unwrap() ^= 1);
    });
    export.damage_is_found(&stage, "a log that lacks its end", |copy| {
        change(&copy.path().join("log/entries"), |bytes| bytes.truncate(bytes.len() - 1));
    });

    // Somebody who also has the log can cut both, but not what was kept elsewhere.
    let kept = export.directory.path().join("kept");
    std::fs::write(&kept, note).unwrap();
    let said = export.verify(&stage, &["--checkpoint", kept.to_str().unwrap()]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
}

#[test]
fn after_a_crash_the_next_process_ends_what_was_left_open() {
    let mut stage = Stage::set();
    let mut seen = BTreeSet::new();
    for round in 0..rounds(3, 50) {
        let token = stage.issuer.token();
        let mut job = stage.connect();
        for number in 0..20 {
            assert_eq!(job.send("GET", &format!("/c/orders/r{round}/{number}"), &token).unwrap().status, 200);
        }
        seen.extend(stage.backend.lines());
        stage.cluster.gateway_process().kill();
        stage.cluster.start_gateway();
        stage.cluster.wait_until_ready();
        stage.wait_until_allowed();
    }
    stop_in_order(&mut stage);
    wait_until_shipped(&stage);

    let evidence = stage.evidence();
    assert!(seen.is_subset(&evidence.allowed()), "{:?}", seen.difference(&evidence.allowed()).collect::<Vec<_>>());
    let unknown = evidence.records.iter().filter(|r| r.entry == Entry::Closed(CloseReason::Unknown)).count();
    assert!(unknown >= rounds(3, 50), "only {unknown} sessions ended with a crash");
    assert!(sessions(&stage, &["--open"]).is_empty(), "a session is still open");
    let said = Export::of(&stage).verify(&stage, &[]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
}

/// Reads the log of the store, whose last entry may be in the making.
pub(crate) fn log(stage: &Stage) -> Vec<LogEntry> {
    let bytes = std::fs::read(stage.cluster.path("control-plane/evidence/log/entries")).unwrap_or_default();
    let (mut entries, mut rest) = (Vec::new(), bytes.as_slice());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap();
        let Some((entry, after)) = after.split_at_checked(length) else { break };
        entries.push(decode_log_entry(entry).unwrap());
        rest = after;
    }
    entries
}

/// A store that cannot take the node's segments keeps them on the node, while its heads are anchored.
#[test]
fn au_03_a_node_that_lost_its_disk_leaves_a_gap_that_is_named() {
    let mut stage = Stage::set();
    let blocked = Blocked::store(&stage);
    a_head_is_anchored(&stage);
    stage.cluster.gateway_process().kill();
    assert!(!files(&stage.cluster.spool()).is_empty());
    std::fs::remove_dir_all(stage.cluster.spool()).unwrap();
    drop(blocked);

    stage.cluster.start_gateway();
    stage.cluster.wait_until_ready();
    stage.wait_until_allowed();
    stop_in_order(&mut stage);
    a_gap_is_named(&stage);
}

/// Sends commands until the cluster knows the head of a chain that has one of them.
pub(crate) fn a_head_is_anchored(stage: &Stage) {
    let heads = || log(stage).iter().map(|entry| entry.heads.len()).sum::<usize>();
    let before = heads();
    eventually("a head is anchored", || {
        assert_eq!(stage.send("GET", "/c/orders/1").status, 200);
        (heads() > before).then_some(())
    });
}

/// Waits until the cluster says what is lost; nothing else may be wrong.
pub(crate) fn a_gap_is_named(stage: &Stage) {
    eventually("the log has a gap", || log(stage).iter().any(|entry| !entry.gaps.is_empty()).then_some(()));
    eventually("it is all there is to say", || {
        let export = Export::of(stage);
        let said = export.verify(stage, &[]);
        assert_eq!(said.code, 1, "{}{}", said.out, said.err);
        let said = export.verify(stage, &["--accept-gaps"]);
        assert!(said.out.contains("declared lost by the cluster"), "{}{}", said.out, said.err);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        (!said.out.contains("pending")).then_some(())
    });
}

/// Keeps the store from taking segments of the node, for as long as it lives.
pub(crate) struct Blocked {
    place: PathBuf,
    aside: PathBuf,
}

impl Blocked {
    pub(crate) fn store(stage: &Stage) -> Self {
        let segments = stage.cluster.path("control-plane/evidence/segments");
        let (place, aside) = (segments.join(NODE), stage.cluster.path("aside"));
        drop(std::fs::rename(&place, &aside));
        std::fs::write(&place, "in the way").unwrap();
        Self { place, aside }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        std::fs::remove_file(&self.place).unwrap();
        drop(std::fs::rename(&self.aside, &self.place));
    }
}

fn chains_with_gaps(stage: &Stage) -> usize {
    let gaps = log(stage).into_iter().flat_map(|entry| entry.gaps);
    gaps.map(|gap| gap.chain).collect::<BTreeSet<_>>().len()
}

/// Sends requests until some chain has three sealed segments on the node; returns the second.
fn second_of_three(stage: &Stage) -> PathBuf {
    eventually("a chain has three segments", || {
        assert_eq!(stage.send("GET", "/c/orders/1").status, 200);
        let sealed = files(&stage.cluster.spool().join(NODE));
        let sealed: Vec<_> = sealed.into_iter().filter(|path| path.extension().is_some_and(|e| e == "seg")).collect();
        let chain = |path: &PathBuf| path.to_str().unwrap().rsplit_once('-').unwrap().0.to_owned();
        let is_one = |three: &&[PathBuf]| three.iter().all(|path| chain(path) == chain(&three[0]));
        sealed.windows(3).find(is_one).map(|three| three[1].clone())
    })
}

/// The chain ends before the hole, the log says what is missing, and the node goes on: with other chains, and without what
/// cannot be shipped counting against it.
#[test]
fn au_02_a_hole_in_a_chain_on_the_node_is_declared_and_wedges_nothing() {
    let mut stage = Stage::set();
    let blocked = Blocked::store(&stage);
    std::fs::remove_file(second_of_three(&stage)).unwrap();
    drop(blocked);
    let set_aside = stage.cluster.spool().join(NODE).join("stranded");
    let stranded = || files(&set_aside).len();
    eventually("what follows the hole is set aside, and the log says so", || {
        assert_eq!(stage.send("GET", "/c/orders/2").status, 200);
        (stranded() >= 2 && chains_with_gaps(&stage) == 1).then_some(())
    });
    let blocked = Blocked::store(&stage);
    let second = second_of_three(&stage);
    let before = stranded();
    std::fs::write(second, "no segment").unwrap();
    stage.cluster.gateway_process().kill();
    drop(blocked);
    stage.cluster.start_gateway();
    stage.cluster.wait_until_ready();
    stage.wait_until_allowed();
    eventually("what follows the unreadable segment is set aside", || (stranded() > before).then_some(()));
    eventually("the log says that the other chain is broken off, too", || {
        (chains_with_gaps(&stage) == 2).then_some(())
    });
    stop_in_order(&mut stage);
    let is_aside = |path: &PathBuf| path.iter().any(|part| part == "stranded" || part == "unreadable");
    let left = files(&stage.cluster.spool().join(NODE));
    assert!(left.iter().all(is_aside), "{left:?}");
    a_gap_is_named(&stage);
}

/// A store without room for segments leaves them on the node; the cluster goes on, and so does shipping, once there is room.
#[test]
fn cp_07_evidence_never_takes_the_room_that_the_raft_log_needs() {
    let mut stage = Stage::set_with(&Options { evidence: "reserve_bytes = 9000000000000000000", ..Options::default() });
    assert_eq!(stage.send("GET", "/c/orders/1").status, 200);
    eventually("the store says that it has no room", || {
        stage.cluster.control_process().log().contains("no evidence is stored until it has room").then_some(())
    });
    stage.cluster.apply_and_wait(&connection("another", &stage.backend.origin(), ""));
    assert_eq!(files(&stage.cluster.path("control-plane/evidence/segments")), Vec::<PathBuf>::new());
    let config = stage.cluster.path("control-plane.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("reserve_bytes = 9000000000000000000", "reserve_bytes = 1")).unwrap();
    stage.cluster.restart_control_plane();
    eventually("it is shipped", || {
        (!files(&stage.cluster.path("control-plane/evidence/segments")).is_empty()).then_some(())
    });
}

#[test]
fn cp_14_what_was_altered_on_the_node_is_refused_by_the_store() {
    let mut stage = Stage::set();
    assert_eq!(stage.send("GET", "/c/orders/1").status, 200);
    stage.cluster.control_process().kill();
    stop_in_order(&mut stage);
    let sealed: Vec<_> = files(&stage.cluster.spool());
    assert!(sealed.iter().any(|path| path.extension().is_some_and(|e| e == "seg")), "{sealed:?}");
    for path in &sealed {
        change(path, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
    }
    stage.cluster.restart_control_plane();
    stage.cluster.start_gateway();
    stage.cluster.wait_until_ready();
    eventually("the store refuses it", || {
        let refused = files(&stage.cluster.spool().join(NODE).join("refused"));
        (refused.len() >= sealed.len()).then_some(())
    });
}

/// Under a tracer: the disk has the record before the backend has the first byte.
#[test]
fn i2_strict_is_on_the_disk_before_the_first_byte_goes_up() {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let file = trace.path().to_str().unwrap();
    let calls = "trace=write,writev,pwrite64,sendto,sendmsg,fdatasync,fsync";
    let under = ["strace", "-D", "-f", "-q", "-s", "512", "-e", calls, "-o", file].map(str::to_owned).to_vec();
    let stage = Stage::set_with(&Options { under, ..Options::default() });
    stage.cluster.apply_and_wait(&connection("ledger", &stage.backend.origin(), "recording: strict"));
    for number in 0..5 {
        assert_eq!(stage.send("GET", &format!("/c/ledger/entry-{number}-")).status, 200);
    }
    for number in 0..5 {
        let between = from_record_to_send(file, &format!("entry-{number}-"));
        let synced = |line: &String| {
            (line.contains("fdatasync(") || line.contains("fdatasync resumed")) && line.contains(" = 0")
        };
        assert!(between.iter().any(synced), "nothing was synchronised in between:\n{}", between.join("\n"));
    }
}

/// Whoever cuts the log behind the control plane's back is found out when it starts.
#[test]
fn a_control_plane_does_not_serve_on_a_log_that_lost_its_end() {
    let mut stage = Stage::set();
    assert_eq!(stage.send("GET", "/c/orders/1").status, 200);
    stop_in_order(&mut stage);
    let entries = stage.cluster.path("control-plane/evidence/log/entries");
    eventually("something is anchored", || (std::fs::metadata(&entries).ok()?.len() > 0).then_some(()));
    stage.cluster.control_process().signal("TERM");
    stage.cluster.control_process().wait();
    std::fs::write(&entries, b"").unwrap();
    let said = stage.cluster.control_plane_refuses_to_start();
    assert!(said.contains("evidence"), "{said}");
}
