#!/usr/bin/env bash
# Tests the page of `tracecodec report` in Debian's Chromium. Needs the program built with --release.
set -euo pipefail
cd "$(dirname "$0")/../../../.."

target=${CARGO_TARGET_DIR:-target}
packages=()
command -v chromium >/dev/null || packages+=(chromium fonts-dejavu-core)
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
if [ ${#packages[@]} -gt 0 ]; then
    root=$([ "$(id -u)" = 0 ] || echo sudo)
    $root apt-get update -qq
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${packages[@]}" >/dev/null
fi
# Playwright drives the installed browser and downloads none.
venv=$target/browser-venv
if ! [ -x "$venv/bin/pytest" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q 'playwright>=1.50,<2' 'pytest>=8,<10'
fi
export PYTHONDONTWRITEBYTECODE=1
TRACECODEC="$(realpath "$target")/release/tracecodec" "$venv/bin/pytest" -q -p no:cacheprovider crates/tracecodec-cli/tests/browser
