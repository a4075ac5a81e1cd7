//! Starting, stopping, and the seal key.

use super::{Plane, config, world, write_seal_key};
use crate::{BirthError, ControlPlane, StartError};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tonic::Code;

#[tokio::test]
async fn another_seal_key_does_not_open_the_cluster() {
    let plane = Plane::start().await;
    let key = plane.dir.path().join("seal.key");
    write_seal_key(&key, "b");
    let Plane { dir, running, first, token } = plane;
    running.stop().await;
    let refused = ControlPlane::start(config(dir.path())).await.err().unwrap();
    assert!(matches!(refused, StartError::Birth(BirthError::WrongSealKey)), "{refused:?}");
    write_seal_key(&key, "a");
    let running = ControlPlane::start(config(dir.path())).await.unwrap();
    Plane { dir, running, first, token }.apply(world()).await.unwrap();
}

#[tokio::test]
async fn a_seal_key_that_lies_with_the_data_is_refused_wherever_links_lead() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    write_seal_key(&data.join("seal.key"), "a");
    symlink(data.join("seal.key"), dir.path().join("link.key")).unwrap();
    symlink(&data, dir.path().join("linked")).unwrap();
    write_seal_key(&dir.path().join("outside.key"), "a");
    symlink(dir.path().join("outside.key"), data.join("back.key")).unwrap();
    for path in ["data/seal.key", "link.key", "linked/seal.key", "data/../data/seal.key", "data/back.key"] {
        let config = crate::Config { seal_key: dir.path().join(path), ..config(dir.path()) };
        let refused = ControlPlane::start(config).await.err().unwrap();
        assert!(matches!(refused, StartError::SealKeyWithData { .. }), "{path}: {refused:?}");
    }
}

#[tokio::test]
async fn the_data_directory_is_for_its_owner_and_holds_no_key_in_the_clear() {
    let plane = Plane::start().await;
    let data = plane.dir.path().join("data");
    assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    let key = plane.running.cluster.ca().key_der();
    let token = plane.token.clone();
    let Plane { dir: plane_dir, running, .. } = plane;
    running.stop().await;
    let files = [files(&data), files(&plane_dir.path().join("evidence"))].concat();
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        let holds = |secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!holds(&key.reveal()[..64]) && !holds(token.as_bytes()), "{}", file.display());
    }
    assert!(files.len() > 3, "{files:?}");
}

#[tokio::test]
async fn a_stop_ends_streams_with_a_reason() {
    let plane = Plane::start().await;
    let mut link = plane.attached(&plane.joined("n1", &[]).await).await;
    link.snapshot().await;
    let Plane { dir: _dir, running, .. } = plane;
    let (ended, ()) = tokio::join!(link.hear(), running.stop());
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
}

/// Every file beneath a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
