"""Data sets for PyTorch: windows of latent sequences, and of packet actions.

The rest of the package does not need PyTorch: ``pip install tracecodec[torch]``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch.utils.data import Dataset

from . import _native
from ._inputs import PathLike
from ._objects import Shards
from ._objects import Latents as _Latents
from ._verbs import lift

__all__ = ["Actions", "Latents"]


class Latents(Dataset[dict[str, Any]]):
    """Windows of latent sequences, read in place from a memory map.

    Parameters
    ----------
    folder : path
        Folder of latent sequences, as :func:`tracecodec.generator.sequences` writes it.
    split : str, optional
        ``train``, ``validation`` or ``test``.
    prefix, suffix : int, optional
        Rows of the past and of the future of a window.
    stride : int, optional
        Rows between the suffixes of two windows; that of ``suffix`` if it is not given.
    normalised : bool, optional
        Whether every channel has mean 0 and deviation 1 over the training rows. Decode such rows
        with ``normalised=True, like=folder``.

    Returns
    -------
    dict
        Of a window: ``prefix``, float32 of shape ``(prefix, channels)``, zeros in front if the
        sequence has fewer rows before the suffix; ``prefix_rows``, how many are none; ``suffix``,
        float32 of shape ``(suffix, channels)``; ``label``, empty if the sequence has none. The
        last channel is the time step.

    Examples
    --------
    >>> import tracecodec as tc
    >>> shards = tc.shard("example.pcap", "shards", packets=500)
    >>> outcome = tc.generator.sequences(shards, "sequences")
    >>> windows = Latents("sequences", prefix=32, suffix=16)
    >>> windows[5]["suffix"].shape
    torch.Size([16, 65])
    """

    def __init__(
        self,
        folder: PathLike,
        split: str = "train",
        *,
        prefix: int = 0,
        suffix: int = 64,
        stride: int | None = None,
        normalised: bool = True,
    ) -> None:
        self.folder = Path(folder)
        self.split = split
        self.prefix = prefix
        self.suffix = suffix
        stride = suffix if stride is None else stride
        self._places = _native.sequence_windows(folder, split, prefix, suffix, stride)
        description = json.loads((self.folder / "sequences.json").read_text("utf-8"))
        statistics = description["statistics"]
        self.channels: int = description["channels"]
        self._mean = np.asarray(statistics["mean"], np.float32) if normalised else np.float32(0)
        self._deviation = (
            np.asarray(statistics["deviation"], np.float32) if normalised else np.float32(1)
        )

    @property
    def rows(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """All rows of the split, as they are stored."""
        return _Latents(self.folder / f"{self.split}.safetensors").mu

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> dict[str, Any]:
        first, middle, label = self._places[number]
        rows = self.rows[first : middle + self.suffix]
        rows = (rows - self._mean) / self._deviation
        prefix = np.zeros((self.prefix, self.channels), np.float32)
        prefix[self.prefix - (middle - first) :] = rows[: middle - first]
        return {
            "prefix": torch.from_numpy(prefix),
            "prefix_rows": middle - first,
            "suffix": torch.from_numpy(np.ascontiguousarray(rows[middle - first :], np.float32)),
            "label": label or "",
        }


class Actions(Dataset[dict[str, Any]]):
    """Windows of packet actions, a shard at most in each. The actions are kept in memory.

    Parameters
    ----------
    shards : path or Shards
        Folder of shards, as :func:`tracecodec.shard` writes it.
    split : str, optional
        ``train``, ``validation`` or ``test``.
    rows : int, optional
        Packets of a window.
    stride : int, optional
        Packets between the starts of two windows; that of ``rows`` if it is not given.
    **settings
        Those of :func:`tracecodec.lift`.

    Returns
    -------
    dict
        Of a window: ``actions``, int64 of shape ``(rows, columns)``; ``label``, that of the shards,
        or empty.

    Examples
    --------
    >>> import tracecodec as tc
    >>> shards = tc.shard("example.pcap", "cut", packets=500)
    >>> windows = Actions(shards, rows=100)
    >>> windows[0]["actions"].shape, windows.columns[:2]
    (torch.Size([100, 40]), ['flow_token', 'flow_evt'])
    """

    def __init__(
        self,
        shards: PathLike | Shards,
        split: str = "train",
        *,
        rows: int = 64,
        stride: int | None = None,
        **settings: Any,
    ) -> None:
        folder = shards if isinstance(shards, Shards) else Shards(shards)
        lifted = [lift(path, **settings).to_numpy() for path in getattr(folder, split)]
        self.columns: list[str] = list(lifted[0]) if lifted else []
        self.rows = rows
        self.label: str = folder.manifest["config"].get("label") or ""
        self._shards = lifted
        step = rows if stride is None else stride
        self._places = [
            (number, first)
            for number, arrays in enumerate(lifted)
            for first in range(0, len(arrays["delta_t"]) - rows + 1, step)
        ]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> dict[str, Any]:
        shard, first = self._places[number]
        columns = cast("dict[str, np.ndarray[Any, Any]]", self._shards[shard]).values()
        window = [column[first : first + self.rows].astype(np.int64) for column in columns]
        return {"actions": torch.from_numpy(np.stack(window, axis=1)), "label": self.label}
