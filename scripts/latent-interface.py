#!/usr/bin/env python3
"""The latent-interface test (the paper, Tables 4 and 12): one flow-matching generator for each representation, and who goes on best.

    scripts/latent-interface.py OUT [--data NAME=CAPTURE] [--representations codec,tvae,tabsyn-vae] [--steps 2000] [--device wgpu]

The capture is cut into shards of 16,000 packets or more. TVAE and TabSyn-VAE are trained on the training shards, for as long as BUDGETS says; the codec is the one
that is built in. The latents of each become sequences, each gets a flow-matching generator of the same settings and budget, and the generators go on
from the same prefixes of test shards, beside the autoregressive generators that are named with --also and the controls. What OUT
holds already is not done again. Evaluations go to OUT/test, the table to OUT/latent-interface.txt. Only the standard library is needed.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from fidelity import PROGRAM, SHARED, run

# Optimiser steps, which take 6 and 20 minutes on two cores; the paper has 100,000 and 15,000.
BUDGETS = {"tvae": 12_000, "tabsyn-vae": 3_000}

# TabSyn-VAE's last weights are kept: the cross-entropy by which it would be chosen soon rises, of values that no training row has.
OPTIONS = {"tabsyn-vae": ["--validations", 1]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for shards, models and figures")
    parser.add_argument("--data", default=f"enterprise={SHARED}/testbed/enterprise.pcap.zst", metavar="NAME=CAPTURE", help="default: testbed/enterprise")
    parser.add_argument("--representations", default="codec,tvae,tabsyn-vae")
    parser.add_argument("--steps", type=int, default=2_000, help="optimiser steps of each generator (default: 2,000)")
    parser.add_argument("--baseline-steps", type=float, default=1, help="factor of BUDGETS (default: 1)")
    parser.add_argument("--cases", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="where generators are trained and sampled (default: cpu)")
    parser.add_argument("--also", nargs="*", default=[], metavar="DIR", help="folders of further generators")
    parser.add_argument("--options", action="append", default=[], help="of `tracecodec generator test`, as in --options=--unconstrained, each by itself")
    args = parser.parse_args()
    if not PROGRAM.exists():
        sys.exit("error: build the program first: cargo build --release -p tracecodec-cli")
    name, capture = args.data.split("=", 1)
    shards = args.out / "shards"
    if not (shards / "manifest.json").exists():
        run(PROGRAM, "shard", "--packets", 16_000, "--overwrite", "-o", shards, capture, stdout=subprocess.DEVNULL)
    contestants = [contestant(representation, shards, args) for representation in args.representations.split(",")]
    command = [PROGRAM, "generator", "test", *contestants, *args.also, "repeat", "later", "oracle"]
    command += ["--shards", shards, "--output", args.out / "test", "--dataset", name, "--cases", args.cases, "--device", args.device, *args.options]
    table = run(*command, stdout=subprocess.PIPE, text=True).stdout
    (args.out / "latent-interface.txt").write_text(table)
    print(table)


def contestant(representation, shards, args):
    """The generator of a representation, as the test is told of it."""
    baseline, sequences, generator = (args.out / kind / representation for kind in ("baselines", "sequences", "generators"))
    of = []
    if representation != "codec":
        steps = round(args.baseline_steps * BUDGETS[representation])
        trained(baseline, "baseline.json", ["baseline", "train", shards, "--model", representation, "--steps", steps, *OPTIONS.get(representation, [])], args)
        of = ["--baseline", baseline]
    if not (sequences / "sequences.json").exists():
        run(PROGRAM, "generator", "sequences", shards, "--overwrite", "-o", sequences, *of)
    trained(generator, "generator.json", ["generator", "train", sequences, "--steps", args.steps, "--device", args.device], args)
    return f"{generator}@{baseline}" if of else generator


def trained(folder, model, command, args):
    """Trains a model, unless its training has ended; an interrupted one goes on."""
    if (folder / "manifest.json").exists():
        return
    resume = ["--resume"] if (folder / "checkpoint.safetensors").exists() else []
    run(PROGRAM, *command, "--output", folder, "--threads", args.threads, *resume)


if __name__ == "__main__":
    main()
