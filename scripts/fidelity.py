#!/usr/bin/env python3
"""Trains codecs on several datasets with several seeds, and tells how faithful they are on test shards that they never saw.

    scripts/fidelity.py OUT [--data NAME=CAPTURE ...] [--configs default,paper,...] [--seeds 0,1,2] [--steps N]

Datasets are sharded (80 % training, 10 % validation, 10 % test, by time); each codec is trained on the training shards, chosen
by the validation shards and judged on the test shards, once with the encoder's means alone and once with refinement, beside
the oracle. What OUT holds already is not done again, so that a run that was interrupted goes on. The tables go to
OUT/fidelity.md: mean over the seeds, and the smallest and largest value where they differ. Only the standard library is needed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(os.environ.get("TRACECODEC", ROOT / "target/release/tracecodec"))
SHARED = Path(os.environ.get("TRACECODEC_DATA", ROOT / "../shared/data"))

# Key, heading, factor, and how many decimals.
CODEC = [
    ("action_accuracy", "Action acc. %", 100, 4),
    ("exact_packets", "Whole packets %", 100, 3),
    ("kl_nats", "Nats", 1, 1),
]
CAPTURE = [
    ("tcp_event_pp", "TCP event pp", 1, 3),
    ("count_pct", "Count %", 1, 3),
    ("proto_pct", "Proto %", 1, 3),
    ("iat_ms_pct", "IAT `ms` %", 1, 4),
    ("iat_log_pct", "IAT `log` %", 1, 3),
    ("flow_count_pct", "Flow cnt. %", 1, 3),
    ("flow_duration_ms_pct", "Flow dur. `ms` %", 1, 3),
    ("flow_duration_log_pct", "Flow dur. `log` %", 1, 3),
    ("transition_tv", "Transition", 1, 6),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for shards, models and figures")
    parser.add_argument("--data", action="append", metavar="NAME=CAPTURE", help="a capture, or a folder that is read as one (default: the four of docs/results.md)")
    parser.add_argument("--configs", default="default", help="names of files in configs/, or default (default: default)")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, help="optimiser steps (default: that of train)")
    parser.add_argument("--threads", type=int, help="threads (default: all)")
    args = parser.parse_args()
    if not PROGRAM.exists():
        sys.exit("error: build the program first: cargo build --release -p tracecodec-cli")
    default = [f"{name}={SHARED}/testbed/{name}.pcap.zst" for name in ("enterprise", "backbone", "crowd")]
    datasets = dict(entry.split("=", 1) for entry in args.data or default + [f"real={SHARED}/real"])
    seeds = args.seeds.split(",")
    tables = []
    for name, capture in datasets.items():
        shards = shard(args.out / "shards" / name, Path(capture))
        rows = {}
        oracle = judge(args.out / "oracle" / name, shards, ["--oracle"])
        rows["oracle"] = [oracle]
        for config in args.configs.split(","):
            for seed in seeds:
                model = train(args.out / "models" / config / name / seed, shards, config, seed, args)
                for label, options in (("means", ["--no-refine"]), ("refined", [])):
                    judged = judge(args.out / label / config / name / seed, shards, ["--model", str(model), *options])
                    judged["training"] = json.loads((model / "training.json").read_text())
                    rows.setdefault(f"{config}, {label}", []).append(judged)
        tables.append(table(name, rows))
        (args.out / "fidelity.md").write_text("\n".join(tables))
    print("\n".join(tables))


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, **options)


def shard(folder, capture):
    """Shards of a capture, or of all captures in a folder, read one after the other as one."""
    if not (folder / "manifest.json").exists():
        captures = sorted(path for path in capture.rglob("*") if path.is_file()) if capture.is_dir() else [capture]
        run(PROGRAM, "shard", "--lenient", "--overwrite", "-o", folder, *captures, stdout=subprocess.DEVNULL)
    return folder


def train(folder, shards, config, seed, args):
    """The folder of a trained codec; an interrupted training goes on."""
    if (folder / "training.json").exists():
        return folder
    command = [PROGRAM, "train", shards, "--output", folder, "--seed", seed, "--half", "--json"]
    if config != "default":
        command += ["--config", ROOT / "configs" / f"{config}.json"]
    if args.steps:
        command += ["--steps", args.steps]
    if args.threads:
        command += ["--threads", args.threads]
    if (folder / "checkpoint.safetensors").exists():
        command.append("--resume")
    elif folder.exists():
        shutil.rmtree(folder)
    print(f"training {folder}", file=sys.stderr)
    start = time.monotonic()
    done = run(*command, stdout=subprocess.PIPE, text=True)
    summary = json.loads(done.stdout)
    summary["minutes"] = (time.monotonic() - start) / 60
    (folder / "training.json").write_text(json.dumps(summary, indent=2))
    return folder


def judge(folder, shards, options):
    """The figures of one round trip of the test shards."""
    return figures_of(folder, shards, ["roundtrip", *options], codec_figures)


def figures_of(folder, shards, command, of_captures):
    """The figures of the test shards once a command has taken them through something: its time, the metrics, and what can be made of what
    it tells of each capture."""
    figures = folder / "figures.json"
    if not figures.exists():
        folder.mkdir(parents=True, exist_ok=True)
        decoded, evaluation = folder / "decoded", folder / "evaluation.json"
        shutil.rmtree(decoded, ignore_errors=True)
        test = shards / "test"
        start = time.monotonic()
        done = run(PROGRAM, *command, test, decoded, "--json", stdout=subprocess.PIPE, text=True)
        found = {"seconds": time.monotonic() - start}
        run(PROGRAM, "evaluate", test, decoded, "-o", evaluation, stdout=subprocess.DEVNULL)
        shutil.rmtree(decoded)
        found.update(of_captures(json.loads(done.stdout)["captures"]))
        found.update(json.loads(evaluation.read_text())["metrics"])
        figures.write_text(json.dumps(found, indent=2))
    return json.loads(figures.read_text())


def codec_figures(captures):
    """Means over all packets of what the codec tells of each capture."""
    found = {"packets": sum(capture["actions"] for capture in captures)}
    parts = [(capture["actions"], capture["codec"]) for capture in captures if capture.get("codec")]
    if not parts:
        return found
    packets = sum(count for count, _ in parts)
    found |= {key: sum(count * part[key] for count, part in parts) / packets for key, *_ in CODEC}
    refined = [part["refinement"] for _, part in parts if part.get("refinement")]
    if refined:
        found["moved"] = sum(part["moved"] for part in refined)
        found["left"] = sum(part["left"] for part in refined)
    return found


def table(name, rows):
    packets = next(iter(rows.values()))[0]["packets"]
    heads = ["", *(head for _, head, *_ in CODEC + CAPTURE), "moved / left", "packets/s", "training min"]
    lines = [f"### {name}: {packets:,} packets in test shards", "", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for label, seeds in rows.items():
        cells = [label]
        for key, _, factor, decimals in CODEC + CAPTURE:
            cells.append(spread([factor * found[key] for found in seeds if found.get(key) is not None], decimals))
        moved = [f"{found['moved']} / {found['left']}" for found in seeds if "moved" in found]
        cells.append(", ".join(moved) or "–")
        cells.append(spread([found["packets"] / found["seconds"] for found in seeds], 0))
        cells.append(spread([found["training"]["minutes"] for found in seeds if "training" in found], 1))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def spread(values, decimals):
    """Mean, and the smallest and the largest value where they differ."""
    if not values:
        return "–"
    mean, low, high = (f"{value:.{decimals}f}" for value in (sum(values) / len(values), min(values), max(values)))
    return mean if low == high else f"{mean} ({low}–{high})"


if __name__ == "__main__":
    main()
