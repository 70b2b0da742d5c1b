#!/usr/bin/env python3
"""How faithful codecs are on test shards that they never saw: several datasets and seeds.

    scripts/fidelity.py OUT [--data NAME=CAPTURE ...] [--configs default,paper,...] [--seeds 0,1,2]
                            [--steps N]

Datasets are sharded by time (80 % training, 10 % validation, 10 % test). Each codec is trained on
the training shards, chosen by the validation shards and judged on the test shards: once with the
encoder's means alone, once with refinement, and beside the oracle. Results in OUT are used again
if they come from the same settings, captures and program; an interrupted training is continued.
OUT/fidelity.md has the tables: the mean over the seeds, and the smallest and the largest value
where they differ. OUT/fidelity.html is the page that `tracecodec report` draws of all evaluations.
"""

import json
import shutil
import time

import results
from results import ROOT, SHARED, run, spread, step

# Key, heading, factor and format of a codec's own figures, and of the metrics.
CODEC = [
    ("action_accuracy", "Action acc. %", 100, ".4f"),
    ("exact_packets", "Whole packets %", 100, ".3f"),
    ("kl_nats", "Nats", 1, ".1f"),
]
CAPTURE = [
    ("tcp_event_pp", "TCP event pp", 1, ".3f"),
    ("count_pct", "Count %", 1, ".3f"),
    ("proto_pct", "Proto %", 1, ".3f"),
    ("iat_paper_pct", "IAT `ms` %", 1, ".4f"),
    ("iat_log_pct", "IAT `log` %", 1, ".3f"),
    ("flow_count_pct", "Flow cnt. %", 1, ".3f"),
    ("flow_duration_paper_pct", "Flow dur. `ms` %", 1, ".3f"),
    ("flow_duration_log_pct", "Flow dur. `log` %", 1, ".3f"),
    ("transition_tv", "Transition", 1, ".6f"),
]


def main():
    parser = results.parser(__doc__)
    parser.add_argument(
        "--data",
        action="append",
        type=results.dataset,
        metavar="NAME=CAPTURE",
        help="a capture, or a folder that is read as one (default: the four of docs/results.md)",
    )
    parser.add_argument("--configs", default="default", help="names of files in configs/, or default")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, help="optimiser steps (default: that of train)")
    parser.add_argument("--threads", type=int, help="threads (default: all)")
    args = parser.parse_args()
    default = results.testbed("enterprise", "backbone", "crowd") + [("real", SHARED / "real")]
    tables, evaluations = [], []
    for name, capture in args.data or default:
        shards = shard(args.out / "shards" / name, capture)
        rows = {"oracle": [judge(args.out / "oracle" / name, name, "oracle", shards, ["--oracle"])]}
        for config in args.configs.split(","):
            for seed in args.seeds.split(","):
                folder, training = train(args.out / "models" / config / name / seed, shards, config, seed, args)
                for kind, options in (("means", ["--no-refine"]), ("refined", [])):
                    label = f"codec {config}, {kind}, seed {seed}{f', {args.steps} steps' * bool(args.steps)}"
                    options = ["--model", folder / "model", *options]
                    found = judge(args.out / kind / config / name / seed, name, label, shards, options)
                    rows.setdefault(f"{config}, {kind}", []).append({**found, "training": training})
        tables.append(table(name, rows))
        evaluations += [found["evaluation"] for row in rows.values() for found in row]
    results.publish(args.out / "fidelity.md", "\n".join(tables), evaluations)


def shard(folder, capture):
    """The shards of a capture, or of all captures in a folder, read one after the other as one."""

    def compute(folder):
        files = [capture]
        if capture.is_dir():
            files = sorted(path for path in capture.rglob("*") if path.is_file())
        run("shard", "--lenient", "--overwrite", "-o", folder / "shards", *files)

    return step(folder, ["shard", capture], compute)[0] / "shards"


def train(folder, shards, config, seed, args):
    """The folder of a codec's training, which has it in `model`, and the training's summary."""
    words = ["train", shards, "--seed", seed, "--half"]
    if config != "default":
        words += ["--config", ROOT / "configs" / f"{config}.json"]
    if args.steps:
        words += ["--steps", args.steps]
    if args.threads:
        words += ["--threads", args.threads]
    return step(folder, words, lambda folder: results.train(folder, "model", *words))


def judge(folder, dataset, label, shards, options):
    """The results of one round trip of the test shards."""
    return judged(folder, dataset, label, shards, ["roundtrip", *options], codec_figures)


def judged(folder, dataset, label, shards, words, of_captures):
    """The results of the test shards after a command has taken them there and back: its time, the
    metrics, and what `of_captures` makes of the command's summaries of the captures."""
    test = shards / "test"

    def compute(folder):
        decoded = folder / "decoded"
        shutil.rmtree(decoded, ignore_errors=True)
        start = time.monotonic()
        captures = json.loads(run(*words, test, decoded, "--json"))["captures"]
        seconds = time.monotonic() - start
        metrics = results.evaluate(test, decoded, dataset, label, folder / "evaluation.json")
        shutil.rmtree(decoded)
        return {"seconds": seconds, **of_captures(captures), **metrics}

    folder, found = step(folder, [*words, test, "evaluate", dataset, label], compute)
    return {**found, "evaluation": folder / "evaluation.json"}


def codec_figures(captures):
    """Means over all packets of the codec's figures of each capture."""
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


def cells(columns, seeds):
    """The cells of some columns: key, heading, factor and format."""
    values = lambda key, factor: [factor * found[key] for found in seeds if found.get(key) is not None]
    return [spread(values(key, factor), form) for key, _, factor, form in columns]


def table(name, rows):
    lines = []
    for label, seeds in rows.items():
        moved = [f"{found['moved']} / {found['left']}" for found in seeds if "moved" in found]
        speed = [found["packets"] / found["seconds"] for found in seeds]
        minutes = [found["training"]["minutes"] for found in seeds if "training" in found]
        line = [label, *cells(CODEC + CAPTURE, seeds), ", ".join(moved) or "–"]
        lines.append([*line, spread(speed, ".0f"), spread(minutes, ".1f")])
    heads = ["", *(head for _, head, *_ in CODEC + CAPTURE), "moved / left", "packets/s", "training min"]
    packets = next(iter(rows.values()))[0]["packets"]
    return results.table(f"{name}: {packets:,} packets in test shards", heads, lines)


if __name__ == "__main__":
    results.entry(main)
