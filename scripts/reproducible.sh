#!/usr/bin/env bash
# Builds the program twice from the same commit, in the same folder and from nothing, and compares
# the bytes: what is built depends on no time, no order of work and nothing left of a build before.
# It does depend on the folder, whose path is in the debug information: builds are compared where
# they were made in a folder of the same name.
#   scripts/reproducible.sh [PROFILE]     release by default, or dist as it ships
set -euo pipefail
cd "$(dirname "$0")/.."

profile=${1:-release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for build in first second; do
    mkdir "$work/source"
    git archive HEAD | tar -x -C "$work/source"
    (cd "$work/source" && env -u CARGO_TARGET_DIR \
        cargo build --quiet --locked --profile "$profile" -p tracecodec-cli)
    cp "$work/source/target/$profile/tracecodec" "$work/$build"
    rm -rf "$work/source"
done
sha256sum "$work/first" "$work/second" | sed "s|$work/||"
cmp "$work/first" "$work/second"
echo 'the same bytes'
