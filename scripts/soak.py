#!/usr/bin/env python3
"""Runs the whole way from nothing to an evaluation round after round, each step a process of its
own, at changing seeds: generate, check, lift, encode, decode, check, evaluate. Fails at the first
step that does not exit with 0, and if a step's peak memory grows from round to round.

    scripts/soak.py --minutes 20
    scripts/soak.py --rounds 1 --packets 2000

Taken from the environment: TRACECODEC, a built program (target/release/tracecodec).
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

STEPS = [
    "generate --packets {packets} --seed {seed} --salt {seed} -o made.pcapng.zst",
    "check made.pcapng.zst",
    "lift made.pcapng.zst --keep hosts,services -o made.parquet",
    "encode made.pcapng.zst --keep hosts,services -o made.safetensors",
    "decode made.safetensors -o decoded.pcapng.zst --payload shaped",
    "check decoded.pcapng.zst",
    "evaluate made.pcapng.zst decoded.pcapng.zst -o made.json",
]

# Peak memory of a round, over the median of the first rounds, beyond which it grows: traffic
# differs by the seed.
GROWTH = 1.5
FIRST_ROUNDS = 5


def peak_memory(program: str, step: str, folder: str) -> int:
    """Runs a step, and returns the most memory that it took, in KiB."""
    process = subprocess.Popen(
        [program, *step.split()],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    told = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"error: exit {process.returncode} of {step}\n{told}")
    return usage.ru_maxrss


def main() -> None:
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=0, help="stop after the round of then")
    parser.add_argument("--rounds", type=int, default=1, help="least number of rounds")
    parser.add_argument("--packets", type=int, default=20_000, help="packets of each trace")
    parser.add_argument("--output", type=pathlib.Path, help="file of a line of JSON a round")
    arguments = parser.parse_args()
    program = os.environ.get("TRACECODEC", root / "target/release/tracecodec")
    program = os.path.abspath(program)
    started = time.monotonic()
    rounds = []
    while len(rounds) < arguments.rounds or time.monotonic() - started < 60 * arguments.minutes:
        seed = len(rounds)
        with tempfile.TemporaryDirectory() as folder:
            steps = [step.format(packets=arguments.packets, seed=seed) for step in STEPS]
            peaks = [peak_memory(program, step, folder) for step in steps]
        rounds.append(peaks)
        if arguments.output:
            line = json.dumps({"seed": seed, "peak_kib": peaks})
            with arguments.output.open("a") as file:
                file.write(f"{line}\n")
        first = sorted(max(peaks) for peaks in rounds[:FIRST_ROUNDS])
        usual = first[len(first) // 2]
        if max(peaks) > GROWTH * usual:
            sys.exit(f"error: round {seed} took {max(peaks)} KiB, the first ones {usual} KiB")
    for number, step in enumerate(STEPS):
        peaks = sorted(peaks[number] for peaks in rounds)
        name = " ".join(step.split()[:2])
        middle = peaks[len(peaks) // 2] / 1024
        print(f"{name:30} {peaks[0] / 1024:7.1f} {middle:7.1f} {peaks[-1] / 1024:7.1f} MiB")
    print(f"{len(rounds)} rounds, {time.monotonic() - started:.0f} s; least, median, most peak memory")


main()
