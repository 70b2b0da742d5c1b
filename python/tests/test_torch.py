"""Data sets for PyTorch: sequences, a data loader, samples, a capture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tracecodec as tc

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from tracecodec.torch import Actions, Latents  # noqa: E402

EXAMPLE = "example.pcap"


@pytest.fixture
def shards() -> tc.Shards:
    return tc.shard(EXAMPLE, "shards", packets=500, label="web")


@pytest.fixture
def sequences(shards: tc.Shards) -> str:
    tc.generator.sequences(shards, "sequences")
    return "sequences"


def test_windows_are_those_of_the_rows(shards: tc.Shards, sequences: str) -> None:
    windows = Latents(sequences, prefix=10, suffix=20, stride=5, normalised=False)
    codec = tc.Codec.load()
    # Sequences have everything that the codec carries, and are not refined.
    how = {"hosts": "graph", "services": "class", "refine": False}
    mu = codec.encode(shards.train[0], **how).mu
    assert windows.rows.shape[1] == 65
    assert np.array_equal(windows.rows[: len(mu), :64], mu)
    first, third = windows[0], windows[2]
    assert (first["prefix_rows"], third["prefix_rows"]) == (0, 10)
    assert not first["prefix"].any()
    assert np.array_equal(third["prefix"], windows.rows[:10])
    assert np.array_equal(third["suffix"], windows.rows[10:30])
    assert first["label"] == "web"
    assert len(Latents(sequences, "test", suffix=20)) > 0
    with pytest.raises(ValueError, match="no split `all`"):
        Latents(sequences, "all")


def test_normalised_rows_have_mean_0_and_deviation_1(sequences: str) -> None:
    windows = Latents(sequences, suffix=1)
    rows = torch.cat([window["suffix"] for window in windows])  # type: ignore[attr-defined]
    assert rows.dtype == torch.float32
    assert rows.mean(0).abs().max() < 1e-2
    assert (rows.std(0) - 1).abs().max() < 1e-2


@pytest.mark.filterwarnings("ignore:.*contradict the flows")
def test_samples_of_a_model_become_a_capture(sequences: str) -> None:
    windows = Latents(sequences, prefix=16, suffix=16, stride=8)
    loader = torch.utils.data.DataLoader(
        windows, batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(1)
    )
    torch.manual_seed(1)
    model = torch.nn.Linear(65, 65)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for batch in loader:
        loss = (model(batch["prefix"]) - batch["suffix"]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    sample = model(windows[3]["prefix"])
    assert sample.requires_grad
    outcome = tc.decode(
        sample, "sampled.pcap", like=sequences, normalised=True, strict=True
    )
    assert outcome["packets"] == 16
    assert tc.inspect("sampled.pcap")["packets_read"] == 16
    assert tc.check("sampled.pcap")["clean"]


def test_a_whole_sequence_decodes_to_its_shard(shards: tc.Shards, sequences: str) -> None:
    rows = tc.inspect(shards.test[0])["actions"]
    windows = Latents(sequences, "test", suffix=rows)
    tc.decode(windows[0]["suffix"], "test.pcap", like=sequences, normalised=True)
    evaluation = tc.evaluate(shards.test[0], "test.pcap")
    assert evaluation["metrics"]["packet_size_pct"] < 5


def test_workers_read_windows(sequences: str) -> None:
    windows = Latents(sequences, suffix=32)
    here = [window["suffix"] for window in torch.utils.data.DataLoader(windows)]
    # Processes of their own: a fork of one in which Ray and others have threads may crash.
    loader = torch.utils.data.DataLoader(
        windows, num_workers=2, multiprocessing_context="spawn"
    )
    there = [window["suffix"] for window in loader]
    assert torch.equal(torch.cat(here), torch.cat(there))


def test_tensors_of_other_types_decode() -> None:
    latents = tc.encode(EXAMPLE)
    tc.decode(latents, "a.pcap")
    tensor = torch.tensor(latents.mu, requires_grad=True)
    tc.decode(tensor.double(), "b.pcap", like=latents)
    assert Path("a.pcap").read_bytes() == Path("b.pcap").read_bytes()
    assert tc.decode(tensor.half(), "c.pcap", like=latents)["packets"] == 4000
    assert tc.decode(tensor.bfloat16(), "d.pcap", like=latents)["packets"] == 4000


def test_windows_of_actions(shards: tc.Shards) -> None:
    windows = Actions(shards, rows=50, stride=25)
    window = windows[1]
    frame = tc.lift(shards.train[0]).to_numpy()
    assert window["actions"].shape == (50, len(windows.columns))
    column = windows.columns.index("delta_t")
    assert np.array_equal(window["actions"][:, column], frame["delta_t"][25:75])
    assert window["label"] == "web"
    batch = next(iter(torch.utils.data.DataLoader(windows, batch_size=4)))
    assert batch["actions"].dtype == torch.int64
