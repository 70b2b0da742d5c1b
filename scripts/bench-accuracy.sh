#!/usr/bin/env bash
# Compares the time to an accuracy with PyTorch: the default training of the codec on the packets of
# `backbone` until 97.6 % of its validation packets come back whole from the means of their latents,
# in turns on the same cores. Prints medians; the seconds are those of training steps.
#   scripts/bench-accuracy.sh
# Taken from the environment: ROUNDS (3), each with a seed of its own, the first of them SEED (0),
# STEPS (3000) of the schedule, PYTHON, one with torch and duckdb (python3), and TRACECODEC, a built
# program.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
rounds=${ROUNDS:-3}
seed=${SEED:-0}
steps=${STEPS:-3000}
target=0.976
for tool in column jq; do
    command -v "$tool" >/dev/null || { echo "error: $tool is missing (apt-get install bsdextrautils jq)" >&2; exit 2; }
done
"$python" -c 'import duckdb, torch' 2>/dev/null || { echo "error: $python has no torch or duckdb (pip install torch duckdb, or PYTHON=...)" >&2; exit 2; }
[ -n "${TRACECODEC:-}" ] || cargo build --release -p tracecodec-cli
program=${TRACECODEC:-${CARGO_TARGET_DIR:-target}/release/tracecodec}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
capture=data/train/backbone.pcap.zst
"$program" lift "$capture" -o "$work/actions.parquet" >/dev/null
echo '{"codec": {"schema_version": 1}, "train": {"validations": 40, "patience": 40}}' >"$work/config.json"

# Validations, a line of JSON each, with the share of whole packets and the seconds of all steps.
ours() {
    "$program" train "$capture" -o "$work/model" --overwrite --config "$work/config.json" \
        --steps "$steps" --seed "$1" --json >"$work/summary.json"
    jq -c --slurpfile summary "$work/summary.json" \
        '{step, exact, seconds: (.step * 256 / $summary[0].packets_per_second)}' "$work/model/history.jsonl"
}
torch() {
    "$python" benches/torch/accuracy.py "$work/actions.parquet" --steps "$steps" --validations 40 \
        --until "$target" --seed "$@"
}
# The first validation that reaches the target.
reached() {
    jq -sc --arg who "$1" --argjson target "$target" \
        '(map(select(.exact >= $target))[0] // error("\($who): not reached, take more STEPS")) + {who: $who}'
}

for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    ours "$seed" | reached tracecodec
    torch "$seed" | reached 'PyTorch, eager'
    torch "$seed" --compile | reached 'PyTorch, compiled'
    seed=$((seed + 1))
done | tee /dev/stderr >"$work/measured.jsonl"

jq -rs '
    def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
    group_by(.who)[] | "\(.[0].who)\t\(map(.step) | median)\t\(map(.seconds) | median * 10 | round / 10)"
    ' "$work/measured.jsonl" | { printf 'who\tmedian steps\tseconds\n'; cat; } | column -t -s $'\t'
