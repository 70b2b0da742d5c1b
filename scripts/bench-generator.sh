#!/usr/bin/env bash
# Compares the speed of the flow-matching generator with the same network in PyTorch, in turns on the
# same cores: windows/s of training on all cores, and packets/s of sampling on one, with 16
# evaluations: 8 steps of the midpoint method. Prints medians.
#   scripts/bench-generator.sh
# Taken from the environment: ROUNDS (3), SECONDS_EACH (10), PYTHON, one with torch (python3), and
# TRACECODEC, a built program.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
rounds=${ROUNDS:-3}
seconds=${SECONDS_EACH:-10}
for tool in bc column jq taskset; do
    command -v "$tool" >/dev/null || { echo "error: $tool is missing (apt-get install bc bsdextrautils jq util-linux)" >&2; exit 2; }
done
"$python" -c 'import torch' 2>/dev/null || { echo "error: $python has no torch (pip install torch, or PYTHON=...)" >&2; exit 2; }
[ -n "${TRACECODEC:-}" ] || cargo build --release -p tracecodec-cli
program=${TRACECODEC:-${CARGO_TARGET_DIR:-target}/release/tracecodec}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$program" shard data/train/backbone.pcap.zst -o "$work/shards" --seconds 10 >/dev/null
"$program" generator sequences "$work/shards" -o "$work/sequences" >/dev/null
echo '{"train": {"validations": 1, "validation_windows": 1}}' >"$work/config.json"

# A line of JSON: who, windows/s of training, packets/s of sampling on one core.
ours() {
    "$program" generator train "$work/sequences" -o "$work/model" --overwrite --config "$work/config.json" \
        --minutes "$(bc <<<"scale=4; $seconds / 60")" --json >"$work/training.json"
    rm -f "$work/out.pcap"
    local start=$EPOCHREALTIME packets=$((128 * 64))
    taskset -c 0 "$program" generate --model "$work/model" --packets "$packets" --solver-steps 8 \
        -o "$work/out.pcap" >/dev/null
    jq -n --argjson from "$start" --argjson to "$EPOCHREALTIME" --argjson packets "$packets" \
        --slurpfile training "$work/training.json" \
        '{who: "tracecodec", train: $training[0].examples_per_second, sample: ($packets / ($to - $from))}'
}
torch() {
    local trained sampled
    trained=$("$python" benches/torch/flow_matching.py --seconds "$seconds" --json "${@:2}")
    sampled=$(taskset -c 0 "$python" benches/torch/flow_matching.py --seconds "$seconds" --threads 1 --json "${@:2}")
    jq -n --arg who "$1" --argjson trained "$trained" --argjson sampled "$sampled" \
        '{who: $who, train: $trained.train, sample: $sampled.sample}'
}

for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    ours
    torch 'PyTorch, eager'
    torch 'PyTorch, compiled' --compile
done >"$work/measured.jsonl"

jq -rs '
    def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
    group_by(.who)[] | "\(.[0].who)\t\(map(.train) | median * 10 | round / 10)\t\(map(.sample) | median | round)"
    ' "$work/measured.jsonl" | { printf 'who\tmedian windows/s of training\tpackets/s of sampling, one core\n'; cat; } | column -t -s $'\t'
