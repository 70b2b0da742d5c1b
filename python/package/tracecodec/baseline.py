"""Verbs around baselines: generic tabular models on rows of raw headers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ._inputs import PathLike
from ._objects import Shards
from ._progress import Progress
from ._verbs import Outcome, _paths, run

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from . import _settings

__all__ = ["diagnose", "oracle", "reconstruct", "train"]


def train(
    shards: PathLike | Shards | Iterable[PathLike],
    output: PathLike,
    model: str,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.BaselineTrain],
) -> Outcome:
    """Trains a baseline: ``tvae``, ``tabsyn``, ``ttvae`` or ``goggle``.

    Parameters
    ----------
    shards : path or list of paths
        Folders of shards.
    output : path
        Folder to write.
    model : str
        Name of the baseline.
    progress : bool or callable, optional
        As in :func:`tracecodec.inspect`.
    **settings
        ``minutes`` or ``steps``, ``seed``, ``threads``, ``resume``, ``overwrite``; ``schema``,
        ``vocabulary``, ``validations``.

    Returns
    -------
    dict
        Steps, and the best loss.
    """
    named = {"shards": _paths(shards), "output": output, "model": model}
    return run("baseline train", progress, settings, **named)


def reconstruct(
    captures: PathLike,
    output: PathLike,
    model: PathLike,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.BaselineReconstruct],
) -> Outcome:
    """Takes a capture, or a folder of captures, through a baseline and back.

    Parameters
    ----------
    captures : path
        Capture, or folder of captures.
    output : path
        Capture to write, or a new folder.
    model : path
        Folder of the baseline.
    progress : bool or callable, optional
        As in :func:`tracecodec.inspect`.
    **settings
        How captures are read.

    Returns
    -------
    dict
        What was written.
    """
    named = {"input": captures, "output": output, "model": model}
    return run("baseline reconstruct", progress, settings, **named)


def diagnose(
    captures: PathLike | Iterable[PathLike],
    model: PathLike,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.BaselineDiagnose],
) -> Outcome:
    """How well a baseline reconstructs each column of the raw table.

    Parameters
    ----------
    captures : path or list of paths
        Captures.
    model : path
        Folder of the baseline.
    progress : bool or callable, optional
        As in :func:`tracecodec.inspect`.
    **settings
        How captures are read.

    Returns
    -------
    dict
        Diagnostics by column.
    """
    return run("baseline diagnose", progress, settings, inputs=_paths(captures), model=model)


def oracle(
    captures: PathLike,
    output: PathLike,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.BaselineOracle],
) -> Outcome:
    """Takes a capture through the raw table and back, with nothing learned in between.

    Parameters
    ----------
    captures : path
        Capture, or folder of captures.
    output : path
        Capture to write, or a new folder.
    progress : bool or callable, optional
        As in :func:`tracecodec.inspect`.
    **settings
        ``schema``; how captures are read.

    Returns
    -------
    dict
        What was written.
    """
    return run("baseline oracle", progress, settings, input=captures, output=output)
