#!/usr/bin/env python3
"""How close generated traffic comes to traffic that no generator has seen: the last tenth of each capture.

    scripts/generation.py OUT [--data NAME=CAPTURE ...] [--model DIR] [--seeds 0,1,2]

Of each capture the tenth before the last is given (`--prefix`), and the last one is the reference. Compared with it are that tenth before (how
far apart two real tenths are), what the generator lets follow on it, and as many packets from nothing but the generator, for the label that is the capture's name. What OUT holds already is not done again. The tables go to OUT/generation.md: means over the seeds, and the smallest and
largest value where they differ. Only the standard library is needed.
"""

import argparse
import json
import struct
import subprocess
import sys
from pathlib import Path

from fidelity import PROGRAM, SHARED, run, spread

# Key, heading, decimals of the metrics.
METRICS = [
    ("iat_ms_pct", "IAT ms %", 2),
    ("iat_log_pct", "IAT log %", 2),
    ("packet_size_pct", "Packet size %", 2),
    ("packets_per_flow_pct", "Packets per flow %", 2),
    ("flow_duration_ms_pct", "Session duration ms %", 2),
    ("flow_duration_log_pct", "Session duration log %", 2),
    ("flow_count_pct", "Flow count %", 2),
    ("proto_pct", "Protocols %", 2),
    ("tcp_event_pp", "TCP event pp", 2),
    ("transition_tv", "Transition", 3),
    ("flow_switch_rate_dec", "Switch rate", 3),
    ("active_sessions_max_dec", "Most active sessions", 0),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for captures and figures")
    parser.add_argument("--data", action="append", metavar="NAME=CAPTURE", help="default: those of the testbed")
    parser.add_argument("--model", help="folder of a generator (default: the one that is built in)")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--options", action="append", default=[], help="of `tracecodec generate`, as in --options=--unconstrained, each by itself")
    args = parser.parse_args()
    if not PROGRAM.exists():
        sys.exit("error: build the program first: cargo build --release -p tracecodec-cli")
    default = [f"{name}={SHARED}/testbed/{name}.pcap.zst" for name in ("enterprise", "backbone", "crowd")]
    datasets = dict(entry.split("=", 1) for entry in args.data or default)
    text = "\n".join(table(name, rows(name, capture, args)) for name, capture in datasets.items())
    (args.out / "generation.md").write_text(text)
    print(text)


def rows(name, capture, args):
    """The figures of what stands beside the last tenth of a capture."""
    folder = args.out / name
    before, last, packets = tenths(folder, capture)
    generate = ["--packets", packets, *args.options, *(["--model", args.model] if args.model else [])]
    found = {"the tenth before": [figures(folder, "before", before, last)]}
    kinds = {
        "continued": ["--prefix", before],
        "from nothing": ["--label", name],
    }
    for kind, options in kinds.items():
        for seed in args.seeds.split(","):
            output = folder / f"{kind.replace(',', '').replace(' ', '-')}-{seed}.pcap"
            found.setdefault(kind, []).append(figures(folder, output.stem, output, last, [*generate, *options, "--seed", seed]))
    return found


def tenths(folder, capture):
    """The last two tenths of a capture as captures, and the packets of the last."""
    before, last = folder / "before.pcap", folder / "last.pcap"
    if not last.exists():
        folder.mkdir(parents=True, exist_ok=True)
        whole = folder / "whole.pcap"
        run(PROGRAM, "roundtrip", capture, whole, "--oracle", "--truncate")
        records = list(packets_of(whole))
        header, tenth = whole.read_bytes()[:24], len(records) // 10
        before.write_bytes(header + b"".join(records[-2 * tenth : -tenth]))
        last.write_bytes(header + b"".join(records[-tenth:]))
        whole.unlink()
    return before, last, sum(1 for _ in packets_of(last))


def packets_of(capture):
    """The records of a pcap of little-endian headers, as this program writes it."""
    data = capture.read_bytes()
    at = 24
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at + 8)
        yield data[at : at + 16 + length]
        at += 16 + length


def figures(folder, name, capture, last, generate=None):
    """The metrics of a capture, which is generated first where options say how."""
    path = folder / f"{name}.json"
    if not path.exists():
        found = {}
        if generate:
            found = json.loads(run(PROGRAM, "generate", *generate, "-o", capture, "--json", stdout=subprocess.PIPE, text=True).stdout)
            found["clean"] = subprocess.run([PROGRAM, "check", "--tools", capture], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        told = json.loads(run(PROGRAM, "evaluate", last, capture, "--json", stdout=subprocess.PIPE, text=True).stdout)
        path.write_text(json.dumps({**found, "metrics": told["metrics"]}, indent=2))
    return json.loads(path.read_text())


def table(name, rows):
    heads = ["", *(head for _, head, _ in METRICS), "made to agree", "made legal", "packets/s", "check --tools"]
    lines = [f"### {name}", "", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for label, seeds in rows.items():
        cells = [label]
        for key, _, decimals in METRICS:
            cells.append(spread([found["metrics"][key] for found in seeds if found["metrics"].get(key) is not None], decimals))
        cells.append(spread([found["settled"] for found in seeds if "settled" in found], 0))
        cells.append(spread([sum(found["legalisations"].values()) for found in seeds if "legalisations" in found], 0))
        cells.append(spread([found["packets_per_second"] for found in seeds if "packets_per_second" in found], 0))
        clean = [found["clean"] for found in seeds if "clean" in found]
        cells.append(f"{sum(clean)} of {len(clean)} clean" if clean else "–")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
