#!/usr/bin/env bash
# Compares the speed of the raw-field baselines with the same networks in PyTorch, in turns on the
# same cores, and prints medians of rows/s.
#   scripts/bench-baselines.sh
# Taken from the environment: ROUNDS (5), SECONDS_EACH (4) of each measurement of PyTorch, TIMES
# (1), a factor of our steps, THREADS (all), PYTHON, one with torch (python3), and TRACECODEC, a
# built program. Training includes objective, gradient and optimiser step; ours also encodes the
# rows. Reconstruction is encoder and decoder in PyTorch; ours is the whole of `baseline
# reconstruct`: start, reading, encoding of the rows, judging, and rendering of the valid ones, few
# after so short a training.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
python=${PYTHON:-python3}
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-4}
times=${TIMES:-1}
threads=${THREADS:-$(nproc)}
for tool in bc column jq taskset; do
    command -v "$tool" >/dev/null || { echo "error: $tool is missing (apt-get install bc bsdextrautils jq util-linux)" >&2; exit 2; }
done
"$python" -c 'import torch' 2>/dev/null || { echo "error: $python has no torch (pip install torch, or PYTHON=...)" >&2; exit 2; }
[ -n "${TRACECODEC:-}" ] || cargo build --release -p tracecodec-cli
program=${TRACECODEC:-${CARGO_TARGET_DIR:-target}/release/tracecodec}
# `baseline reconstruct` takes as many threads as there are cores.
taskset -cp "0-$((threads - 1))" $$ >/dev/null
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$program" shard data/train/backbone.pcap.zst -o "$work/shards" >/dev/null
# The largest shard of any split: speed does not depend on the split, and the test split of this
# capture has two packets.
capture=$(find "$work/shards" -name '*.pcapng' -printf '%s %p\n' | sort -n | tail -1 | cut -d' ' -f2-)

# Steps that take one core about ten seconds.
declare -A steps=([tvae]=120 [tabsyn-vae]=6 [goggle]=4000 [ttvae]=30 [ttvae-intended]=70)

# A line of JSON: who, model, weights, rows/s of training and reconstruction.
ours() {
    "$program" baseline train "$work/shards" --model "$1" -o "$work/$1" --overwrite --threads "$threads" \
        --steps "$(bc <<<"n = ${steps[$1]} * $times / 1; if (n < 1) 1 else n")" --json >"$work/training.json"
    local start=$EPOCHREALTIME
    "$program" baseline reconstruct --model "$work/$1" "$capture" "$work/decoded.pcapng" --json >"$work/reconstruction.json"
    jq -n --arg model "$1" --argjson from "$start" --argjson to "$EPOCHREALTIME" --slurpfile manifest "$work/$1/manifest.json" \
        --slurpfile training "$work/training.json" --slurpfile reconstruction "$work/reconstruction.json" '{
            who: "tracecodec", model: $model, weights: $manifest[0].weight_count, train: $training[0].rows_per_second,
            reconstruct: ($reconstruction[0].diagnostics.rows.rows / ($to - $from))
        }'
}
# The same in PyTorch, with the columns of our trained model. A category has two codes more than
# values.
torch() {
    local codes modes
    codes=$(jq -r '[.encoding.table.columns[] | length + 2] | join(",")' "$work/$1/baseline.json")
    modes=$(jq -r '.encoding.scale.modes // [] | map(.modes | length) | join(",")' "$work/$1/baseline.json")
    "$python" benches/torch/baselines.py --model "$1" ${modes:+--modes "$modes"} --codes "$codes" --threads "$threads" \
        --seconds "$seconds" --json | jq -c '. + {who: "PyTorch"}'
}

for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    for model in tvae tabsyn-vae goggle ttvae ttvae-intended; do
        ours "$model"
        torch "$model"
    done
done >"$work/measured.jsonl"

jq -rs '
    def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
    def spread: "\(median | round)\t\(min | round)\t\(max | round)";
    group_by([.model, .who])[] | "\(.[0].model)\t\(.[0].who)\t\(.[0].weights)\t\(map(.train) | spread)\t\(map(.reconstruct) | spread)"
    ' "$work/measured.jsonl" | {
        printf 'model\twho\tweights\ttraining rows/s\tleast\tmost\treconstruction rows/s\tleast\tmost\n'
        cat
    } | column -t -s $'\t'
