#!/usr/bin/env bash
# Trains the built-in generator on the first 80 % of each capture of the testbed; the next 10 %
# choose the best weights, and the last 10 % are never read. The captures are looked for in
# ../shared/data, or where TRACECODEC_DATA says. The same data, settings and seed give the same
# bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
testbed=${TRACECODEC_DATA:-../shared/data}/testbed
cargo run --release -p tracecodec-cli -- generator train \
    "$testbed/enterprise.pcap.zst" "$testbed/backbone.pcap.zst" "$testbed/crowd.pcap.zst" \
    --label-by-name --half --output crates/tracecodec-nn/built-in/generator --overwrite
