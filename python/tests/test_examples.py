"""The examples run, with a small budget, and do what they promise."""

from __future__ import annotations

from pathlib import Path

import pytest

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
