#!/usr/bin/env python3
"""How faithful the built-in codec is on captures whose like it never saw: the largest of a folder.

    scripts/unseen.py OUT [--captures FOLDER] [--largest 40]

Each capture goes through the codec, with refinement, and is compared with what comes out. The table goes to OUT/unseen.md; captures
that OUT knows already are not done again. Only the standard library is needed.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from fidelity import PROGRAM, SHARED


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--captures", type=Path, default=SHARED / "real")
    parser.add_argument("--largest", type=int, default=40)
    args = parser.parse_args()
    if not PROGRAM.exists():
        sys.exit("error: build the program first: cargo build --release -p tracecodec-cli")
    sizes = {}
    for path in sorted(path for path in args.captures.rglob("*") if path.is_file()):
        done = subprocess.run([PROGRAM, "inspect", "--json", path], capture_output=True, text=True)
        if done.returncode == 0:
            sizes[path] = json.loads(done.stdout)["actions"]
    largest = sorted(sizes, key=lambda path: (-sizes[path], path))[: args.largest]
    rows = [row(args.out, args.captures, path) for path in largest]
    heads = ["capture", "packets", "means: action acc. %", "whole packets %", "nats", "refined: whole packets %", "moved / left"]
    heads += ["TCP event pp", "Flow cnt. %", "IAT `log` %"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *rows]
    (args.out / "unseen.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def row(out, root, path):
    name = path.relative_to(root)
    folder = out / "captures" / str(name).replace("/", "+")
    figures = folder / "figures.json"
    if not figures.exists():
        folder.mkdir(parents=True, exist_ok=True)
        decoded, evaluation = folder / "decoded.pcap", folder / "evaluation.json"
        done = subprocess.run([PROGRAM, "roundtrip", "--json", path, decoded], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        subprocess.run([PROGRAM, "evaluate", path, decoded, "-o", evaluation], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        decoded.unlink()
        summary = json.loads(done.stdout)
        summary["metrics"] = json.loads(evaluation.read_text())["metrics"]
        figures.write_text(json.dumps(summary, indent=2))
    summary = json.loads(figures.read_text())
    codec, metrics = summary["codec"], summary["metrics"]
    before, refinement = codec["refinement"]["before"], codec["refinement"]
    number = lambda key: "–" if metrics.get(key) is None else f"{metrics[key]:.3f}"
    cells = [f"`{name}`", f"{summary['actions']:,}", f"{100 * before['action_accuracy']:.3f}", f"{100 * before['exact_packets']:.2f}"]
    cells += [f"{before['kl_nats']:.0f}", f"{100 * codec['exact_packets']:.3f}", f"{refinement['moved']} / {refinement['left']}"]
    cells += [number(key) for key in ("tcp_event_pp", "flow_count_pct", "iat_log_pct")]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
