"""One verb over thousands of captures, or the steps of an experiment, on a cluster of Ray.

The captures, and the folder of outputs, lie where every node sees them. What is sent between nodes
are paths and rows of a few hundred bytes. ``pip install tracecodec[ray]``.

Sessions stay whole if the captures that they cross are one item, as the rotated files of one tap
are: ``[["monday-1.pcap", "monday-2.pcap"], ["tuesday.pcap"]]``. An item is read from its first
packet to its last by one worker; :func:`run` with ``"shard"`` cuts it at the borders of sessions,
and the shards are items for the other verbs.

Outputs are named by a digest of verb, settings and input, written beside, and renamed when they are
whole. So a task that is done twice, since a node was lost, gives the same file, and a second run
rewrites nothing. A damaged capture is a row of the report, and never the end of the job.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

from . import _native, _verbs
from ._errors import TraceCodecError
from ._inputs import PathLike
from ._progress import Progress, callback

__all__ = ["experiment", "run"]

# What each verb writes for an item.
SUFFIXES = {
    "lift": ".parquet",
    "encode": ".safetensors",
    "decode": ".pcap",
    "roundtrip": ".pcap",
    "shard": "",
    "evaluate": ".json",
    "verify": ".json",
}

# Verbs that read several captures as one.
JOINING = ("lift", "shard", "verify")

# The setting of each verb that computes on several cores.
CORES = {"encode": "threads", "decode": "threads", "roundtrip": "threads", "verify": "jobs"}

Item = Union[PathLike, Sequence[PathLike]]
Row = dict[str, Any]


def run(
    verb: str,
    items: Iterable[Item],
    output: PathLike,
    *,
    workers: int | None = None,
    num_cpus: int = 1,
    **settings: Any,
) -> dict[str, Any]:
    """Runs a verb on every item, and returns a row for each.

    Parameters
    ----------
    verb : str
        ``lift``, ``shard``, ``encode``, ``decode``, ``roundtrip``, ``evaluate`` or ``verify``.
    items : iterable of paths, or of lists of paths
        An item is a capture, or captures to read as one (``lift``, ``shard``, ``verify``); latents
        to ``decode``; a reference and what came of it, to ``evaluate``.
    output : path
        Folder to write to, which every node sees.
    workers : int, optional
        Workers at most; as many as the cluster has room for if it is not given. 0 works in this
        process, without Ray.
    num_cpus : int, optional
        Cores of a worker, and threads of the verb.
    **settings
        Those of the verb.

    Returns
    -------
    dict
        ``rows``, in the order of the items, each with ``item``, ``status`` (``done``, ``kept`` of
        an earlier run, or ``failed``), ``output``, and ``error`` and ``hint`` of what failed; how
        many are ``done``, ``kept`` and ``failed``; of ``evaluate``, ``evaluation``, the sum of all.

    Examples
    --------
    >>> import tracecodec.ray
    >>> report = tracecodec.ray.run("lift", ["example.pcap"], "lifted", workers=0)
    >>> report["done"], report["rows"][0]["status"]
    (1, 'done')
    >>> tracecodec.ray.run("lift", ["example.pcap"], "lifted", workers=0)["kept"]
    1
    """
    if verb not in SUFFIXES:
        raise ValueError(f"no verb {verb!r} for a cluster: there are {', '.join(SUFFIXES)}")
    if verb in CORES:
        settings.setdefault(CORES[verb], num_cpus)
    listed = [_paths(item) for item in items]
    folder = Path(output).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if verb == "evaluate":
        # Evaluations add up if they are of one method on one dataset.
        settings = {"label": folder.name, "dataset": folder.name, **settings}
    mark = f".part-{uuid.uuid4().hex}"
    arguments = (verb, str(folder), mark, settings)
    try:
        if workers == 0:
            worker = Worker(*arguments)
            rows = [worker.row(paths) for paths in listed]
        else:
            rows = _on_cluster(arguments, listed, workers, num_cpus)
    finally:
        # A worker that was killed leaves what it was writing.
        for part in folder.glob(f"{mark}-*"):
            shutil.rmtree(part, ignore_errors=True)
    report: dict[str, Any] = {"rows": rows}
    for status in ("done", "kept", "failed"):
        report[status] = sum(row["status"] == status for row in rows)
    whole = [row["output"] for row in rows if row["status"] != "failed"]
    if verb == "evaluate" and whole:
        report["evaluation"] = _verbs.merge(whole)
    return report


def experiment(
    data: Mapping[str, PathLike],
    output: PathLike,
    *,
    address: str | None = None,
    num_cpus: int = 1,
    progress: Progress = False,
    **settings: Any,
) -> dict[str, Any]:
    """Runs the paper's whole comparison as :func:`tracecodec.experiment`, its steps on a cluster.

    The report is the same, but for times. A step that was on a node that was lost is run again.

    Parameters
    ----------
    data : dict
        Captures by the names of their datasets. Every node sees them.
    output : path
        Folder to write, or that of an experiment to continue. Every node sees it.
    address : str, optional
        Address of the cluster; if it is not given, that of the running one, or else Ray is started
        on this machine.
    num_cpus : int, optional
        Cores of a step, and threads of a training.
    progress : bool or callable, optional
        As in :func:`tracecodec.inspect`.
    **settings
        As in :func:`tracecodec.experiment`; ``jobs``, the steps at once, is as many as the cluster
        has room for.

    Returns
    -------
    dict
        The steps with their states, and the path of the page.

    Raises
    ------
    TraceCodecError
        If a step fails.
    """
    ray = _ray()
    if not ray.is_initialized():
        ray.init(address=address)
    room = int(ray.cluster_resources().get("CPU", 1)) // num_cpus
    settings.setdefault("jobs", max(1, room))
    whole = _verbs.words(
        settings,
        {
            "data": {name: str(Path(path).absolute()) for name, path in data.items()},
            "output": str(Path(output).absolute()),
        },
    )
    step = ray.remote(num_cpus=num_cpus, max_retries=-1)(_step)

    def submit(verb: str, asked: dict[str, Any]) -> _Task:
        if verb.endswith("train"):
            asked["threads"] = num_cpus
        return _Task(ray, step.remote(verb, asked))

    return _native.experiment(whole, submit, callback(progress))


class _Task:
    """A step that runs on some node."""

    def __init__(self, ray: Any, reference: Any) -> None:
        self.ray = ray
        self.reference = reference

    def result(self, seconds: float) -> dict[str, Any] | None:
        done, _ = self.ray.wait([self.reference], timeout=seconds)
        return self.ray.get(self.reference) if done else None

    def cancel(self) -> None:
        self.ray.cancel(self.reference, force=True)


def _step(verb: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Runs a step on the node that this is, perhaps after another that was lost."""
    try:
        return _native.experiment_step(verb, settings)
    except TraceCodecError as error:
        return {"error": str(error), "hint": error.hint}


def _ray() -> Any:
    import importlib

    # By name: this module is called so, too, and Ray has few types.
    return importlib.import_module("ray")


def _on_cluster(
    arguments: tuple[Any, ...], listed: list[list[str]], workers: int | None, num_cpus: int
) -> list[Row]:
    import importlib

    ray = _ray()
    data_of: Any = importlib.import_module("ray.data")
    if not ray.is_initialized():
        ray.init()
    room = int(ray.cluster_resources().get("CPU", 1)) // num_cpus
    most = max(1, min(room if workers is None else workers, len(listed)))
    items = [{"number": number, "paths": json.dumps(paths)} for number, paths in enumerate(listed)]
    data = data_of.from_items(items, override_num_blocks=max(1, len(items)))
    rows = data.map_batches(
        Worker,
        fn_constructor_args=arguments,
        compute=data_of.ActorPoolStrategy(min_size=1, max_size=most),
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=num_cpus,
    ).take_all()
    ordered = sorted(rows, key=lambda row: row["number"])
    return [json.loads(row["row"]) for row in ordered]


def _paths(item: Item) -> list[str]:
    paths = [item] if isinstance(item, (str, os.PathLike)) else list(item)
    return [str(Path(path).absolute()) for path in paths]


class Worker:
    """Works on one item after the other; a model is loaded where it is needed."""

    def __init__(self, verb: str, output: str, mark: str, settings: dict[str, Any]) -> None:
        self.verb = verb
        self.output = Path(output)
        self.mark = mark
        self.settings = settings

    def __call__(self, batch: Any) -> Any:
        import pyarrow

        rows = [json.dumps(self.row(json.loads(paths))) for paths in batch["paths"].to_pylist()]
        return pyarrow.table({"number": batch["number"], "row": rows})

    def row(self, paths: list[str]) -> Row:
        """Works on an item, unless that was done before."""
        row: Row = {"item": paths, "status": "failed", "output": None, "error": None, "hint": None}
        part = None
        try:
            name = self._name(paths)
            target = self.output / (name + SUFFIXES[self.verb])
            outcome = self.output / f"{name}.outcome.json"
            row["output"] = str(target)
            if outcome.exists():
                return {**row, "status": "kept"}
            part = self.output / f"{self.mark}-{uuid.uuid4().hex}"
            part.mkdir()
            found = self._call(paths, part / target.name)
            (part / outcome.name).write_text(json.dumps(found, indent=2) + "\n", "utf-8")
            for path in sorted(part.iterdir(), key=lambda path: path.name == outcome.name):
                place = self.output / path.name
                if path.is_dir() and place.exists():
                    shutil.rmtree(place)
                os.replace(path, place)
            return {**row, "status": "done"}
        except (TraceCodecError, OSError) as error:
            hint = getattr(error, "hint", None)
            return {**row, "output": None, "error": str(error), "hint": hint}
        finally:
            if part is not None:
                shutil.rmtree(part, ignore_errors=True)

    def _name(self, paths: list[str]) -> str:
        settings = {
            key: value for key, value in self.settings.items() if key not in CORES.values()
        }
        from . import __version__

        asked = json.dumps([__version__, self.verb, settings], sort_keys=True, default=str)
        digest = hashlib.blake2b(asked.encode(), digest_size=8)
        for path in paths:
            for file in _files(Path(path)):
                with file.open("rb") as content:
                    while block := content.read(1 << 20):
                        digest.update(block)
                digest.update(b"\0")
        return f"{Path(paths[0]).name.split('.')[0]}-{digest.hexdigest()}"

    def _call(self, paths: list[str], target: Path) -> dict[str, Any]:
        if self.verb == "evaluate":
            reference, decoded = paths
            named = {"reference": reference, "decoded": decoded, "output": target}
        elif self.verb == "verify":
            found = _verbs.run("verify", False, self.settings, inputs=paths)
            target.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
            return {"clean": found.get("clean")}
        elif self.verb in JOINING:
            named = {"inputs": paths, "output": target}
        else:
            (path,) = paths
            named = {"input": path, "output": target}
        found = _verbs.run(self.verb, False, self.settings, **named)
        return {key: value for key, value in found.items() if isinstance(value, (int, float))}


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file())
