"""Latents as arrays: encode, change with NumPy or PyTorch, decode."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import tracecodec as tc

EXAMPLE = "example.pcap"


@pytest.fixture
def latents() -> tc.Latents:
    return tc.Codec.load().encode(EXAMPLE, sample=3)


def decoded(latents: object, like: tc.Latents | None) -> bytes:
    tc.decode(latents, "decoded.pcap", like=like)
    return Path("decoded.pcap").read_bytes()


def test_arrays_are_read_only_views(latents: tc.Latents) -> None:
    assert latents.log_var is not None and latents.sample is not None
    for array in (latents.mu, latents.log_var, latents.sample):
        assert array.shape == (4000, 64) and array.dtype == np.float32
        assert array.flags.c_contiguous and not array.flags.writeable and not array.flags.owndata
        with pytest.raises(ValueError):
            array[0, 0] = 1
    assert np.asarray(latents).shape == (len(latents), 64)


def test_arrays_of_any_kind_decode_alike(latents: tc.Latents) -> None:
    expected = decoded(latents, None)
    mu = latents.mu
    assert decoded(mu, latents) == expected
    assert decoded(mu.astype(np.float64), latents) == expected
    assert decoded(np.asfortranarray(mu), latents) == expected
    assert decoded(mu.astype(">f4"), latents) == expected
    assert decoded(np.repeat(mu, 2, axis=0)[::2], latents) == expected
    assert decoded(mu.tolist(), latents) == expected


def test_the_arrays_outlive_their_file() -> None:
    latents = tc.encode(EXAMPLE)
    mu, path = latents.mu, latents.path
    whole = mu.copy()
    del latents
    assert not path.exists() and np.array_equal(mu, whole)


def test_wrong_shapes_are_refused(latents: tc.Latents) -> None:
    with pytest.raises(ValueError, match="shape"):
        tc.decode(latents.mu[0], "x.pcap")
    with pytest.raises(tc.ModelMismatchError, match="30 dimensions"):
        tc.decode(latents.mu[:, :30], "x.pcap")
    with pytest.raises(tc.TraceCodecError, match="no number"):
        tc.decode(np.full((3, 64), np.nan), "x.pcap")
    assert not Path("x.pcap").exists()


def test_empty_captures_have_empty_latents() -> None:
    Path("empty.pcap").write_bytes(Path(EXAMPLE).read_bytes()[:24])
    latents = tc.encode("empty.pcap")
    assert latents.mu.shape == (0, 64) and not latents.mu.flags.writeable


def test_actions_encode_like_their_capture(latents: tc.Latents) -> None:
    actions = tc.lift(EXAMPLE, profiles_of="built-in")
    assert np.array_equal(tc.encode(actions).mu, latents.mu)


@pytest.mark.filterwarnings("ignore:not one packet")
def test_codecs_pickle_as_path_and_digest() -> None:
    codec = tc.Codec.load()
    again = pickle.loads(pickle.dumps(codec))
    assert again == codec and hash(again) == hash(codec)
    assert len(pickle.dumps(codec)) < 300
    tc.train(EXAMPLE, "mine", steps=1)
    mine = tc.Codec.load("mine")
    assert mine != codec
    tc.train(EXAMPLE, "mine", steps=2, overwrite=True)
    with pytest.raises(tc.ModelMismatchError, match="changed since"):
        mine.encode(EXAMPLE)
    with pytest.raises(tc.ModelMismatchError):
        pickle.loads(pickle.dumps(mine))


@pytest.mark.filterwarnings("ignore:not one packet")
def test_latents_of_another_codec_are_refused(latents: tc.Latents) -> None:
    tc.train(EXAMPLE, "mine", steps=1)
    with pytest.raises(tc.ModelMismatchError, match="another codec"):
        tc.Codec.load("mine").decode(latents, "x.pcap")


def test_handles_do_not_change(latents: tc.Latents) -> None:
    for handle, name in ((tc.Codec.load(), "path"), (latents, "path"), (latents, "manifest")):
        with pytest.raises(AttributeError, match="cannot be changed"):
            setattr(handle, name, "other")


def test_no_codec_there() -> None:
    with pytest.raises(FileNotFoundError):
        tc.Codec.load("nowhere")


def test_generators_pickle() -> None:
    generator = tc.Generator.load()
    again = pickle.loads(pickle.dumps(generator))
    outcome = [made.generate("made.pcap", packets=300, seed=5) for made in (generator, again)]
    assert outcome[0]["packets"] == outcome[1]["packets"] == 300
    assert again == generator


def test_shards_pickle_and_list_their_splits() -> None:
    shards = tc.shard(EXAMPLE, "shards", packets=500)
    again = pickle.loads(pickle.dumps(shards))
    assert list(again) == list(shards) and len(shards) == len(list(shards))
    packets = sum(tc.inspect(path)["packets_read"] for path in shards)
    assert packets == 4000
