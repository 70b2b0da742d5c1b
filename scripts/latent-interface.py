#!/usr/bin/env python3
"""The latent-interface test (the paper, Tables 4 and 12): one flow-matching generator for each
representation, and which of them continues traffic best.

    scripts/latent-interface.py OUT [--data NAME=CAPTURE] [--representations codec,tvae,tabsyn-vae]
                                    [--steps 2000] [--device wgpu]

The capture is cut into shards of 16,000 packets or more. TVAE and TabSyn-VAE are trained on the
training shards, for as long as BUDGETS says; the codec is the built-in one. The latents of each
become sequences, on which a flow-matching generator is trained, with the same settings and budget
for all. The generators continue the same prefixes of test shards, beside the generators named with
--also and the controls. Results in OUT are used again if they come from the same settings, captures
and program. OUT/latent-interface.txt has the table, OUT/latent-interface.html the page that
`tracecodec report` draws of the evaluations.
"""

from pathlib import Path

import results
from results import Failure, run, step

# Optimiser steps, which take 6 and 20 minutes on two cores; the paper has 100,000 and 15,000.
BUDGETS = {"tvae": 12_000, "tabsyn-vae": 3_000}

# TabSyn-VAE's last weights are kept. The cross-entropy by which the best would be chosen soon rises
# because of values that no training row has.
OPTIONS = {"tabsyn-vae": ["--validations", 1]}


def main():
    parser = results.parser(__doc__)
    parser.add_argument("--data", type=results.dataset, metavar="NAME=CAPTURE", help="default: enterprise of the testbed")
    parser.add_argument("--representations", default="codec,tvae,tabsyn-vae")
    parser.add_argument("--steps", type=int, default=2_000, help="optimiser steps of each generator (default: 2,000)")
    parser.add_argument("--baseline-steps", type=float, default=1, help="factor of BUDGETS (default: 1)")
    parser.add_argument("--cases", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="where generators are trained and sampled (default: cpu)")
    parser.add_argument("--also", nargs="*", type=Path, default=[], metavar="DIR", help="folders of further generators")
    parser.add_argument("--options", action="append", default=[], help="of `tracecodec generator continuation`, as in --options=--unconstrained, each by itself")
    args = parser.parse_args()
    representations = args.representations.split(",")
    if unknown := [name for name in representations if name not in ("codec", *BUDGETS)]:
        raise Failure(f"no representation {unknown[0]}: there are codec, {', '.join(BUDGETS)}")
    name, capture = args.data or results.testbed("enterprise")[0]
    cut = ["shard", "--packets", 16_000, capture]
    shards = step(args.out / "shards", cut, lambda folder: run(*cut, "-o", folder / "shards", "--overwrite"))[0] / "shards"
    models = [model for representation in representations for model in contestant(representation, shards, args)]

    def compute(folder):
        names = [f"{generator}@{baseline}" if baseline else generator for generator, baseline in zip(models[::2], models[1::2])]
        return run("generator", "continuation", *names, *args.also, *controls, *words, "--output", folder / "test")

    controls = ["repeat", "later", "oracle"]
    words = ["--shards", shards, "--dataset", name, "--cases", args.cases, "--device", args.device, *args.options]
    folder, table = step(args.out / "test", ["generator test", *models, *args.also, *controls, *words], compute)
    results.publish(args.out / "latent-interface.txt", table, sorted((folder / "test").glob("*.json")))


def contestant(representation, shards, args):
    """The generator of a representation, and the baseline that decodes its latents, if it is one."""
    baseline, of = None, []
    if representation != "codec":
        steps = round(args.baseline_steps * BUDGETS[representation])
        words = ["baseline", "train", shards, "--model", representation, "--steps", steps, *OPTIONS.get(representation, [])]
        baseline = trained(args.out / "baselines", representation, words, args)
        of = ["--baseline", baseline]
    words = ["generator", "sequences", shards, *of]
    folder, _ = step(args.out / "sequences" / representation, words, lambda folder: run(*words, "--overwrite", "-o", folder / "sequences"))
    # The name of the folder is the label of the evaluation.
    label = f"flow-matching-{representation}-{args.steps}-steps-seed-0"
    words = ["generator", "train", folder / "sequences", "--steps", args.steps, "--device", args.device, "--seed", 0]
    return trained(args.out / "generators", label, words, args), baseline


def trained(folder, name, words, args):
    """The folder of a model that these words train."""
    words = [*words, "--threads", args.threads]
    folder, _ = step(folder / name, words, lambda folder: results.train(folder, name, *words))
    return folder / name


if __name__ == "__main__":
    results.entry(main)
