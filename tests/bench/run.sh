#!/usr/bin/env bash
# Measures what a request through the gateway costs, beside nginx and a proxy that only copies bytes. Run it on a machine that
# does nothing else. Options: --rounds N, --requests N, --size BYTES, --connections N, --only PART_OF_A_NAME.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if ! PATH=$PATH:/usr/sbin command -v nginx >/dev/null; then
  if ! command -v apt-get >/dev/null; then
    echo "please install nginx" >&2
    exit 1
  fi
  sudo=()
  ((EUID == 0)) || sudo=(sudo)
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx >/dev/null
fi

cargo build --release --workspace --bins
exec target/release/hoop-bench run "$@"
