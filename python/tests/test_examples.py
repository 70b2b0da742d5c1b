"""The examples run, with a small budget, and do what they promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tracecodec as tc

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def test_a_generator_on_latents_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("pandas")
    monkeypatch.syspath_prepend(EXAMPLES)
    import latent_generator

    decoded, checked = latent_generator.generate(
        "example.pcap", "mine", minutes=0.05, packets=500, seed=1
    )
    assert decoded["packets"] == checked["packets"] == 500
    assert decoded["settled"]["flows"] < 0.02 * 500
    assert checked["errors"] == 0
    assert Path("mine.safetensors.json").is_file()


def test_latents_add_up() -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    actions = tc.lift("example.pcap", profiles_of="built-in")
    frame = actions.to_pandas()
    renamed = frame.assign(flow_token=frame.flow_token + 5)
    latents = tc.encode(actions, refine=False)
    moves = tc.encode(renamed, like=actions, refine=False).mu - latents.mu
    by_slot = pandas.DataFrame(moves).groupby(frame.flow_token).transform("mean").to_numpy()
    assert np.square(moves - by_slot).sum() < 0.01 * np.square(moves).sum()
    tc.decode(latents.mu + by_slot, "moved.parquet", like=latents, unconstrained=True)
    moved = pandas.read_parquet("moved.parquet")
    for field in ("flow_token", "flow_evt", "proto", "dir", "tcp_ctrl", "tcp_win", "l4_payload_len"):
        assert (moved[field] == renamed[field]).mean() > 0.99, field
