#!/usr/bin/env python3
"""How the raw-field baselines compare with the codec: several datasets and seeds.

    scripts/baselines.py OUT [--data NAME=CAPTURE ...] [--models tvae,goggle,...] [--seeds 0,1,2]
                             [--times 1] [--vocabulary all|training]

Datasets are sharded as by scripts/fidelity.py. Every method is trained on the training shards,
chosen by the validation shards and judged on the test shards, beside the oracle of actions and
those of the raw tables. Budgets are scaled to two cores: those of BUDGETS below, and --codec-steps,
both multiplied by --times. Results in OUT are used again if they come from the same settings,
captures and program. OUT/baselines.md has the tables: the mean over the seeds, and the smallest and
the largest value where they differ. OUT/baselines.html is the page that `tracecodec report` draws.
"""

import json
from concurrent.futures import ThreadPoolExecutor

import results
from fidelity import CAPTURE, cells, judge, judged, shard, train
from results import Failure, spread, step

# Optimiser steps by model, which take one or two minutes on a core of a laptop, and the paper's.
# The last is TVAE on the bit table.
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
    ("invalid", "Inv. row %", 100, ".2f"),
    ("accuracy", "Cat. acc. %", 100, ".2f"),
    ("error", "Num. err.", 1, ".2e"),
]


def main():
    parser = results.parser(__doc__)
    parser.add_argument(
        "--data",
        action="append",
        type=results.dataset,
        metavar="NAME=CAPTURE",
        help="a capture, or a folder that is read as one (default: enterprise and backbone)",
    )
    parser.add_argument("--models", default=",".join(BUDGETS), help=f"of {', '.join(BUDGETS)} (default: all)")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--times", type=float, default=1, help="factor of all budgets (default: 1)")
    parser.add_argument("--codec-steps", type=int, default=1_500, help="steps of the codec, before --times (default: 1,500)")
    parser.add_argument("--vocabulary", choices=["all", "training"], default="all")
    parser.add_argument("--jobs", type=int, default=2, help="trainings side by side, of a thread each (default: 2)")
    args = parser.parse_args()
    args.threads = 1
    args.steps = round(args.times * args.codec_steps)
    models = args.models.split(",")
    if unknown := [model for model in models if model not in BUDGETS]:
        raise Failure(f"no model {unknown[0]}: there are {', '.join(BUDGETS)}")
    datasets = dict(args.data or results.testbed("enterprise", "backbone"))
    shards = {name: shard(args.out / "shards" / name, capture) for name, capture in datasets.items()}
    jobs = [(name, method, seed) for name in datasets for method in ["codec", *models] for seed in args.seeds.split(",")]
    with ThreadPoolExecutor(args.jobs) as pool:
        found = list(pool.map(lambda job: method_figures(*job, shards, args), jobs))
    tables, evaluations = [], []
    for name in datasets:
        rows = {"oracle": [judge(args.out / "oracle" / name, name, "oracle", shards[name], ["--oracle"])]}
        for schema in ("columns", "bits"):
            label = f"raw oracle, {schema}"
            words = ["baseline", "oracle", "--schema", schema]
            rows[label] = [judged(args.out / "raw-oracle" / schema / name, name, label, shards[name], words, row_figures)]
        for (of, method, _), figures in zip(jobs, found):
            if of == name:
                rows.setdefault(method, []).append(figures)
        tables.append(table(name, rows))
        evaluations += [figures["evaluation"] for row in rows.values() for figures in row]
    results.publish(args.out / "baselines.md", "\n".join(tables), evaluations)


def method_figures(name, method, seed, shards, args):
    """The results of one trained method on the test shards."""
    models, judgements = (args.out / kind / method / name / seed for kind in ("models", "judged"))
    if method == "codec":
        folder, training = train(models, shards[name], "default", seed, args)
        label = f"codec default, means, seed {seed}, {args.steps} steps"
        found = judge(judgements, name, label, shards[name], ["--model", folder / "model", "--no-refine"])
        return {**found, **training, "speed": training["packets_per_second"]}
    steps = round(args.times * BUDGETS[method][0])
    folder, training = train_baseline(models, shards[name], method, steps, seed, args)
    label = f"{method}, seed {seed}, {steps} steps, vocabulary {args.vocabulary}"
    words = ["baseline", "reconstruct", "--model", folder / "model"]
    found = judged(judgements, name, label, shards[name], words, row_figures)
    return {**found, **training, "speed": training["rows_per_second"]}


def train_baseline(folder, shards, method, steps, seed, args):
    """The folder of a baseline's training, which has it in `model`, and the training's summary."""
    model, schema = (method[:-5], "bits") if method.endswith("-bits") else (method, "columns")
    words = ["baseline", "train", shards, "--model", model, "--schema", schema]
    words += ["--steps", steps, "--seed", seed, "--threads", args.threads, "--vocabulary", args.vocabulary]
    return step(folder, words, lambda folder: results.train(folder, "model", *words))


def row_figures(captures):
    """The diagnostics of all rows, from those of each capture."""
    parts = [capture["diagnostics"] for capture in captures if "diagnostics" in capture]
    if not parts:
        return {"packets": sum(capture["rows"] for capture in captures)}
    rows = sum(part["rows"]["rows"] for part in parts)
    invalid = sum(part["rows"]["invalid"] for part in parts)
    categories = [column for part in parts for column in part["categorical"].values()]
    numbers = [column for part in parts for column in part["numeric"].values()]
    return {
        "packets": rows,
        "invalid": invalid / rows,
        "accuracy": ratio(sum(c["correct"] for c in categories), sum(c["active"] for c in categories)),
        "error": ratio(sum(int(n["sum"]) for n in numbers), sum(n["active"] for n in numbers)),
    }


def ratio(part, whole):
    return part / whole if whole else None


def table(name, rows):
    lines = []
    for label, seeds in rows.items():
        speed = [found["packets"] / found["seconds"] for found in seeds]
        training = cells([("steps", "", 1, ".0f"), ("minutes", "", 1, ".1f"), ("speed", "", 1, ".0f")], seeds)
        share = f"{seeds[0]['steps'] / BUDGETS[label][1]:.1%}" if label in BUDGETS else "–"
        line = [label, *cells(ROWS + CAPTURE, seeds), spread(speed, ".0f")]
        lines.append([*line, training[0], share, *training[1:]])
    heads = ["", *(head for _, head, *_ in ROWS + CAPTURE), "rows/s there and back", "steps", "of the paper's"]
    packets = next(iter(rows.values()))[0]["packets"]
    return results.table(f"{name}: {packets:,} packets in test shards", [*heads, "training min", "rows/s"], lines)


if __name__ == "__main__":
    results.entry(main)
