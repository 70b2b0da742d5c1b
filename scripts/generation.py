#!/usr/bin/env python3
"""How close generated traffic comes to the last tenth of a capture, which no generator has read.

    scripts/generation.py OUT [--data NAME=CAPTURE ...] [--model DIR] [--seeds 0,1,2]

The last tenth of each capture is the reference. Three things are compared with it: the tenth before
(how far apart two real tenths are); the continuation of that tenth (`generate --prefix`); and as
many packets generated without a prefix, with the dataset's name as the label. Results in OUT are
used again if they come from the same settings, captures and program. OUT/generation.md has the
tables: the mean over the seeds, and the smallest and the largest value where they differ.
OUT/generation.html is the page that `tracecodec report` draws.
"""

import json
import struct
import subprocess
from pathlib import Path

import results
from fidelity import cells
from results import PROGRAM, Failure, run, spread, step

# Key, heading, factor and format of the metrics.
METRICS = [
    ("auc", "Two-sample AUC", 1, ".3f"),
    ("auc_without_time", "AUC without time", 1, ".3f"),
    ("iat_paper_pct", "IAT ms %", 1, ".2f"),
    ("iat_log_pct", "IAT log %", 1, ".2f"),
    ("packet_size_pct", "Packet size %", 1, ".2f"),
    ("packets_per_flow_pct", "Packets per flow %", 1, ".2f"),
    ("flow_duration_paper_pct", "Session duration ms %", 1, ".2f"),
    ("flow_duration_log_pct", "Session duration log %", 1, ".2f"),
    ("flow_count_pct", "Flow count %", 1, ".2f"),
    ("proto_pct", "Protocols %", 1, ".2f"),
    ("tcp_event_pp", "TCP event pp", 1, ".2f"),
    ("host_count_pct", "Hosts %", 1, ".1f"),
    ("fan_out_pct", "Fan-out %", 1, ".1f"),
    ("fan_in_pct", "Fan-in %", 1, ".1f"),
    ("flows_per_pair_pct", "Flows per pair %", 1, ".1f"),
    ("service_pct", "Services %", 1, ".1f"),
    ("transition_tv", "Transition", 1, ".3f"),
    ("handshake_pct", "Handshakes %", 1, ".1f"),
    ("conn_state_pct", "Connection states %", 1, ".1f"),
    ("burstiness_pct", "Burstiness %", 1, ".1f"),
    ("joint_pp", "Joint structure pp", 1, ".1f"),
    ("flow_switch_rate_dec", "Switch rate", 1, ".3f"),
    ("active_sessions_max_dec", "Most active sessions", 1, ".0f"),
]


def main():
    parser = results.parser(__doc__, "folder for captures and results")
    parser.add_argument("--data", action="append", type=results.dataset, metavar="NAME=CAPTURE", help="default: those of the testbed")
    parser.add_argument("--model", type=Path, help="folder of a generator (default: the one that is built in)")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--options", action="append", default=[], help="of `tracecodec generate`, as in --options=--unconstrained, each by itself")
    args = parser.parse_args()
    tables, evaluations = [], []
    for name, capture in args.data or results.testbed("enterprise", "backbone", "crowd"):
        rows = compared(name, capture, args)
        tables.append(table(name, rows))
        evaluations += [found["evaluation"] for row in rows.values() for found in row]
    results.publish(args.out / "generation.md", "\n".join(tables), evaluations)


def compared(name, capture, args):
    """The results of everything that is compared with the last tenth of a capture."""
    folder = args.out / name
    before, last, packets = tenths(folder / "tenths", capture)
    generate = ["generate", "--packets", packets, *args.options, *(["--model", args.model] if args.model else [])]
    rows = {"the tenth before": [judge(folder / "before", last, before, name, "the tenth before")]}
    for kind, options in (("continued", ["--prefix", before]), ("from nothing", ["--label", name])):
        for seed in args.seeds.split(","):
            label = ", ".join([args.model.name if args.model else "built-in", kind, f"seed {seed}", *args.options])
            words = [*generate, *options, "--seed", seed]
            found = judge(folder / kind.replace(" ", "-") / seed, last, words, name, label)
            rows.setdefault(kind, []).append(found)
    return rows


def tenths(folder, capture):
    """The last two tenths of a capture as captures, and the number of packets in the last."""

    def compute(folder):
        whole = folder / "whole.pcap"
        run("roundtrip", capture, whole, "--oracle", "--truncate", "--keep", "hosts,services")
        records = list(packets_of(whole))
        header, tenth = whole.read_bytes()[:24], len(records) // 10
        if tenth == 0:
            raise Failure(f"{capture} has {len(records)} packets in scope, too few for tenths")
        (folder / "before.pcap").write_bytes(header + b"".join(records[-2 * tenth : -tenth]))
        (folder / "last.pcap").write_bytes(header + b"".join(records[-tenth:]))
        whole.unlink()
        return tenth

    folder, packets = step(folder, ["last tenths, hosts and services kept", capture], compute)
    return folder / "before.pcap", folder / "last.pcap", packets


def packets_of(capture):
    """The records of a pcap of little-endian headers, as this program writes it."""
    data = capture.read_bytes()
    at = 24
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at + 8)
        yield data[at : at + 16 + length]
        at += 16 + length


def judge(folder, reference, decoded, dataset, label):
    """The metrics of a capture, or of what these words of the program generate."""

    def compute(folder):
        capture, found = decoded, {}
        if generated:
            capture = folder / "generated.pcap"
            found = json.loads(run(*decoded, "-o", capture, "--json"))
            found["clean"] = clean(capture)
        metrics = results.evaluate(reference, capture, dataset, label, folder / "evaluation.json")
        test = json.loads(run("classify", reference, capture, "--json"))["generated"]["two_sample"]
        areas = {key: test[key]["value"] for key in ("auc", "auc_without_time")}
        return {**found, "metrics": {**metrics, **areas}}

    generated = isinstance(decoded, list)
    words = ["evaluate", reference, dataset, label, *(decoded if generated else [decoded])]
    folder, found = step(folder, words, compute)
    return {**found, "evaluation": folder / "evaluation.json"}


def clean(capture):
    """Whether `check --tools` finds nothing wrong: exit status 0, where 1 is a finding."""
    done = subprocess.run([PROGRAM, "check", "--tools", capture], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise Failure(f"tracecodec check --tools {capture}: {done.stderr.strip()}")
    return done.returncode == 0


def table(name, rows):
    lines = []
    for label, seeds in rows.items():
        clean = [found["clean"] for found in seeds if "clean" in found]
        legal = [sum(found["legalisations"].values()) for found in seeds if "legalisations" in found]
        counts = cells([("settled", "", 1, ".0f"), ("packets_per_second", "", 1, ".0f")], seeds)
        line = [label, *cells(METRICS, [found["metrics"] for found in seeds]), counts[0]]
        line += [spread(legal, ".0f"), counts[1], f"{sum(clean)} of {len(clean)} clean" if clean else "–"]
        lines.append(line)
    heads = ["", *(head for _, head, *_ in METRICS), "made to agree", "made legal", "packets/s", "check --tools"]
    return results.table(name, heads, lines)


if __name__ == "__main__":
    results.entry(main)
