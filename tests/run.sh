#!/usr/bin/env bash
# The gate: format, lints, docs, arrows and every test. It changes nothing in the tree.
#   tests/run.sh          everything, at the counts of continuous integration
#   tests/run.sh quick    format, lints, unit tests, arrows, and one path through real processes
#   tests/run.sh full     everything, with as many rounds of the crash and property tests as it takes to convince
# The last line is `N passed, N failed`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mode=${1:-ci}
case $mode in
  quick | ci) ;;
  full) export HOOP_FULL=1 PROPTEST_CASES=10000 ;;
  *) echo "usage: tests/run.sh [quick|full]" >&2; exit 2 ;;
esac

work=target/tests
venv=target/venv
mkdir -p "$work"
passed=0
failed=0

main() {
  step "tools" install_tools
  # Of every platform, because the arrows between crates are read without a network.
  step "packages" cargo fetch --locked
  step "format" cargo fmt --all --check
  step "lints" cargo clippy --workspace --all-targets -- -D warnings
  if [[ $mode != quick ]]; then
    step "docs" env RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps
  fi
  step "build" build
  if [[ -s $work/suites ]]; then
    run_suites
  fi
  if [[ $mode != quick ]]; then
    suite "documentation examples" cargo test --workspace --doc
  fi
  echo
  echo "$passed passed, $failed failed"
  ((failed == 0))
}

# Runs a step that counts only when it fails.
step() {
  local name=$1 start=$SECONDS
  shift
  echo "== $name"
  if "$@"; then
    echo "   $name: ok, $((SECONDS - start)) s"
  else
    failed=$((failed + 1))
    echo "   $name: FAILED, $((SECONDS - start)) s"
  fi
}

# Runs a test binary and counts what it reports; one that reports nothing, or dies, is a failure.
suite() {
  local name=$1 start=$SECONDS status=0 counts
  shift
  echo "== $name"
  timeout --kill-after=30 2400 "$@" >"$work/output" 2>&1 || status=$?
  counts=$(sed -nE 's/^test result: .* ([0-9]+) passed; ([0-9]+) failed;.*/\1 \2/p' "$work/output" |
    awk '{ p += $1; f += $2 } END { if (NR) print p, f }')
  local suite_passed=${counts% *} suite_failed=${counts#* }
  if [[ -z $counts ]] || { ((status != 0)) && ((suite_failed == 0)); }; then
    suite_passed=${suite_passed:-0}
    suite_failed=$((${suite_failed:-0} + 1))
  fi
  ((suite_failed == 0)) || cat "$work/output"
  passed=$((passed + suite_passed))
  failed=$((failed + suite_failed))
  echo "   $name: $suite_passed passed, $suite_failed failed, $((SECONDS - start)) s"
}

# Installs what the tests drive the product with. On Debian only what is missing; elsewhere it says what it needs.
install_tools() {
  local missing=() tool
  for tool in nginx curl python3 strace; do
    PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || missing+=("$tool")
  done
  if ! python3 -c 'import ensurepip' 2>/dev/null; then
    missing+=(python3-venv)
  fi
  if ((${#missing[@]})); then
    install_packages "${missing[@]}" || return 1
  fi
  if ! cmp -s tests/clients/requirements.txt "$venv/requirements.txt"; then
    python3 -m venv --clear "$venv" &&
      "$venv/bin/pip" --quiet --disable-pip-version-check install --requirement tests/clients/requirements.txt &&
      cp tests/clients/requirements.txt "$venv/requirements.txt"
  fi
}

install_packages() {
  if ! command -v apt-get >/dev/null; then
    echo "please install: $*" >&2
    return 1
  fi
  local sudo=()
  ((EUID == 0)) || sudo=(sudo)
  "${sudo[@]}" apt-get update -qq &&
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Builds everything once and lists the test binaries: name, directory of the package, path.
build() {
  rm -f "$work/suites"
  cargo build --workspace --all-targets --message-format=json-render-diagnostics >"$work/build.json" || return 1
  python3 - "$work/build.json" >"$work/suites" <<'PYTHON'
import json, os, sys

suites = []
for line in open(sys.argv[1], encoding="utf-8"):
    artifact = json.loads(line)
    if artifact.get("reason") != "compiler-artifact" or not artifact.get("executable"):
        continue
    if not artifact["profile"]["test"]:
        continue
    directory = os.path.dirname(artifact["manifest_path"])
    target = artifact["target"]
    kind = "unit" if target["kind"][0] != "test" else "test"
    name = f"{os.path.relpath(directory)} {target['kind'][0]} {target['name']}"
    suites.append((kind, name, directory, artifact["executable"]))
for suite in sorted(set(suites), key=lambda s: (s[0] == "test", s[1])):
    print("\t".join(suite))
PYTHON
}

run_suites() {
  local kind name directory binary arguments
  while IFS=$'\t' read -r -u 3 kind name directory binary; do
    arguments=()
    case "$kind $name" in
      # Most of them wait for a process or for a lease, so more of them run at once than there are processors.
      test*" e2e")
        arguments=(--test-threads=4)
        [[ $mode != quick ]] || arguments+=(path_)
        ;;
    esac
    suite "$name" env -C "$directory" CARGO_MANIFEST_DIR="$directory" "$binary" "${arguments[@]}"
  done 3<"$work/suites"
}

main
