//! Generates the `hoop/v1` types and services from the contract, without protoc.

#![allow(clippy::print_stdout, reason = "cargo reads a build script's standard output")]

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let names = ["resources", "admin", "fleet", "approvals", "audit", "raft"];
    let files: Vec<_> = names.iter().map(|name| root.join(format!("hoop/v1/{name}.proto"))).collect();
    println!("cargo:rerun-if-changed={}", root.join("hoop").display());
    let descriptors = protox::compile(&files, [&root])?;
    // What holds a value or a key in clear gets a Debug by hand that does not print it: src/secret.rs.
    let silent = [".hoop.v1.SetSecretRequest", ".hoop.v1.OpenedSecret", ".hoop.v1.Snapshot"];
    tonic_prost_build::configure().btree_map(".").skip_debug(silent).compile_fds(descriptors)?;
    Ok(())
}
