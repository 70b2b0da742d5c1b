"""What the scripts of this folder share: results that are used again as long as their settings,
inputs and program are the same, and errors in one line. Only the standard library is needed."""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(os.environ.get("TRACECODEC", ROOT / "target/release/tracecodec"))
SHARED = Path(os.environ.get("TRACECODEC_DATA", ROOT / "../shared/data"))


class Failure(Exception):
    """What went wrong, in one line."""


def entry(main):
    """Runs the `main` of a script. A failure is one line on stderr and exit status 2."""
    try:
        if not PROGRAM.is_file():
            raise Failure(f"no program {PROGRAM}: cargo build --release -p tracecodec-cli")
        main()
    except (Failure, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def step(folder, words, compute):
    """The folder and the results of a step; they are computed only if they are not there yet.

    `words` are the settings and the inputs of the step: a path stands for the content of its file
    or folder, everything else for itself. The digest of all words is the step's key, and
    `folder/key` has its files. Results are kept there in `step.json`, which is written last; if
    the file is missing, `compute(folder / key)` returns them. The program counts as an input.
    """
    words = [PROGRAM, *words]
    contents = [{"content": digest(word)} if isinstance(word, Path) else str(word) for word in words]
    folder = folder / hashlib.blake2b(json.dumps(contents).encode(), digest_size=8).hexdigest()
    manifest = folder / "step.json"
    if not manifest.exists():
        folder.mkdir(parents=True, exist_ok=True)
        results = compute(folder)
        document = {"words": [str(word) for word in words], "contents": contents, "results": results}
        partial = folder / "step.json.partial"
        partial.write_text(json.dumps(document, indent=2))
        partial.replace(manifest)
    return folder, json.loads(manifest.read_text())["results"]


@lru_cache(maxsize=None)
def digest(path):
    """The digest of a file's bytes, or of the names and bytes of all files in a folder."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        content = "\n".join(f"{digest(file)} {file.relative_to(path)}" for file in files)
        return hashlib.blake2b(content.encode(), digest_size=32).hexdigest()
    with path.open("rb") as file:
        whole = hashlib.blake2b(digest_size=32)
        while block := file.read(1 << 20):
            whole.update(block)
    return whole.hexdigest()


def run(*words):
    """Runs the program with these arguments, and returns what it prints to stdout."""
    words = [str(word) for word in words]
    done = subprocess.run([PROGRAM, *words], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failure(f"tracecodec {' '.join(words)}: exit status {done.returncode}")
    return done.stdout


def train(folder, model, *words):
    """Trains a model in `folder`; an interrupted training is continued. Returns the summary of the
    training, with its time on the clock in `minutes`."""
    model = folder / model
    if (model / "checkpoint.safetensors").exists():
        words = (*words, "--resume")
    else:
        shutil.rmtree(model, ignore_errors=True)
    print(f"training {model}", file=sys.stderr)
    start = time.monotonic()
    summary = json.loads(run(*words, "--output", model, "--json"))
    return {**summary, "minutes": (time.monotonic() - start) / 60}


def evaluate(reference, decoded, dataset, label, output):
    """Writes an evaluation, which `tracecodec report` takes beside others, and returns its
    metrics."""
    run("evaluate", reference, decoded, "--dataset", dataset, "--label", label, "--output", output)
    return json.loads(output.read_text())["metrics"]


def publish(out, text, evaluations):
    """Writes tables to `out` and prints them, and draws the page that has all evaluations side by
    side."""
    out.write_text(text)
    run("report", *evaluations, "--output", out.with_suffix(".html"))
    print(text)
    print(f"page: {out.with_suffix('.html')}", file=sys.stderr)


def parser(doc, out="folder for shards, models and results"):
    """The argument parser of a script, with the argument that all have."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help=out)
    return parser


def dataset(text):
    """NAME=CAPTURE on a command line, as a name and a path."""
    name, equals, capture = text.partition("=")
    if not (name and equals and Path(capture).exists()):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=CAPTURE with a capture that exists")
    return name, Path(capture)


def testbed(*names):
    """Captures of the testbed, as `dataset` gives them."""
    return [(name, SHARED / "testbed" / f"{name}.pcap.zst") for name in names]


def spread(values, form):
    """Mean, and the smallest and the largest value where they differ."""
    if not values:
        return "–"
    mean, low, high = (f"{value:{form}}" for value in (sum(values) / len(values), min(values), max(values)))
    return mean if low == high else f"{mean} ({low}–{high})"


def table(title, heads, rows):
    """A Markdown table with a heading above."""
    lines = [f"### {title}", "", row(heads), "|" + "---|" * len(heads), *map(row, rows)]
    return "\n".join(lines) + "\n"


def row(cells):
    return "| " + " | ".join(cells) + " |"
