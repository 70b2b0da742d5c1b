#!/usr/bin/env python3
"""Trains the raw-field baselines on several datasets with several seeds, and tells how they compare with the codec.

    scripts/baselines.py OUT [--data NAME=CAPTURE ...] [--models tvae,goggle,...] [--seeds 0,1,2] [--times 1] [--vocabulary all|training]

Datasets are sharded as by scripts/fidelity.py; every method is trained on the training shards, chosen by the validation shards
and judged on the test shards, beside the oracle of actions and those of the raw tables. Budgets are scaled to two cores: those of
BUDGETS below, and --codec-steps, both multiplied by --times. What OUT holds already is not done again. The tables go to OUT/baselines.md: mean over the
seeds, and the smallest and largest value where they differ. Only the standard library is needed.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fidelity import CAPTURE, PROGRAM, SHARED, figures_of, judge, run, shard, spread, train

# Optimiser steps by model, which take one or two minutes on a core of a laptop, and the paper's. The last is TVAE on the bit table.
BUDGETS = {
    "tvae": (1_200, 100_000),
    "tabsyn-vae": (80, 15_000),
    "goggle": (10_000, 100_000),
    "goggle-intended": (10_000, 100_000),
    "ttvae": (250, 100_000),
    "ttvae-intended": (600, 100_000),
    "tvae-bits": (800, 100_000),
}

# Key, heading, factor and format of the diagnostics of rows.
ROWS = [
    ("invalid", "Inv. row %", 100, "{:.2f}"),
    ("accuracy", "Cat. acc. %", 100, "{:.2f}"),
    ("error", "Num. err.", 1, "{:.2e}"),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for shards, models and figures")
    parser.add_argument("--data", action="append", metavar="NAME=CAPTURE", help="a capture, or a folder that is read as one (default: testbed/enterprise and testbed/backbone)")
    parser.add_argument("--models", default=",".join(BUDGETS), help=f"of {', '.join(BUDGETS)} (default: all)")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--times", type=float, default=1, help="factor of all budgets (default: 1)")
    parser.add_argument("--codec-steps", type=int, default=1_500, help="optimiser steps of the codec, before --times (default: 1,500)")
    parser.add_argument("--vocabulary", choices=["all", "training"], default="all")
    parser.add_argument("--jobs", type=int, default=2, help="trainings side by side, of a thread each (default: 2)")
    args = parser.parse_args()
    args.threads = 1
    args.steps = round(args.times * args.codec_steps)
    if not PROGRAM.exists():
        sys.exit("error: build the program first: cargo build --release -p tracecodec-cli")
    default = [f"{name}={SHARED}/testbed/{name}.pcap.zst" for name in ("enterprise", "backbone")]
    datasets = dict(entry.split("=", 1) for entry in args.data or default)
    shards = {name: shard(args.out / "shards" / name, Path(capture)) for name, capture in datasets.items()}
    methods = [("codec", None)] + [(model, round(args.times * BUDGETS[model][0])) for model in args.models.split(",")]
    jobs = [(name, method, steps, seed) for name in datasets for method, steps in methods for seed in args.seeds.split(",")]
    with ThreadPoolExecutor(args.jobs) as pool:
        found = list(pool.map(lambda job: method_figures(job, shards, args), jobs))
    tables = []
    for name in datasets:
        rows = {"oracle": [judge(args.out / "oracle" / name, shards[name], ["--oracle"])]}
        for schema in ("columns", "bits"):
            rows[f"raw oracle, {schema}"] = [raw_oracle(args.out / "raw-oracle" / schema / name, shards[name], schema)]
        for (of, method, *_), figures in zip(jobs, found):
            if of == name:
                rows.setdefault(method, []).append(figures)
        tables.append(table(name, rows, args))
    text = "\n".join(tables)
    (args.out / "baselines.md").write_text(text)
    print(text)


def method_figures(job, shards, args):
    """The figures of one trained method on the test shards."""
    name, method, steps, seed = job
    folder = args.out / "models" / method / name / seed
    if method == "codec":
        model = train(folder, shards[name], "default", seed, args)
        figures = judge(args.out / "judged" / method / name / seed, shards[name], ["--model", str(model), "--no-refine"])
        summary = json.loads((model / "training.json").read_text())
        return {**figures, "minutes": summary["minutes"], "speed": summary["packets_per_second"], "steps": summary["steps"]}
    model = train_baseline(folder, shards[name], method, steps, seed, args)
    figures = judge_rows(args.out / "judged" / method / name / seed, shards[name], ["reconstruct", "--model", str(model)])
    summary = json.loads((model / "training.json").read_text())
    return {**figures, "minutes": summary["minutes"], "speed": summary["rows_per_second"], "steps": summary["steps"]}


def train_baseline(folder, shards, method, steps, seed, args):
    """The folder of a trained baseline; an interrupted training goes on."""
    if (folder / "training.json").exists():
        return folder
    model, schema = (method[:-5], "bits") if method.endswith("-bits") else (method, "columns")
    command = [PROGRAM, "baseline", "train", shards, "--model", model, "--schema", schema, "--output", folder, "--json"]
    command += ["--steps", steps, "--seed", seed, "--threads", args.threads, "--vocabulary", args.vocabulary]
    if (folder / "checkpoint.safetensors").exists():
        command.append("--resume")
    elif folder.exists():
        shutil.rmtree(folder)
    print(f"training {folder}", file=sys.stderr)
    start = time.monotonic()
    summary = json.loads(run(*command, stdout=subprocess.PIPE, text=True).stdout)
    summary["minutes"] = (time.monotonic() - start) / 60
    (folder / "training.json").write_text(json.dumps(summary, indent=2))
    return folder


def raw_oracle(folder, shards, schema):
    return judge_rows(folder, shards, ["oracle", "--schema", schema])


def judge_rows(folder, shards, command):
    """The figures of one round trip of the test shards through rows."""
    return figures_of(folder, shards, ["baseline", *command], row_figures)


def row_figures(captures):
    """What the program tells of the rows of each capture, of all rows."""
    parts = [capture["diagnostics"] for capture in captures if "diagnostics" in capture]
    if not parts:
        return {"packets": sum(capture["rows"] for capture in captures)}
    rows = sum(part["rows"]["rows"] for part in parts)
    invalid = sum(part["rows"]["invalid"] for part in parts)
    cells = [column for part in parts for column in part["categorical"].values()]
    numbers = [column for part in parts for column in part["numeric"].values()]
    return {
        "packets": rows,
        "invalid": invalid / rows,
        "accuracy": ratio(sum(c["correct"] for c in cells), sum(c["active"] for c in cells)),
        "error": ratio(sum(int(n["sum"]) for n in numbers), sum(n["active"] for n in numbers)),
    }


def ratio(part, whole):
    return part / whole if whole else None


def table(name, rows, args):
    packets = next(iter(rows.values()))[0]["packets"]
    heads = ["", *(head for _, head, *_ in ROWS + CAPTURE), "rows/s there and back", "steps", "of the paper's", "training min", "rows/s"]
    lines = [
        f"### {name}: {packets:,} packets in test shards",
        "",
        "| " + " | ".join(heads) + " |",
        "|" + "---|" * len(heads),
    ]
    for label, seeds in rows.items():
        cells = [label]
        for key, _, factor, form in ROWS:
            cells.append(formatted([factor * found[key] for found in seeds if found.get(key) is not None], form))
        for key, _, factor, decimals in CAPTURE:
            cells.append(spread([factor * found[key] for found in seeds if found.get(key) is not None], decimals))
        cells.append(spread([found["packets"] / found["seconds"] for found in seeds], 0))
        cells.append(spread([found["steps"] for found in seeds if "steps" in found], 0))
        cells.append(f"{seeds[0]['steps'] / BUDGETS[label][1]:.1%}" if label in BUDGETS else "–")
        for key, decimals in (("minutes", 1), ("speed", 0)):
            cells.append(spread([found[key] for found in seeds if key in found], decimals))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def formatted(values, form):
    if not values:
        return "–"
    mean, low, high = (form.format(value) for value in (sum(values) / len(values), min(values), max(values)))
    return mean if low == high else f"{mean} ({low}–{high})"


if __name__ == "__main__":
    main()
