"""A verb over many captures: the same bytes as one process, on a cluster that loses a node."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

import tracecodec as tc
from tracecodec.ray import experiment, run

EXAMPLE = "example.pcap"


@pytest.fixture
def captures() -> list[str]:
    shards = tc.shard(EXAMPLE, "shards", packets=300)
    return [str(path) for path in shards]


def contents(folder: str) -> dict[str, bytes]:
    root = Path(folder)
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def tables(folder: str) -> str:
    """The tables of an experiment, without its times."""
    return (Path(folder) / "tables.md").read_text().split("### Table S.")[0]


def test_a_damaged_capture_is_a_row(captures: list[str]) -> None:
    Path("cut.pcap").write_bytes(Path(EXAMPLE).read_bytes()[:10_000])
    report = run("lift", [captures[0], "cut.pcap", "nothing.pcap"], "lifted", workers=0)
    assert (report["done"], report["kept"], report["failed"]) == (1, 0, 2)
    damaged, missing = report["rows"][1:]
    assert "packet 86" in damaged["error"] and "`lenient`" in damaged["hint"]
    assert "nothing.pcap" in missing["error"] and missing["output"] is None
    assert not [name for name in os.listdir("lifted") if name.startswith(".part")]


@pytest.mark.filterwarnings("ignore:no shard for")
def test_a_second_run_rewrites_nothing(captures: list[str]) -> None:
    for verb, suffix in (("lift", ".parquet"), ("encode", ".safetensors"), ("shard", "")):
        first = run(verb, captures, verb, workers=0)
        assert first["done"] == len(captures)
        assert all(row["output"].endswith(suffix) for row in first["rows"])
        times = {path: path.stat().st_mtime_ns for path in Path(verb).rglob("*")}
        second = run(verb, captures, verb, workers=0)
        assert second["kept"] == len(captures)
        assert {path: path.stat().st_mtime_ns for path in Path(verb).rglob("*")} == times
        other = run(verb, captures[:1], verb, workers=0, first=5)
        assert other["done"] == 1


def test_rotated_captures_are_one_item() -> None:
    content = Path(EXAMPLE).read_bytes()
    # 85 packets, then the rest: sessions cross the border.
    border = 24
    for _ in range(85):
        border += 16 + int.from_bytes(content[border + 8 : border + 12], "little")
    Path("r1.pcap").write_bytes(content[:border])
    Path("r2.pcap").write_bytes(content[:24] + content[border:])
    whole = run("lift", [["r1.pcap", "r2.pcap"]], "whole", workers=0)["rows"][0]["output"]
    apart = run("lift", ["r1.pcap", "r2.pcap"], "apart", workers=0)
    pl = pytest.importorskip("polars")
    assert pl.read_parquet(whole).equals(tc.lift(EXAMPLE).to_polars())
    rows = sum(pl.read_parquet(row["output"]).height for row in apart["rows"])
    assert rows == 4000


def test_the_metrics_add_up(captures: list[str]) -> None:
    decoded = run("roundtrip", captures, "decoded", workers=0, oracle=True)
    pairs = [(row["item"][0], row["output"]) for row in decoded["rows"]]
    report = run("evaluate", pairs, "evaluations", workers=0)
    assert report["done"] == len(pairs)
    assert report["evaluation"]["metrics"]["iat_ms_pct"] == 0
    assert run("verify", captures, "verified", workers=0)["done"] == len(captures)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_cluster_that_loses_a_node_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    pytest.importorskip("pandas")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_DEDUP_LOGS", "0")
    captures = [f"{salt}.pcap" for salt in range(16)]
    for salt, capture in enumerate(captures):
        tc.roundtrip(EXAMPLE, capture, oracle=True, salt=salt, first=2000 + salt)
    pairs = list(zip(captures, captures[1:] + captures[:1]))
    expected = run("encode", captures, "alone", workers=0)
    metrics = run("evaluate", pairs, "measured", workers=0)["evaluation"]["metrics"]
    left: list[int] = []
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "object_store_memory": 100 << 20},
    )
    try:
        nodes = [
            cluster.add_node(num_cpus=1, object_store_memory=100 << 20) for _ in range(2)
        ]
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False)

        def lose() -> None:
            # In the middle: when the first outputs are there, and before the last.
            while len(list(Path("together").glob("*.safetensors"))) < 2:
                time.sleep(0.02)
            left.append(len(captures) - len(list(Path("together").glob("*.safetensors"))))
            cluster.remove_node(nodes[1], allow_graceful=False)

        loser = threading.Thread(target=lose, daemon=True)
        loser.start()
        report = run("encode", captures, "together")
        loser.join(60)
        assert left[0] > 0
        assert report["done"] + report["kept"] == len(captures) and report["failed"] == 0
        assert contents("together") == contents("alone")
        assert run("evaluate", pairs, "measured2")["evaluation"]["metrics"] == metrics
        again = run("encode", captures, "together")
        assert again["kept"] == len(captures)
        assert [row["item"] for row in again["rows"]] == [row["item"] for row in expected["rows"]]
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_experiment_on_a_cluster_that_loses_a_node_gives_the_same_tables() -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    from ray.cluster_utils import Cluster

    budget = {
        "shard": {"packets": 200},
        "codec": {"steps": 5},
        "ablations": {"no-kl": False, "no-fine-timing": False, "no-tcp-state": False},
        "baselines": {"tvae": 5, "tabsyn-vae": 0, "goggle": 0, "ttvae": 0},
        "interface": {"steps": 0},
        "generation": {"seeds": []},
    }
    tc.experiment({"day": EXAMPLE}, "alone", budget=budget)
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "object_store_memory": 100 << 20},
    )
    try:
        node = cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False)

        def lose() -> None:
            while len(list(Path("together").rglob("step.json"))) < 3:
                time.sleep(0.02)
            cluster.remove_node(node, allow_graceful=False)

        loser = threading.Thread(target=lose, daemon=True)
        loser.start()
        outcome = experiment({"day": EXAMPLE}, "together", budget=budget)
        loser.join(60)
        assert not loser.is_alive()
        assert {step["state"] for step in outcome["steps"]} == {"ran"}
        assert tables("together") == tables("alone")
        again = experiment({"day": EXAMPLE}, "together", budget=budget)
        assert {step["state"] for step in again["steps"]} == {"done"}
        with pytest.raises(tc.TraceCodecError, match="failed"):
            experiment({"day": EXAMPLE}, "short", budget={**budget, "shard": {"packets": 10**6}})
    finally:
        ray.shutdown()
        cluster.shutdown()
