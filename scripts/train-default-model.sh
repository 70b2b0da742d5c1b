#!/usr/bin/env bash
# Trains the built-in codec on the captures that ship. The same machine gives the same weights.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo run --release -p tracecodec-cli -- train \
    data/train/backbone.pcap.zst data/train/crowd.pcap.zst data/train/enterprise.pcap.zst \
    --output crates/tracecodec-nn/built-in/codec --overwrite --steps 60000 --half
