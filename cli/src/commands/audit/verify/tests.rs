//! What is found when stores are whole, and when they are altered.

use super::super::samples::{BEGUN, ORIGIN, Store, chain_id, signing, verifier};
use super::super::store::StoreFile;
use super::*;
use clap::Parser;
use hoop_model::{ChainHead, Gap, Head};
use serde_json::{Value, json};

impl Store {
    /// Verifies with the right key and more options; returns what is printed and the exit code.
    fn verify(&self, options: &[&str]) -> (Vec<String>, Value, u8) {
        self.verify_with(&verifier(), options)
    }

    fn verify_with(&self, key: &str, options: &[&str]) -> (Vec<String>, Value, u8) {
        let verify = parse(&[&[self.directory.path().to_str().unwrap(), "--key", key], options].concat()).unwrap();
        let found = verify.found().unwrap();
        let accepted = verify.accepted();
        let text = found.text(&accepted).lines().map(str::to_owned).collect();
        (text, found.json(&accepted), found.outcome(&accepted).code())
    }
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    verify: Verify,
}

fn parse(arguments: &[&str]) -> Result<Verify, clap::Error> {
    Line::try_parse_from([&["verify"], arguments].concat()).map(|line| line.verify)
}

const FIRST: &str = "segments/edge-1/00000000000000000000000000000007-3/00000000000000000001.seg";
const SECOND: &str = "segments/edge-1/00000000000000000000000000000007-3/00000000000000000005.seg";
const CHAIN: &str = "edge-1/00000000000000000000000000000007-3";

#[test]
fn a_whole_store_is_verified_and_summed_up() {
    let store = Store::whole();
    let (text, json, code) = store.verify(&[]);
    assert_eq!(
        text,
        [
            "verified",
            "log         hoopgate/00000000000000000000000000000001/evidence",
            "entries     3, of which a checkpoint vouches for 3: until 2026-11-22T14:03:09.000Z",
            "chains      1, of which 1 ended",
            "segments    2",
            "records     8",
            "sessions    4",
        ]
    );
    let expected = json!({
        "verified": true, "gaps_accepted": false, "conflicts_accepted": [], "problems": [], "accepted": [], "log": ORIGIN, "entries": 3, "anchored_entries": 3,
        "anchored_until": "2026-11-22T14:03:09.000Z", "anchored_until_ms": BEGUN + 2000, "chains": 1,
        "chains_ended": 1, "segments": 2, "records": 8, "sessions": 4, "gaps": [], "pending": [], "unanchored": [],
    });
    assert_eq!((json, code), (expected, 0));
}

#[test]
fn au_01_a_flipped_byte_anywhere_in_a_segment_is_found() {
    let store = Store::whole();
    let whole = std::fs::read(store.path(FIRST)).unwrap();
    for offset in (0..whole.len()).step_by(7) {
        store.alter(FIRST, |bytes| bytes[offset] ^= 1);
        let (_, json, code) = store.verify(&[]);
        assert_eq!(code, 1, "byte {offset}");
        assert_eq!((&json["problems"][0]["file"], &json["problems"][0]["chain"]), (&json!(FIRST), &json!(CHAIN)));
        std::fs::write(store.path(FIRST), &whole).unwrap();
    }
}

#[test]
fn au_01_a_flipped_byte_is_named_by_file_record_and_byte() {
    let store = Store::whole();
    let frames = std::fs::read(store.path(FIRST)).unwrap();
    let offset = hoop_audit::records(&frames).nth(2).unwrap().unwrap().offset;
    let next = hoop_audit::records(&frames).nth(3).unwrap().unwrap().offset;
    store.alter(FIRST, |bytes| bytes[next - 1] ^= 1);
    let (text, json, code) = store.verify(&[]);
    assert_eq!(text[0], "NOT VERIFIED");
    let what = "the record has another payload than its header says";
    assert_eq!(text[7..], [format!("problem     {FIRST}, record 3 at byte {offset}: {what}")]);
    let problem = json!({"file": FIRST, "chain": CHAIN, "record": 3, "offset": offset, "problem": what});
    assert_eq!((&json["problems"], &json["verified"], code), (&json!([problem]), &json!(false), 1));
    assert_eq!((&json["sessions"], &json["records"]), (&json!(2), &json!(4)), "of the other segment");
}

#[test]
fn au_07_a_missing_segment_is_found() {
    let store = Store::whole();
    std::fs::remove_file(store.path(FIRST)).unwrap();
    let (text, json, code) = store.verify(&[]);
    let what = "the segment that log entry 1 names is missing";
    assert_eq!(text[7..], [format!("problem     chain {CHAIN}, records 1 to 4: {what}")]);
    assert_eq!(json["problems"], json!([{"chain": CHAIN, "first": 1, "last": 4, "problem": what}]));
    assert_eq!(code, 1);
}

#[test]
fn au_03_a_cut_log_is_found() {
    let store = Store::whole();
    for cut in (1..store.entries.len()).step_by(3) {
        std::fs::write(store.path("log/entries"), &store.entries[..cut]).unwrap();
        let (text, json, code) = store.verify(&[]);
        assert_eq!((text[0].as_str(), code), ("NOT VERIFIED", 1), "{cut} bytes");
        let in_log = |problem: &Value| problem["file"] == "log/entries" && problem["offset"].is_u64();
        assert!(json["problems"].as_array().unwrap().iter().any(in_log), "{cut} bytes: {json}");
    }
    std::fs::remove_file(store.path("log/entries")).unwrap();
    let (text, _, code) = store.verify(&[]);
    assert!(text.contains(&"problem     log/entries: is missing".to_owned()), "{text:?}");
    assert_eq!(code, 1);
}

#[test]
fn au_06_a_store_taken_back_to_an_older_state_is_found_with_a_kept_checkpoint() {
    let mut store = Store::begin();
    store.segment(1, false);
    let old = ["log/entries", "log/checkpoint"].map(|file| (file, std::fs::read(store.path(file)).unwrap()));
    let second = store.segment(1, true);
    let kept = store.directory.path().with_extension("kept");
    std::fs::copy(store.path("log/checkpoint"), &kept).unwrap();
    let option = ["--checkpoint", kept.to_str().unwrap()];
    assert_eq!(store.verify(&option).2, 0);
    for (file, bytes) in old {
        std::fs::write(store.path(file), bytes).unwrap();
    }
    std::fs::remove_file(store.path(&second)).unwrap();
    assert_eq!(store.verify(&[]).2, 0, "nothing in the store itself can tell");
    let (text, _, code) = store.verify(&option);
    assert!(text.last().unwrap().ends_with("the log ends here, but a checkpoint vouches for 3 entries"), "{text:?}");
    assert_eq!(code, 1);
    std::fs::remove_file(kept).unwrap();
}

#[test]
fn another_key_verifies_nothing() {
    let store = Store::whole();
    let other = VerifierKey::new(ORIGIN, signing(9).verifying_key()).unwrap().to_string();
    let (text, json, code) = store.verify_with(&other, &[]);
    let what = "nothing is verified: the checkpoint is not signed with the given key";
    assert_eq!(text, ["NOT VERIFIED".to_owned(), format!("problem     log/checkpoint: {what}")]);
    let problem = json!({"file": "log/checkpoint", "problem": what});
    assert_eq!(
        json,
        json!({"verified": false, "gaps_accepted": false, "conflicts_accepted": [], "accepted": [], "problems": [problem]})
    );
    assert_eq!(code, 1);
    std::fs::remove_file(store.path("log/checkpoint")).unwrap();
    assert_eq!(store.verify(&[]).0, ["NOT VERIFIED", "problem     log/checkpoint: is missing"]);
}

#[test]
fn what_does_not_belong_into_a_store_is_reported() {
    let store = Store::whole();
    std::fs::write(store.path("EXPORT"), ORIGIN).unwrap();
    assert_eq!(store.verify(&[]).2, 0, "an export says that it is one");
    std::fs::write(store.path("segments/edge-1/\u{1b}[2J"), "").unwrap();
    let (text, json, code) = store.verify(&[]);
    let what = "does not belong into an evidence store";
    assert_eq!(text.last().unwrap(), &format!(r"problem     segments/edge-1/\u{{1b}}[2J: {what}"));
    assert_eq!(json["problems"], json!([{"file": "segments/edge-1/\u{1b}[2J", "problem": what}]));
    assert_eq!(code, 1);
}

#[test]
fn a_gap_fails_unless_it_is_accepted() {
    let mut store = Store::begin();
    store.segment(2, false);
    let lost = Head { sequence: 9, hash: hoop_model::ContentHash([9; 32]) };
    store.log(|entry| {
        entry.heads.push(ChainHead { chain: chain_id(), head: lost });
        entry.gaps.push(Gap { chain: chain_id(), first: 5, last: lost });
    });
    let line = format!("lost        chain {CHAIN}, records 5 to 9: declared lost by the cluster");
    let (text, json, code) = store.verify(&[]);
    assert_eq!((text[0].as_str(), text[7..].to_vec(), code), ("NOT VERIFIED", vec![line.clone()], 1));
    assert_eq!(json["gaps"], json!([{"chain": CHAIN, "first": 5, "last": 9}]));
    let (text, json, code) = store.verify(&["--accept-gaps"]);
    assert_eq!((text[0].as_str(), text[7..].to_vec(), code), ("verified", vec![format!("{line} (accepted)")], 0));
    assert_eq!((&json["verified"], &json["gaps_accepted"]), (&json!(true), &json!(true)));
}

#[test]
fn what_is_under_no_checkpoint_yet_is_said_and_is_no_problem() {
    let mut store = Store::whole();
    let note = std::fs::read(store.path("log/checkpoint")).unwrap();
    store.log(|_| {});
    std::fs::write(store.path("log/checkpoint"), note).unwrap();
    let (text, _, code) = store.verify(&[]);
    assert_eq!(text[2], "entries     4, of which a checkpoint vouches for 3: until 2026-11-22T14:03:09.000Z");
    assert_eq!(code, 0);

    let mut store = Store::begin();
    let [entries, note] = ["log/entries", "log/checkpoint"].map(|file| std::fs::read(store.path(file)).unwrap());
    store.segment(2, false);
    std::fs::write(store.path("log/entries"), entries).unwrap();
    std::fs::write(store.path("log/checkpoint"), note).unwrap();
    let (text, json, code) = store.verify(&[]);
    assert_eq!(text[7..], [format!("unanchored  {FIRST}: 4 records in order, under no checkpoint yet")]);
    assert_eq!((&json["unanchored"], &json["sessions"]), (&json!([{"file": FIRST, "records": 4}]), &json!(0)));
    assert_eq!(code, 0);

    let mut store = Store::begin();
    store.segment(2, false);
    let ahead = Head { sequence: 7, hash: hoop_model::ContentHash([9; 32]) };
    store.log(|entry| entry.heads.push(ChainHead { chain: chain_id(), head: ahead }));
    let (text, json, code) = store.verify(&[]);
    let pending = format!("pending     chain {CHAIN}, records 5 to 7: known, and not in the store yet");
    assert_eq!((text[7..].to_vec(), code), (vec![pending], 0));
    assert_eq!(json["pending"], json!([{"chain": CHAIN, "first": 5, "last": 7}]));
}

#[test]
fn a_segment_larger_than_any_is_not_read_whole() {
    let store = Store::whole();
    let file = File::options().write(true).open(store.path(SECOND)).unwrap();
    file.set_len(1 << 40).unwrap();
    let Some(StoreFile::Segment(name)) = StoreFile::parse(SECOND) else { panic!("{SECOND}") };
    assert_eq!(read_segment(store.directory.path(), &name).unwrap().len(), MAX_SEGMENT_BYTES + 1);
    let (_, json, code) = store.verify(&[]);
    assert_eq!((&json["problems"][0]["file"], code), (&json!(SECOND), 1));
}

#[test]
fn the_key_is_an_argument_or_a_file_and_mistakes_are_usage() {
    let store = Store::whole();
    let directory = store.directory.path().to_str().unwrap();
    let file = store.directory.path().with_extension("key");
    std::fs::write(&file, format!("{}\n", verifier())).unwrap();
    let at_file = format!("@{}", file.to_str().unwrap());
    assert_eq!(parse(&[directory, "--key", &at_file]).unwrap().key, verifier().parse().unwrap());
    std::fs::remove_file(&file).unwrap();
    let key = verifier();
    for wrong in [
        vec![directory],
        vec![directory, "--key", "what"],
        vec![directory, "--key", &at_file],
        vec!["/nowhere", "--key", &key],
        vec![directory, "--key", &key, "--checkpoint", "/nowhere"],
        vec![directory, "--key", &key, "-o", "table"],
    ] {
        assert_eq!(parse(&wrong).err().unwrap().exit_code(), 2, "{wrong:?}");
    }
}

#[test]
fn what_one_node_said_against_itself_is_accepted_by_name_and_never_silently() {
    let mut store = Store::whole();
    let chain = chain_id();
    let known = ChainHead { chain: chain.clone(), head: Head { sequence: 3, hash: hoop_model::ContentHash([1; 32]) } };
    let said = Head { sequence: 3, hash: hoop_model::ContentHash([2; 32]) };
    store.log(|entry| entry.conflicts.push(hoop_model::Conflict { known, said }));
    let public = signing(9).verifying_key().0;
    let key = hoop_model::EvidenceKey { node: chain.node.clone(), incarnation: chain.incarnation, public };
    store.log(|entry| entry.keys.push(key));
    for options in [&[][..], &["--accept-gaps"], &["--accept-conflicts", "edge-2"]] {
        let (text, json, code) = store.verify(options);
        assert_eq!((text[0].as_str(), json["verified"].clone(), code), ("NOT VERIFIED", json!(false), 1));
        assert_eq!(json["problems"].as_array().unwrap().len(), 2, "{text:?}");
    }
    let (text, json, code) = store.verify(&["--accept-conflicts", "edge-1"]);
    assert_eq!((text[0].as_str(), code), ("verified", 0), "{text:?}");
    assert_eq!(text.iter().filter(|line| line.starts_with("conflict    ") && line.ends_with(" (accepted)")).count(), 2);
    assert_eq!(json["conflicts_accepted"], json!(["edge-1"]));
    assert_eq!((json["accepted"].as_array().unwrap().len(), json["problems"].clone()), (2, json!([])));
    // Whatever else is wrong still is.
    store.alter(FIRST, |bytes| bytes[100] ^= 1);
    assert_eq!(store.verify(&["--accept-conflicts", "edge-1"]).2, 1);
    assert!(parse(&[".", "--key", &verifier(), "--accept-conflicts", "No Node"]).is_err());
}
