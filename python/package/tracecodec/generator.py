"""Verbs around generators: latent sequences, trainings, measurements."""

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

__all__ = ["continuation", "curve", "sequences", "train"]


def sequences(
    shards: PathLike | Shards | Iterable[PathLike],
    output: PathLike,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.GeneratorSequences],
) -> Outcome:
    """Encodes shards to latent sequences, which :class:`tracecodec.torch.Latents` reads.

    Parameters
    ----------
    shards : path or list of paths
        Folders of shards.
    output : path
        Folder to write.
    progress : bool or callable, optional
        As in :func:`tracecodec.inspect`.
    **settings
        ``model``, ``device``, ``baseline``, ``overwrite``; how captures are read.

    Returns
    -------
    dict
        Rows of every split, and the numbers of a row.
    """
    return run("generator sequences", progress, settings, shards=_paths(shards), output=output)


def train(
    data: PathLike | Shards | Iterable[PathLike],
    output: PathLike,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.GeneratorTrain],
) -> Outcome:
    """Trains a generator: autoregressive on shards, captures and actions, flow matching on latent
    sequences.

    Parameters
    ----------
    data : path or list of paths
        Shards, captures, actions files, or a folder of latent sequences.
    output : path
        Folder to write, which :meth:`tracecodec.Generator.load` takes.
    progress : bool or callable, optional
        As in :func:`tracecodec.inspect`.
    **settings
        ``minutes`` or ``steps``, ``seed``, ``threads``, ``resume``, ``overwrite``; ``preset``,
        ``settings``; ``from_model``, the generator whose weights the training begins with;
        ``label_by_name``, ``half``, ``schema``, ``device``.

    Returns
    -------
    dict
        Steps, and the best loss.
    """
    return run("generator train", progress, settings, data=_paths(data), output=output)


def curve(
    model: PathLike,
    sequences: PathLike,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.GeneratorCurve],
) -> Outcome:
    """What methods and steps of the solver cost and give, of a generator by flow matching.

    Parameters
    ----------
    model : path
        Folder of the generator.
    sequences : path
        Folder of latent sequences.
    progress : bool or callable, optional
        As in :func:`tracecodec.inspect`.
    **settings
        ``windows``, ``split``, ``methods``, ``steps``, ``reference``, ``seed``, ``threads``,
        ``device``.

    Returns
    -------
    dict
        A measurement for each method and number of steps.
    """
    return run("generator curve", progress, settings, model=model, sequences=sequences)


def continuation(
    contestants: Iterable[str],
    shards: PathLike | Shards | Iterable[PathLike],
    output: PathLike,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.GeneratorContinuation],
) -> Outcome:
    """How well generators continue the test shards.

    Parameters
    ----------
    contestants : list of str
        Generators, such as ``built-in`` or ``GENERATOR@CODEC``.
    shards : path or list of paths
        Folders of shards.
    output : path
        Folder to write evaluations to.
    progress : bool or callable, optional
        As in :func:`tracecodec.inspect`.
    **settings
        Prefix, suffix and windows of a trial; ``dataset``, ``keep``, ``overwrite``.

    Returns
    -------
    dict
        The contestants' results.
    """
    named = {"contestants": list(contestants), "shards": _paths(shards), "output": output}
    return run("generator continuation", progress, settings, **named)
