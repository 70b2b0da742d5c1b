#!/usr/bin/env python3
"""Measures the Python package beside the command line, and beside other readers of captures, in one
run. Needs the package (pip install ./python), nfstream, scapy, dpkt and Ray (those that are missing
are left out), and the program (cargo build --release -p tracecodec-cli, or TRACECODEC=...).

    scripts/bench-python.py [--runs 5]

Prints Markdown. A run of ours is alternated with one of the command line's, so that other work on
the machine meets both alike; the best of the runs counts."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import tracecodec as tc

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = os.environ.get("TRACECODEC", str(ROOT / "target/release/tracecodec"))


def best(works: list[Callable[[], object]], runs: int) -> list[float]:
    """The least seconds that each takes, one after the other, in turn."""
    times = [[] for _ in works]
    for _ in range(runs):
        for work, seconds in zip(works, times):
            begun = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - begun)
    return [min(seconds) for seconds in times]


def command(*words: object) -> Callable[[], object]:
    return lambda: subprocess.run([PROGRAM, *map(str, words)], check=True, capture_output=True)


def with_nfstream(capture: Path) -> None:
    from nfstream import NFStreamer

    for _ in NFStreamer(source=str(capture), n_dissections=0, statistical_analysis=False):
        pass


def with_scapy(capture: Path) -> None:
    from scapy.all import PcapReader

    with PcapReader(str(capture)) as reader:
        for packet in reader:
            packet.haslayer("TCP")


def with_dpkt(capture: Path) -> None:
    import dpkt

    with capture.open("rb") as file:
        reader = dpkt.pcap.UniversalReader(file)
        parse = {1: dpkt.ethernet.Ethernet, 101: dpkt.ip.IP}.get(reader.datalink(), dpkt.sll.SLL)
        for _, data in reader:
            parse(data)


def with_ray(captures: list[Path], packets: int, work: Path) -> None:
    """Prints how the rate of `encode` grows with the workers of a cluster on this machine."""
    import ray

    from tracecodec.ray import run

    cores = os.cpu_count() or 1
    ray.init(num_cpus=cores, log_to_driver=False)
    print("\n| encode of as many captures on a cluster | packets/s | of one process |")
    print("|---|---|---|")
    alone = None
    for workers in range(cores + 1):
        begun = time.perf_counter()
        run("encode", captures, work / f"workers-{workers}", workers=workers)
        rate = packets * len(captures) / (time.perf_counter() - begun)
        alone = alone or rate
        name = f"{workers} workers of one thread" if workers else "one process, one thread"
        print(f"| {name} | {rate:,.0f} | {rate / alone:.2f} |")
    ray.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        # Plain pcap over Ethernet, which everybody reads.
        short, long = work / "short.pcap", work / "long.pcap"
        tc.roundtrip(ROOT / "data/train/enterprise.pcap.zst", short, oracle=True)
        content = short.read_bytes()
        long.write_bytes(content + 9 * content[24:])
        packets = tc.inspect(short)["packets_read"]

        pairs = [
            (
                f"lift, {10 * packets:,} packets",
                10 * packets,
                command("lift", long, "-o", work / "a.parquet"),
                [
                    ("to Arrow, in memory", lambda: tc.lift(long)),
                    ("to the same file", lambda: tc.lift(long, work / "b.parquet")),
                ],
            ),
            (
                f"encode, {packets:,} packets",
                packets,
                command("encode", short, "-o", work / "a.safetensors"),
                [
                    ("to NumPy", lambda: tc.encode(short).mu),
                    ("to the same file", lambda: tc.encode(short, work / "b.safetensors")),
                ],
            ),
        ]
        print("| work | command line, packets/s | Python | packets/s | of the command line's time |")
        print("|---|---|---|---|---|")
        for name, count, program, ours in pairs:
            theirs, *times = best([program, *(call for _, call in ours)], runs)
            for (what, _), seconds in zip(ours, times):
                share = f"{100 * seconds / theirs:.0f} %"
                print(f"| {name} | {count / theirs:,.0f} | {what} | {count / seconds:,.0f} | {share} |")

        print("\n| reads the same capture | version | packets/s |")
        print("|---|---|---|")
        rows = [("tracecodec, lift to Arrow", "tracecodec", lambda: tc.lift(short))]
        for peer, call in (("nfstream", with_nfstream), ("dpkt", with_dpkt), ("scapy", with_scapy)):
            if importlib.util.find_spec(peer):
                rows.append((peer, peer, lambda call=call: call(short)))
        for name, package, call in rows:
            (seconds,) = best([call], runs if package != "scapy" else 1)
            version = importlib.metadata.version(package)
            print(f"| {name} | {version} | {packets / seconds:,.0f} |")

        if importlib.util.find_spec("ray"):
            captures = [work / f"{number}.pcap" for number in range(8)]
            for salt, capture in enumerate(captures):
                tc.roundtrip(short, capture, oracle=True, salt=salt)
            with_ray(captures, packets, work)


if __name__ == "__main__":
    main()
