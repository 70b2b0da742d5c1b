#!/usr/bin/env bash
# Measures speed and memory beside a peer in the same run. Needs Debian's tcpreplay, hyperfine,
# tshark and time; takes some minutes.
#   scripts/bench.sh [CAPTURE]    a pcap of a million packets or more; default: the shipped, joined
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in tcprewrite hyperfine mergecap tshark; do
    command -v "$tool" >/dev/null || { echo "error: $tool is missing (apt-get install tcpreplay hyperfine tshark)" >&2; exit 2; }
done
cargo build --release -p tracecodec-cli
cargo build --release -p tracecodec --example flood
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
program=target/release/tracecodec

capture=${1:-}
if [ -z "$capture" ]; then
    for part in data/train/*.zst; do zstd -dqf "$part" -o "$work/$(basename "$part" .zst)"; done
    mergecap -F nsecpcap -a -w "$work/long.pcap" "$work"/{enterprise,backbone,crowd}.pcap "$work"/{enterprise,backbone,crowd}.pcap \
        "$work"/{enterprise,backbone,crowd}.pcap "$work"/{enterprise,backbone}.pcap
    capture=$work/long.pcap
fi
echo "== $(capinfos -c "$capture" | tail -n 1) in $(basename "$capture")"

echo '== the oracle round trip beside tcprewrite'
hyperfine --warmup 1 --runs 7 \
    "$program roundtrip --oracle --truncate $capture $work/out.pcap" \
    "$program roundtrip --oracle --truncate --keep hosts,services $capture $work/out.pcap" \
    "tcprewrite --seed=1 -i $capture -o $work/rewritten.pcap" \
    "$program roundtrip --oracle $capture $work/out.pcap" 2>/dev/null

echo '== TCP events beside tshark'
hyperfine --warmup 1 --runs 3 \
    "$program events --counts $capture" \
    "tshark -r $capture -Y tcp.analysis.flags" 2>/dev/null

echo '== every metric on the capture and its round trip, TCP events natively and by tshark'
hyperfine --warmup 1 --runs 3 \
    "$program evaluate $capture $work/out.pcap" \
    "$program evaluate --analyzer tshark $capture $work/out.pcap" 2>/dev/null

echo '== peak memory (KB): lift to a capture and back, lift to actions, and with 200,000 and a million flows at once'
target/release/examples/flood "$work/flood.pcap" 200000
target/release/examples/flood "$work/million.pcap" 1000000
peak() { /usr/bin/time -f "%M  $*" "$@" 2>&1 >/dev/null | tail -n 1; }
peak "$program" roundtrip --oracle "$capture" "$work/out.pcap"
peak "$program" lift "$capture" -o "$work/out.parquet"
peak "$program" shard "$capture" -o "$work/shards"
peak "$program" events --counts "$capture"
peak "$program" evaluate "$capture" "$work/out.pcap"
peak "$program" roundtrip --oracle "$work/flood.pcap" "$work/flooded.pcap"
peak "$program" roundtrip --oracle --truncate "$work/million.pcap" "$work/out.pcap"
peak "$program" evaluate "$work/flood.pcap" "$work/flooded.pcap"
peak "$program" lift "$work/flood.pcap" -o "$work/out.parquet"

echo '== the codec, on 100,000 packets'
hyperfine --warmup 1 --runs 5 "$program roundtrip data/train/enterprise.pcap.zst $work/out.pcap"

echo '== stages on one core'
cargo bench -p tracecodec --bench symbolic -- --quiet
