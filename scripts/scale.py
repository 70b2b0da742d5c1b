#!/usr/bin/env python3
"""Time and memory of every stage, for captures of 10^4 packets and more: a table in Markdown.

Usage: scale.py FOLDER [--to 7]. The captures are generated, so that flows and hosts grow with them;
FOLDER takes 5 GB for 10^7 packets. The slope is that of time against packets between the two
largest captures, both on a logarithmic scale: 1 is proportional.

Taken from the environment: TRACECODEC, a built program (target/release/tracecodec).
"""

import argparse
import math
import os
import subprocess
import time
from pathlib import Path

# Each stage with its arguments, in the order in which they read each other's files.
STAGES = {
    "generate": "generate --packets {n} --label crowd --payload truncate -o in.pcap",
    "shard": "shard in.pcap --packets 4000 -o shards",
    "lift": "lift in.pcap --keep hosts,services -o actions.parquet",
    "compile": "compile actions.parquet --salt 1 -o compiled.pcap",
    "encode": "encode in.pcap -o latents.safetensors",
    "decode": "decode latents.safetensors -o decoded.pcap",
    "train, 20 steps": "train shards -o codec --steps 20",
    "generator sequences": "generator sequences shards -o sequences",
    "flows": "flows in.pcap -o flows.parquet",
    "evaluate": "evaluate in.pcap decoded.pcap -o evaluation.json",
    "classify": "classify in.pcap decoded.pcap",
    "audit": "audit in.pcap compiled.pcap",
    "verify": "verify in.pcap",
}


def measure(command: list[str], folder: Path) -> tuple[float, float]:
    """Runs a command; returns its seconds and its largest memory in MB."""
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    # 1 is a finding: generated ports are drawn from the same range as those of the output.
    if process.returncode not in (0, 1):
        raise SystemExit(f"failed: {' '.join(command)}")
    return time.monotonic() - began, usage.ru_maxrss / 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--to", type=int, default=7, help="exponent of the largest capture")
    arguments = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    program = os.path.abspath(os.environ.get("TRACECODEC", root / "target/release/tracecodec"))
    sizes = [10**exponent for exponent in range(4, arguments.to + 1)]
    found: dict[str, list[tuple[float, float]]] = {stage: [] for stage in STAGES}
    for size in sizes:
        folder = arguments.folder / str(size)
        folder.mkdir(parents=True)
        for stage, template in STAGES.items():
            command = [program, *template.format(n=size).split()]
            found[stage].append(measure(command, folder))
            seconds, megabytes = found[stage][-1]
            print(f"{size} {stage}: {seconds:.1f} s, {megabytes:.0f} MB", flush=True)
        for file in folder.glob("*.*"):
            file.unlink()
    heads = [f"10^{round(math.log10(size))}" for size in sizes]
    print("\n| stage | " + " | ".join(heads) + " | packets/s | slope |")
    print("|---" * (len(heads) + 3) + "|")
    for stage, measured in found.items():
        cells = [f"{seconds:.1f} s, {megabytes:,.0f} MB" for seconds, megabytes in measured]
        (before, _), (last, _) = measured[-2:]
        print(f"| {stage} | {' | '.join(cells)} | {sizes[-1] / last:,.0f} | {math.log10(last / before):.2f} |")


if __name__ == "__main__":
    main()
