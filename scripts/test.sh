#!/usr/bin/env bash
# Sets up everything that the tests need, and runs them. Needs Rust (rustup) and, to install
# packages, Debian's apt. Speed is measured elsewhere: scripts/bench*.sh.
#   scripts/test.sh           the whole gate
#   scripts/test.sh --fast    format, lints and quick tests of the crates that changed since the last
#                             commit, or of the symbolic crate if there are none; sets nothing up
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s (%ss)\n' "$1" "$SECONDS"; }

if [ "${1:-}" = --fast ]; then
    mapfile -t changed < <(git status --porcelain -- crates | grep -oE 'crates/[^/]+' | sort -u | cut -d/ -f2)
    [ ${#changed[@]} -gt 0 ] || changed=(tracecodec)
    packages=("${changed[@]/#/--package=}")
    # With these beside it, any crate has the features that the workspace has, so that nothing is
    # compiled once more.
    packages+=(--package=tracecodec-cli --package=tracecodec-python)
    step "format, lints and tests: ${changed[*]}"
    cargo fmt --all --check
    cargo clippy --release "${packages[@]}" --all-targets -- -D warnings
    cargo nextest run --release --profile fast "${packages[@]}" \
        --filterset "$(printf 'package(=%s) + ' "${changed[@]}")none()"
    step 'all good'
    exit
fi

# Seconds that each fuzz target runs for.
FUZZ_SECONDS=${FUZZ_SECONDS:-14}

step 'tools'
packages=()
command -v cc >/dev/null && command -v c++ >/dev/null || packages+=(build-essential)
command -v tshark >/dev/null || packages+=(tshark)
command -v capinfos >/dev/null || packages+=(wireshark-common)
command -v tcpdump >/dev/null || packages+=(tcpdump)
compgen -G '/usr/share/vulkan/icd.d/lvp_icd*' >/dev/null || packages+=(mesa-vulkan-drivers)
command -v tcpprep >/dev/null || packages+=(tcpreplay)
python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3-venv)
command -v ndpiReader >/dev/null || packages+=(libndpi-bin)
if [ ${#packages[@]} -gt 0 ]; then
    root=$([ "$(id -u)" = 0 ] || echo sudo)
    $root apt-get update -qq
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${packages[@]}" >/dev/null
fi
# Compiled without optimisation, in less than half the time: they wait for others.
for tool in cargo-nextest cargo-fuzz cargo-deny; do
    command -v "$tool" >/dev/null || cargo install --debug --locked "$tool"
done

step 'format'
cargo fmt --all --check
scripts/check-comments.sh

step 'lints'
cargo clippy --release --workspace --all-targets -- -D warnings

# Fails if the name of a direct or indirect dependency of a crate begins with one of the
# alternatives.
reaches_none_of() {
    if cargo tree --package "$1" --edges normal --prefix none | grep -E "^($2)"; then
        echo "error: crates/$1 depends on the crates above" >&2
        exit 1
    fi
}
step 'the symbolic crate reaches no tensors, terminal or Python'
reaches_none_of tracecodec 'tracecodec-tensor|clap|indicatif|pyo3'
step 'only GPUs need Burn'
reaches_none_of tracecodec-cli 'burn|cubecl|wgpu'
step 'the pipeline crate reaches no terminal'
reaches_none_of tracecodec-pipeline 'clap|indicatif|anyhow|ctrlc'

step 'tests'
cargo nextest run --release --workspace

step 'the examples of the pipeline crate'
for example in crates/tracecodec-pipeline/examples/*.rs; do
    # The tests have compiled it. An example takes a capture, and a folder that it may write to.
    "${CARGO_TARGET_DIR:-target}/release/examples/$(basename "$example" .rs)" \
        data/example.pcap "$(mktemp -d)"
done

step 'the device wgpu, on software Vulkan'
cargo nextest run --release -p tracecodec -p tracecodec-tensor -p tracecodec-nn \
    --features tracecodec-nn/wgpu,tracecodec/arrow \
    -E 'binary(gradients) + (package(tracecodec-nn) & test(device))'

step 'the page of report in a browser'
crates/tracecodec-cli/tests/browser/run.sh

step 'the scripts'
PYTHONDONTWRITEBYTECODE=1 "${CARGO_TARGET_DIR:-target}/browser-venv/bin/pytest" -q -p no:cacheprovider scripts

step 'a round of the soak'
TRACECODEC="${CARGO_TARGET_DIR:-target}/release/tracecodec" scripts/soak.py --packets 2000

step 'dependencies: licences, bans and sources'
cargo deny --locked check licenses bans sources

step 'the crates can be packaged'
cargo package --quiet --workspace --exclude tracecodec-python --no-verify --allow-dirty

step 'the Python package'
scripts/test-wheel.sh

step 'doctests'
cargo test --release --workspace --doc

step 'documentation'
RUSTDOCFLAGS='-D warnings' cargo doc --release --workspace --no-deps --quiet

step "fuzz targets, $FUZZ_SECONDS s each"
for target in $(cargo fuzz list); do
    mkdir -p "fuzz/corpus/$target"
    cargo fuzz run --sanitizer none "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="$FUZZ_SECONDS" -rss_limit_mb=4096 -timeout=120 -verbosity=0
done

step 'all good'
