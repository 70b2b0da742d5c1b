#!/usr/bin/env bash
# Compares the speed of training with PyTorch: the same networks with the same number of weights, in
# turns on the same cores. Prints medians of packets/s.
#   scripts/bench-training.sh
# Taken from the environment: ROUNDS (5), SECONDS_EACH (10) and PYTHON, one with torch (python3).
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-10}
for tool in bc column jq; do
    command -v "$tool" >/dev/null || { echo "error: $tool is missing (apt-get install bc bsdextrautils jq)" >&2; exit 2; }
done
"$python" -c 'import torch' 2>/dev/null || { echo "error: $python has no torch (pip install torch, or PYTHON=...)" >&2; exit 2; }
cargo build --release -p tracecodec-cli
program=${CARGO_TARGET_DIR:-target}/release/tracecodec
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A line of JSON: who, layout, weights, training packets/s.
ours() {
    local config='{}'
    [ "$1" = paper ] && config=$(cat configs/paper.json)
    # One validation, at the end: its time does not count, and patience cannot run out.
    jq '.codec.schema_version = 1 | .train = {validations: 1, validation_packets: 256}' <<<"$config" >"$work/config.json"
    "$program" train data/train/enterprise.pcap.zst -o "$work/model" --overwrite --config "$work/config.json" \
        --minutes "$(bc <<<"scale=4; $seconds / 60")" --json >"$work/summary.json"
    jq -c --arg layout "$1" --slurpfile summary "$work/summary.json" \
        '{who: "tracecodec", layout: $layout, weights: .weight_count, train: $summary[0].packets_per_second}' "$work/model/manifest.json"
}
torch() {
    local layout=$1 who=$2
    shift 2
    "$python" benches/torch/codec.py --layout "$layout" --seconds "$seconds" --json "$@" | jq -c --arg who "$who" '. + {who: $who}'
}

for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    for layout in default paper; do
        ours "$layout"
        torch "$layout" 'PyTorch, eager'
        torch "$layout" 'PyTorch, compiled' --compile
    done
done >"$work/measured.jsonl"

jq -rs '
    def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
    group_by([.layout, .who])[] | "\(.[0].layout)\t\(.[0].who)\t\(.[0].weights)\t\(map(.train) | median | round)\t\(map(.train) | min | round)\t\(map(.train) | max | round)"
    ' "$work/measured.jsonl" | { printf 'layout\twho\tweights\tmedian packets/s\tleast\tmost\n'; cat; } | column -t -s $'\t'
