#!/usr/bin/env bash
# Builds the program twice, from the last commit, in two folders of different names, and compares the
# bytes: they depend on sources, lock file, compiler and linker, and not on where it is built.
#   scripts/reproducible.sh [PROFILE]    default: release; dist is what ships, and takes longer
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${1:-release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for folder in "$work/a" "$work/another/folder"; do
    mkdir -p "$folder"
    git archive HEAD | tar -x -C "$folder"
    maps="--remap-path-prefix=$folder=/tracecodec --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
    # C, of which there is the library of Zstandard, has a flag of its own.
    (cd "$folder" && env -u CARGO_TARGET_DIR RUSTFLAGS="$maps" \
        CFLAGS="-ffile-prefix-map=$folder=/tracecodec -ffile-prefix-map=${CARGO_HOME:-$HOME/.cargo}=/cargo" \
        cargo build --quiet --locked --profile "$profile" -p tracecodec-cli)
    cp "$folder/target/$profile/tracecodec" "$work/$(basename "$folder")-tracecodec"
    rm -rf "$folder"
done
sha256sum "$work"/*-tracecodec | sed "s|$work/||"
cmp "$work/a-tracecodec" "$work/folder-tracecodec"
echo 'the same bytes'
