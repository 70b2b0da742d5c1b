"""What verbs return and take beside paths: actions, latents, models, shards."""

from __future__ import annotations

import json
import os
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _native
from ._errors import ModelMismatchError
from ._inputs import ATTRIBUTE, Capture, PathLike
from ._progress import Progress, callback

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from ._inputs import ArrowStream


# Columns of text.
_TEXTS = ("sample_id", "label", "tracecodec_metadata")


class _Frozen:
    """An object whose attributes are set once."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(self, name):
            raise AttributeError(f"{name} cannot be changed")
        object.__setattr__(self, name, value)


class Actions(_Frozen):
    """Packet actions in memory: one row a packet, the columns of an actions file.

    Any library that reads Arrow streams takes it as it is: ``polars.DataFrame(actions)``,
    ``pyarrow.table(actions)``, ``duckdb.sql("from actions")``. Nothing is copied.

    Attributes
    ----------
    manifest : dict
        How the captures were lifted: sources, counts, option layouts, time of the first packet.

    Examples
    --------
    >>> import tracecodec as tc
    >>> actions = tc.lift("example.pcap")
    >>> len(actions), actions.columns[:3]
    (4000, ['flow_token', 'flow_evt', 'proto'])
    >>> actions.manifest["counts"]["flows"]
    98
    """

    __slots__ = ("_batches", "manifest")

    def __init__(self, batches: _native.Batches, manifest: dict[str, Any]) -> None:
        self._batches = batches
        self.manifest = manifest

    def __len__(self) -> int:
        return len(self._batches)

    def __repr__(self) -> str:
        return f"<tracecodec.Actions: {len(self)} packets, {len(self.columns)} columns>"

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._batches.__arrow_c_stream__(requested_schema)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return self._batches.columns

    @property
    def metadata(self) -> dict[str, str]:
        """What a compiler needs in addition to the rows, as an actions file has it."""
        return self._batches.metadata

    def with_metadata(self) -> Actions:
        """The same rows with the metadata in a column of text, ``tracecodec_metadata``.

        The column goes wherever the rows go: through Polars, DuckDB, joins and other files. What
        still has it is compiled without ``like``. It must be the same in all rows.

        Examples
        --------
        >>> import polars as pl
        >>> import tracecodec as tc
        >>> frame = tc.lift("example.pcap").with_metadata().to_polars()
        >>> tc.compile(frame.filter(pl.col("proto") == 1), "udp.pcap")["packets"]
        175
        """
        return Actions(self._batches.with_metadata(), self.manifest)

    def to_pandas(self) -> pandas.DataFrame:
        """A frame of pandas, which carries the metadata in ``frame.attrs``. Needs pyarrow."""
        frame: pandas.DataFrame = self.to_pyarrow().to_pandas()
        frame.attrs[ATTRIBUTE] = self.metadata
        return frame

    def to_polars(self) -> polars.DataFrame:
        """A frame of Polars, which has no place for metadata: compile it with ``like=actions``, or
        take them along by :meth:`with_metadata`."""
        import polars

        return polars.DataFrame(self)

    def to_pyarrow(self) -> pyarrow.Table:
        """A table of PyArrow, whose schema has the metadata."""
        import pyarrow

        return pyarrow.table(self)

    def to_numpy(self) -> dict[str, np.ndarray[Any, Any]]:
        """The columns of numbers by name, as arrays that cannot be written to; a copy.

        Examples
        --------
        >>> import tracecodec as tc
        >>> arrays = tc.lift("example.pcap").to_numpy()
        >>> arrays["proto"].dtype, arrays["delta_t"].dtype, len(arrays)
        (dtype('uint8'), dtype('int64'), 40)
        """
        names = [name for name in self.columns if name not in _TEXTS]
        columns = ((name, self._batches.numbers(name)) for name in names)
        return {name: np.frombuffer(data, "<" + kind) for name, (kind, data) in columns}

    def save(self, output: PathLike, *, progress: Progress = False) -> int:
        """Writes an actions file (Parquet). Returns the number of rows.

        Examples
        --------
        >>> import tracecodec as tc
        >>> tc.lift("example.pcap").save("example.parquet")
        4000
        """
        return _native.save(self, {}, None, output, callback(progress))


class Latents(_Frozen):
    """Latents of packets, as memory maps of a file: arrays that cannot be written to.

    Attributes
    ----------
    path : pathlib.Path
        The file (safetensors), beside which its manifest lies.
    manifest : dict
        Where the latents come from; empty if there is no manifest.
    mu : numpy.ndarray
        Means, float32, of shape ``(packets, d_latent)``.
    log_var : numpy.ndarray or None
        Logarithms of the variances, of the same shape, if the file has them.
    sample : numpy.ndarray or None
        A draw from each posterior, of the same shape, if the file has one.

    Examples
    --------
    >>> import tracecodec as tc
    >>> latents = tc.Codec.load().encode("example.pcap", sample=1)
    >>> latents
    <tracecodec.Latents: 4000 packets, 64 dimensions>
    >>> latents.sample.dtype, latents.mu.flags.writeable
    (dtype('float32'), False)
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        manifest = Path(os.fspath(path) + ".json")
        text = manifest.read_text("utf-8") if manifest.is_file() else "{}"
        self.manifest: dict[str, Any] = json.loads(text)
        self._layout = _native.latents_layout(path)

    def _tensor(self, name: str) -> np.ndarray[Any, np.dtype[np.float32]] | None:
        if name not in self._layout:
            return None
        first, rows, columns = self._layout[name]
        if rows == 0:
            empty = np.empty((0, columns), np.float32)
            empty.flags.writeable = False
            return empty
        return np.memmap(self.path, np.dtype("<f4"), "r", first, (rows, columns))

    @property
    def mu(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        for name in ("mu", "latents"):
            tensor = self._tensor(name)
            if tensor is not None:
                return tensor
        raise AttributeError("the file has no tensor of means")

    @property
    def log_var(self) -> np.ndarray[Any, np.dtype[np.float32]] | None:
        return self._tensor("log_var")

    @property
    def sample(self) -> np.ndarray[Any, np.dtype[np.float32]] | None:
        return self._tensor("sample")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.mu, dtype) if copy else np.asarray(self.mu, dtype)

    def __len__(self) -> int:
        return len(self.mu)

    def __repr__(self) -> str:
        rows, columns = self.mu.shape
        return f"<tracecodec.Latents: {rows} packets, {columns} dimensions>"

    def __reduce__(self) -> Any:
        return type(self), (self.path,)

    @classmethod
    def _temporary(cls, folder: tempfile.TemporaryDirectory[str], path: Path) -> Latents:
        """Latents whose file is removed with them."""
        latents = cls(path)
        weakref.finalize(latents, folder.cleanup)
        return latents


class _Model(_Frozen):
    """A model by its folder and the digest of its weights, which is checked at every use."""

    __slots__ = ()

    path: str
    digest: str

    def _about(self) -> dict[str, Any]:
        raise NotImplementedError

    def _check(self) -> None:
        found = self._about()["blake3"]
        if found != self.digest:
            raise ModelMismatchError(
                f"{self.path}: the model has changed since it was loaded",
                hint="load it again",
                path=self.path,
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Model) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


class Codec(_Model):
    """A trained codec: captures to latents, and back.

    A codec is a handle, its folder and the digest of its weights: it pickles as the two, and
    workers on other machines refuse a model that is not the same.

    Examples
    --------
    >>> import tracecodec as tc
    >>> codec = tc.Codec.load()
    >>> latents = codec.encode("example.pcap")
    >>> codec.decode(latents, "decoded.pcap")["packets"]
    4000
    >>> noisy = latents.mu + 0.01
    >>> codec.decode(noisy, "noisy.pcap", like=latents)["packets"]
    4000
    """

    __slots__ = ("d_latent", "digest", "path", "schema_version")

    def __init__(self, path: PathLike, digest: str | None = None) -> None:
        self.path = os.fspath(path)
        about = self._about()
        self.digest: str = about["blake3"] if digest is None else digest
        self.d_latent: int = about["d_latent"]
        self.schema_version: int = about["schema_version"]
        self._check()

    @classmethod
    def load(cls, path: PathLike = "built-in") -> Codec:
        """Loads a codec from the folder of a training, or the one that is built in."""
        return cls(path)

    def _about(self) -> dict[str, Any]:
        return _native.describe_codec(self.path)

    def __repr__(self) -> str:
        return f"<tracecodec.Codec {self.path!r}: {self.d_latent} dimensions, {self.digest[:8]}>"

    def __reduce__(self) -> Any:
        return type(self), (self.path, self.digest)

    def encode(
        self,
        capture: Capture | ArrowStream,
        output: PathLike | None = None,
        *,
        progress: Progress = False,
        **settings: Any,
    ) -> Latents:
        """Encodes a capture or actions, as :func:`tracecodec.encode` with this model."""
        from . import _verbs

        self._check()
        return _verbs.encode(capture, output, model=self.path, progress=progress, **settings)

    def decode(
        self,
        latents: Any,
        output: PathLike,
        *,
        progress: Progress = False,
        **settings: Any,
    ) -> dict[str, Any]:
        """Decodes latents, as :func:`tracecodec.decode` with this model."""
        from . import _verbs

        self._check()
        return _verbs.decode(latents, output, model=self.path, progress=progress, **settings)


class Generator(_Model):
    """A trained generator: traces that never were, or continuations of captures.

    Examples
    --------
    >>> import tracecodec as tc
    >>> generator = tc.Generator.load()
    >>> generator.generate("made.pcap", packets=1000, seed=7)["packets"]
    1000
    """

    __slots__ = ("codec", "digest", "path")

    def __init__(
        self, path: PathLike, codec: PathLike | Codec = "built-in", digest: str | None = None
    ) -> None:
        self.path = os.fspath(path)
        self.codec = codec.path if isinstance(codec, Codec) else os.fspath(codec)
        self.digest: str = self._about()["blake3"] if digest is None else digest
        self._check()

    @classmethod
    def load(cls, path: PathLike = "built-in", *, codec: PathLike | Codec = "built-in") -> Generator:
        """Loads a generator from the folder of a training, or the one that is built in."""
        return cls(path, codec)

    def _about(self) -> dict[str, Any]:
        return _native.describe_generator(self.path, self.codec)

    def __repr__(self) -> str:
        return f"<tracecodec.Generator {self.path!r}: {self.digest[:8]}>"

    def __reduce__(self) -> Any:
        return type(self), (self.path, self.codec, self.digest)

    def generate(
        self, output: PathLike, *, progress: Progress = False, **settings: Any
    ) -> dict[str, Any]:
        """Generates a trace, as :func:`tracecodec.generate` with this model."""
        from . import _verbs

        self._check()
        return _verbs.generate(
            output, model=self.path, codec=self.codec, progress=progress, **settings
        )


class Shards(_Frozen):
    """A folder of shards: captures in which sessions lie whole, in splits by time.

    Attributes
    ----------
    path : pathlib.Path
        The folder.
    manifest : dict
        How it was cut, and what each shard holds.

    Examples
    --------
    >>> import tracecodec as tc
    >>> shards = tc.shard("example.pcap", "shards", packets=500)
    >>> shards
    <tracecodec.Shards 'shards': 3 train, 1 validation, 1 test>
    >>> tc.inspect(shards.test[0])["packets_read"] > 0
    True
    """

    __slots__ = ("manifest", "path")

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self.manifest: dict[str, Any] = json.loads(
            (self.path / "manifest.json").read_text("utf-8")
        )

    def _split(self, name: str) -> list[Path]:
        shards = self.manifest["shards"]
        return [self.path / shard["file"] for shard in shards if shard["split"] == name]

    @property
    def train(self) -> list[Path]:
        """Paths of the earliest shards, by time."""
        return self._split("train")

    @property
    def validation(self) -> list[Path]:
        """Paths of the shards by which models are chosen, by time."""
        return self._split("validation")

    @property
    def test(self) -> list[Path]:
        """Paths of the latest shards, by time."""
        return self._split("test")

    def __fspath__(self) -> str:
        return str(self.path)

    def __len__(self) -> int:
        return len(self.manifest["shards"])

    def __iter__(self) -> Iterator[Path]:
        return iter([*self.train, *self.validation, *self.test])

    def __repr__(self) -> str:
        counts = ((name, len(self._split(name))) for name in ("train", "validation", "test"))
        counted = ", ".join(f"{count} {name}" for name, count in counts)
        return f"<tracecodec.Shards {str(self.path)!r}: {counted}>"

    def __reduce__(self) -> Any:
        return type(self), (self.path,)
