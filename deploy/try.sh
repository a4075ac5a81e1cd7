#!/usr/bin/env bash
# From a fresh clone to a working gateway: installs what is missing, builds, and plays a nightly job against a demo backend.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

need_rust=1.95

main() {
  install_packages
  check_rust
  echo "building (the first time takes some minutes)"
  cargo build -p hoopctl
  exec target/debug/hoopctl dev --demo "$@"
}

# A C compiler, make and pkg-config for the cryptography library; curl to play with the gateway afterwards.
install_packages() {
  local missing=()
  command -v gcc >/dev/null || missing+=(gcc libc6-dev)
  command -v make >/dev/null || missing+=(make)
  command -v pkg-config >/dev/null || missing+=(pkg-config)
  command -v curl >/dev/null || missing+=(curl)
  ((${#missing[@]})) || return 0
  if ! command -v apt-get >/dev/null; then
    echo "please install: ${missing[*]} (or what your system calls them), then run this again" >&2
    exit 1
  fi
  local sudo=()
  ((EUID == 0)) || sudo=(sudo)
  echo "installing ${missing[*]}"
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

check_rust() {
  local version
  if ! command -v cargo >/dev/null; then
    echo "needs Rust $need_rust or newer: https://rustup.rs" >&2
    exit 1
  fi
  version=$(cargo --version | cut -d' ' -f2)
  if [[ $(printf '%s\n' "$need_rust" "$version" | sort -V | head -n1) != "$need_rust" ]]; then
    echo "needs Rust $need_rust or newer, found $version: rustup update stable" >&2
    exit 1
  fi
}

main "$@"
