//! The log's bytes, its tree and its checkpoints, against what others publish.

use super::store::*;
use crate::*;
use hoop_model::ContentHash;

/// The leaves and tree hashes for 0 to 8 of them in the tests of Certificate Transparency's reference implementation
/// (google/certificate-transparency, merkletree/merkle_tree_test.cc).
const LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

#[test]
fn the_tree_is_the_one_of_rfc_6962() {
    let mut tree = Tree::empty();
    for (size, root) in ROOTS.into_iter().enumerate() {
        assert_eq!((tree.size(), tree.root().to_string().as_str()), (size as u64, root));
        LEAVES.get(size).into_iter().for_each(|leaf| tree.push(leaf));
    }
}

/// The definition of RFC 6962 §2.1, word by word.
fn slow_root(leaves: &[Vec<u8>]) -> Vec<u8> {
    let sha256 = |bytes: &[u8]| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec();
    match leaves {
        [] => sha256(b""),
        [leaf] => sha256(&[&[0], leaf.as_slice()].concat()),
        leaves => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            sha256(&[vec![1], slow_root(left), slow_root(right)].concat())
        }
    }
}

#[test]
fn the_tree_agrees_with_the_definition_at_every_size() {
    let leaves: Vec<Vec<u8>> = (0..200u8).map(|at| vec![at; usize::from(at % 7)]).collect();
    let mut tree = Tree::empty();
    for (size, leaf) in leaves.iter().enumerate() {
        assert_eq!(tree.root().0.to_vec(), slow_root(&leaves[..size]), "{size}");
        tree.push(leaf);
    }
}

/// The example of golang.org/x/mod/sumdb/note, which signed notes come from.
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const GO_SIGNATURE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const OTHER_SIGNATURE: &str =
    "\u{2014} EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

/// Opens what is no checkpoint: if its signature is in order, only its text is complained of.
fn opened(note: &str, key: &str) -> Result<Checkpoint, NotACheckpoint> {
    Checkpoint::open(note, &key.parse().unwrap())
}

#[test]
fn a_published_note_is_verified() {
    let signed = Err(NotACheckpoint::Malformed("text"));
    assert_eq!(opened(&format!("{GO_TEXT}\n{GO_SIGNATURE}"), GO_KEY), signed);
    let example = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    let key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    assert_eq!(opened(example, key), signed, "the example of C2SP signed-note");
    assert_eq!(
        opened(&format!("{GO_TEXT}\n{OTHER_SIGNATURE}{GO_SIGNATURE}"), GO_KEY),
        signed,
        "others are passed over"
    );
    assert_eq!(opened(&format!("{GO_TEXT}\n{OTHER_SIGNATURE}"), GO_KEY), Err(NotACheckpoint::OtherKey));
    assert_eq!(opened(&format!("{GO_TEXT}.\n\n{GO_SIGNATURE}"), GO_KEY), Err(NotACheckpoint::Forged));
    let twice = opened(&format!("{GO_TEXT}\n{GO_SIGNATURE}{GO_SIGNATURE}"), GO_KEY);
    assert_eq!(twice, Err(NotACheckpoint::Malformed("signature: it is there twice")));
}

#[test]
fn a_published_note_is_signed_to_the_byte() {
    // PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz
    let seed: [u8; 32] = [
        0x81, 0x0a, 0x14, 0x02, 0xd5, 0x14, 0x6c, 0x8d, 0x84, 0xf2, 0x44, 0x33, 0x30, 0xf5, 0x40, 0x80, 0xeb, 0xf9,
        0x8e, 0xe1, 0x7d, 0x9c, 0x74, 0xf6, 0x25, 0x2f, 0xc5, 0xd5, 0xc7, 0x28, 0x31, 0x73,
    ];
    let key = SigningKey::from_seed(&seed).unwrap();
    assert_eq!(VerifierKey::new("PeterNeumann", key.verifying_key()).unwrap().to_string(), GO_KEY);
    assert_eq!(crate::log::sign_note(GO_TEXT, "PeterNeumann", &key), format!("{GO_TEXT}\n{GO_SIGNATURE}"));
    assert_eq!(
        format!("{key:?}"),
        format!("SigningKey {{ public: {:?}, .. }}", key.verifying_key()),
        "no seed is shown"
    );
}

#[test]
fn a_verifier_key_has_one_form() {
    let keys = [GO_KEY, "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"];
    for text in keys {
        assert_eq!(text.parse::<VerifierKey>().unwrap().to_string(), text);
    }
    let parsed = |text: &str| text.parse::<VerifierKey>().err();
    let malformed = |field| Some(InvalidVerifierKey::Malformed(field));
    assert_eq!(parsed(""), malformed("form"));
    assert_eq!(parsed("PeterNeumann+c74f20a3"), malformed("form"));
    assert_eq!(parsed(&GO_KEY.replace("TW", "T")), malformed("key"));
    assert_eq!(parsed("PeterNeumann+c74f20a3+"), malformed("key"));
    assert_eq!(parsed("PeterNeumann+c74f20a3+AQ=="), malformed("key"));
    assert_eq!(parsed(&GO_KEY.replace("+AR", "+BR")), Some(InvalidVerifierKey::UnknownAlgorithm(5)));
    assert_eq!(parsed(&GO_KEY.replace("c74f", "C74F")), Some(InvalidVerifierKey::HashDiffers));
    assert_eq!(parsed(&GO_KEY.replace("Peter", "Petra")), Some(InvalidVerifierKey::HashDiffers));
    assert_eq!(parsed(&GO_KEY.replace("rN", "r N")), malformed("name"));
    assert_eq!(parsed(&GO_KEY.replace("PeterNeumann", "")), malformed("name"));
    assert!(VerifierKey::new("a+b", VerifyingKey([0; 32])).is_err());
}

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: ORIGIN.into(), size: 8, root: ROOTS[8].parse().unwrap() }
}

#[test]
fn a_checkpoint_is_what_was_signed() {
    let note = checkpoint().sign(&log_key());
    let text = format!("{ORIGIN}\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n\n\u{2014} {ORIGIN} ");
    assert!(note.starts_with(&text), "{note}");
    assert_eq!(Checkpoint::open(&note, &verifier()), Ok(checkpoint()));
    let empty = Checkpoint { size: 0, root: Tree::empty().root(), ..checkpoint() };
    assert_eq!(Checkpoint::open(&empty.sign(&log_key()), &verifier()), Ok(empty));
}

#[test]
fn a_checkpoint_of_another_form_is_refused_although_it_is_signed() {
    let root = "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=";
    let text = |text: &str| Checkpoint::open(&crate::log::sign_note(text, ORIGIN, &log_key()), &verifier());
    assert_eq!(text(&format!("{ORIGIN}\n8\n{root}\n")), Ok(checkpoint()));
    let wrong = [
        format!("{ORIGIN}\n{ORIGIN}\n8\n{root}\n"),
        format!("{ORIGIN}\n8\n{root}\nextension\n"),
        format!("{ORIGIN}\n8\n{root}\n\n"),
        format!("{ORIGIN}\n08\n{root}\n"),
        format!("{ORIGIN}\n+8\n{root}\n"),
        format!("{ORIGIN}\n-1\n{root}\n"),
        format!("{ORIGIN}\n18446744073709551616\n{root}\n"),
        format!("{ORIGIN}\n8\n{}\n", root.replace("Xcna", "")),
        format!("{ORIGIN}\n8\n{root} \n"),
        format!("{ORIGIN}\n8\n{}\n", root.replace("yg=", "yh=")),
        format!("{ORIGIN}\n8\n"),
        format!("\n8\n{root}\n"),
        "\n".into(),
    ];
    for wrong in wrong {
        assert_eq!(text(&wrong), Err(NotACheckpoint::Malformed("text")), "{wrong:?}");
    }
    assert_eq!(text(&format!("hoopgate/00/evidence\n8\n{root}\n")), Err(NotACheckpoint::OtherLog));
}

#[test]
fn a_note_of_another_form_is_refused() {
    let note = checkpoint().sign(&log_key());
    let cases = [
        String::new(),
        "\n\n".into(),
        note.trim_end().into(),
        format!("{note}\n"),
        format!("{note}x"),
        format!("{note}x\n"),
        format!("{note}\u{2014} other.example\n"),
        format!("{note}\u{2014} other.example AAAA\n"),
        format!("{note}\u{2014} other+example AAAAAAAA\n"),
        note.replace('\n', "\r\n"),
        format!("\u{0}{note}"),
        note.replace("\u{2014} ", "- "),
        format!("{}{note}", "x".repeat(20_000)),
    ];
    for wrong in cases {
        let found = Checkpoint::open(&wrong, &verifier());
        assert!(matches!(found, Err(NotACheckpoint::Malformed(_) | NotACheckpoint::Forged)), "{wrong:?}: {found:?}");
    }
    let with_witness = format!("{note}\u{2014} witness.example AAAAAAAAAAA=\n");
    assert_eq!(Checkpoint::open(&with_witness, &verifier()), Ok(checkpoint()));
}

#[test]
fn a_log_entry_has_one_form() {
    for entry in store().log {
        let bytes = encode_log_entry(&entry);
        assert_eq!(decode_log_entry(&bytes), Ok(entry));
        for (wrong, error) in [
            ([bytes.as_slice(), &[0x78, 1]].concat(), NotALogEntry::NotCanonical),
            ([&bytes[..1], &[0x81, 0x00], &bytes[2..]].concat(), NotALogEntry::NotCanonical),
            ([&[8, 2], &bytes[2..]].concat(), NotALogEntry::UnknownFormat(2)),
            (bytes[2..].to_vec(), NotALogEntry::UnknownFormat(0)),
            (bytes[..bytes.len() - 1].to_vec(), NotALogEntry::Malformed("message")),
        ] {
            assert_eq!(decode_log_entry(&wrong), Err(error));
        }
    }
    let large = vec![0; MAX_LOG_ENTRY_BYTES + 1];
    assert_eq!(decode_log_entry(&large), Err(NotALogEntry::TooLarge(MAX_LOG_ENTRY_BYTES + 1)));
}

#[test]
fn a_log_entry_that_names_what_cannot_be_is_refused() {
    let log = store().log;
    let altered = |at: usize, alter: &dyn Fn(&mut hoop_model::LogEntry)| {
        let mut entry = log[at].clone();
        alter(&mut entry);
        decode_log_entry(&encode_log_entry(&entry))
    };
    let malformed = |field| Err(NotALogEntry::Malformed(field));
    assert_eq!(altered(1, &|entry| entry.heads[0].head.sequence = 0), malformed("sequence"));
    assert_eq!(altered(2, &|entry| entry.roots[0].first = 0), malformed("first sequence"));
    assert_eq!(altered(2, &|entry| entry.roots[0].first = 7), malformed("first sequence"));
    assert_eq!(altered(6, &|entry| entry.gaps[0].first = 5), malformed("first sequence"));
    assert!(altered(6, &|entry| entry.gaps[0].last.hash = ContentHash([0; 32])).is_ok());
}

#[test]
fn the_file_of_the_log_is_taken_apart_in_any_pieces() {
    let (store, entries) = (store(), store().entries());
    for size in [1, 2, 5, 100, entries.len()] {
        let (mut file, mut read) = (LogFile::default(), Vec::new());
        for piece in entries.chunks(size) {
            file.push(piece);
            while let Some(entry) = file.take().unwrap() {
                read.push(decode_log_entry(entry).unwrap());
            }
        }
        assert_eq!(read, store.log);
        assert_eq!((file.index(), file.offset(), file.is_within_entry()), (7, entries.len() as u64, false));
    }
}

#[test]
fn a_length_that_no_entry_has_ends_the_file_of_the_log() {
    for claimed in [0, MAX_LOG_ENTRY_BYTES as u32 + 1, u32::MAX] {
        let mut file = LogFile::default();
        file.push(&[&store().entries(), claimed.to_le_bytes().as_slice(), &[0; 9]].concat());
        let mut taken = 0;
        let unframed = loop {
            match file.take() {
                Ok(entry) => taken += u64::from(entry.is_some()),
                Err(unframed) => break unframed,
            }
        };
        assert_eq!((unframed.index, unframed.claimed, taken), (7, claimed, 7));
        assert_eq!((file.take(), unframed.offset), (Err(unframed), store().entries().len() as u64));
    }
}
