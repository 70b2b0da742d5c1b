#!/usr/bin/env python3
"""How faithful the built-in codec is on captures unlike those that it was trained on: the largest of
a folder, with their hosts and services.

    scripts/unseen.py OUT [--captures FOLDER] [--largest 40]

Each capture goes through the codec, with refinement, and is compared with what comes out. Results
in OUT are used again if they come from the same captures and program. OUT/unseen.md has the table,
OUT/unseen.html the page that `tracecodec report` draws.
"""

import json
import subprocess
from pathlib import Path

import results
from results import PROGRAM, SHARED, Failure, run, step


def main():
    parser = results.parser(__doc__, "folder for results")
    parser.add_argument("--captures", type=Path, default=SHARED / "real")
    parser.add_argument("--largest", type=int, default=40)
    args = parser.parse_args()
    sizes = {}
    for path in sorted(path for path in args.captures.rglob("*") if path.is_file()):
        done = subprocess.run([PROGRAM, "inspect", "--json", path], capture_output=True, text=True)
        if done.returncode == 0:
            sizes[path] = json.loads(done.stdout)["actions"]
    if not sizes:
        raise Failure(f"no capture in {args.captures}")
    largest = sorted(sizes, key=lambda path: (-sizes[path], path))[: args.largest]
    found = [judge(args.out, path, str(path.relative_to(args.captures))) for path in largest]
    heads = ["capture", "packets", "means: action acc. %", "whole packets %", "nats"]
    heads += ["refined: whole packets %", "moved / left", "TCP event pp", "Flow cnt. %", "IAT `log` %"]
    rows = [cells(summary, metrics) for _, summary, metrics in found]
    text = results.table(f"the {len(rows)} largest captures", heads, rows)
    results.publish(args.out / "unseen.md", text, [evaluation for evaluation, *_ in found])


def judge(out, path, name):
    """The evaluation, the summary and the metrics of one capture's round trip."""
    label = "built-in codec, refined"

    def compute(folder):
        decoded = folder / "decoded.pcap"
        summary = json.loads(run("roundtrip", "--json", "--keep", "hosts,services", path, decoded))
        metrics = results.evaluate(path, decoded, name, label, folder / "evaluation.json")
        decoded.unlink()
        return {"name": name, "summary": summary, "metrics": metrics}

    folder, found = step(out / "captures" / name.replace("/", "+"), ["roundtrip", "--keep hosts,services", path, "evaluate", name, label], compute)
    return folder / "evaluation.json", found, found["metrics"]


def cells(found, metrics):
    summary = found["summary"]
    codec, refinement = summary["codec"], summary["codec"]["refinement"]
    before = refinement["before"]
    number = lambda key: "–" if metrics.get(key) is None else f"{metrics[key]:.3f}"
    return [
        f"`{found['name']}`",
        f"{summary['actions']:,}",
        f"{100 * before['action_accuracy']:.3f}",
        f"{100 * before['exact_packets']:.2f}",
        f"{before['kl_nats']:.0f}",
        f"{100 * codec['exact_packets']:.3f}",
        f"{refinement['moved']} / {refinement['left']}",
        *(number(key) for key in ("tcp_event_pp", "flow_count_pct", "iat_log_pct")),
    ]


if __name__ == "__main__":
    results.entry(main)
