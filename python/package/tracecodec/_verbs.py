"""The verbs, a function each: settings to the library, its outcome as a dictionary."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union, overload

import numpy as np

from . import _native
from ._inputs import Capture, Inputs, PathLike
from ._objects import Actions, Latents, Shards
from ._progress import Progress, callback

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from . import _settings
    from ._inputs import ArrowStream

Captures = Union[Capture, "Iterable[Capture]"]
Outcome = dict[str, Any]


def verbs() -> list[str]:
    """Names of the verbs, as the command line has them.

    Examples
    --------
    >>> import tracecodec as tc
    >>> tc.verbs()[:3]
    ['inspect', 'lift', 'compile']
    """
    return _native.verbs()


def settings(verb: str) -> dict[str, Any]:
    """Settings of a verb that have a default, with it.

    Parameters
    ----------
    verb : str
        Name of the verb, such as ``"lift"`` or ``"baseline train"``.

    Returns
    -------
    dict
        Defaults by name. Settings that have no value by default and that no manifest states (such
        as ``mtu``) are left out.

    Examples
    --------
    >>> import tracecodec as tc
    >>> tc.settings("shard")["packets"]
    2000
    """
    return _native.defaults(verb)


def run(verb: str, progress: Progress, settings: Mapping[str, Any], **named: Any) -> Outcome:
    """Runs a verb. ``from_`` is ``from``, which is a word of Python's."""
    return _native.run(verb, words(settings, named), callback(progress))


def words(settings: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by the library's names."""
    return {**named, **{key.rstrip("_"): value for key, value in settings.items()}}


def inspect(
    capture: Capture, *, progress: Progress = False, **settings: Unpack[_settings.Inspect]
) -> Outcome:
    """What a capture holds, and what of it is in scope.

    Parameters
    ----------
    capture : path, bytes or binary file
        The capture: pcap or pcapng, plain or compressed by gzip or Zstandard.
    progress : bool or callable, optional
        ``True`` for a line on stderr. A callable is called with the stage, the work done, the
        stage's work or ``None``, and a few words; if it returns ``False`` or raises, work stops.
    **settings
        How the capture is read: ``filter``, ``from_``, ``to``, ``first``, ``skip``, ``lenient``,
        ``sort``, ``trust_ip_length``, ``tunnels``; ``hosts``, ``services``, ``slots``.

    Returns
    -------
    dict
        Counts of packets, flows and sessions; times in nanoseconds. If the capture is damaged,
        ``complete`` is false, and a warning says how.

    Raises
    ------
    CaptureError
        If the file is no capture.
    NotFoundError
        If there is no file.

    Examples
    --------
    >>> import tracecodec as tc
    >>> found = tc.inspect("example.pcap", filter="tcp port 443")
    >>> found["packets_read"], found["sessions"]
    (3078, 42)
    """
    with Inputs() as inputs:
        return run("inspect", progress, settings, input=inputs.capture(capture))


@overload
def lift(
    captures: Captures,
    output: None = None,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.Lift],
) -> Actions: ...
@overload
def lift(
    captures: Captures,
    output: PathLike,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.Lift],
) -> Outcome: ...
def lift(
    captures: Captures,
    output: PathLike | None = None,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.Lift],
) -> Actions | Outcome:
    """Lifts captures to packet actions: a row a packet, what an endpoint did and when.

    Parameters
    ----------
    captures : path, bytes or binary file, or a list of them
        Captures to read one after the other as one.
    output : path, optional
        Actions file to write (Parquet). Without it the actions stay in memory: about 80 bytes a
        packet.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        Those of :func:`inspect`; ``schema``; ``profiles_of``, a file or codec whose dictionary of
        option layouts is continued; ``anonymous``, ``epoch``.

    Returns
    -------
    Actions or dict
        The actions; or, of an actions file, its manifest.

    Raises
    ------
    CaptureError
        If a capture is damaged and ``lenient`` is not set. It names packet and byte.

    Examples
    --------
    >>> import tracecodec as tc
    >>> tc.lift("example.pcap", first=100)
    <tracecodec.Actions: 100 packets, 40 columns>
    >>> tc.lift("example.pcap", "example.parquet")["counts"]["actions"]
    4000
    """
    with Inputs() as inputs:
        paths = inputs.captures(captures)
        if output is not None:
            return run("lift", progress, settings, inputs=paths, output=output)
        named = words(settings, {"inputs": paths, "output": ""})
        return Actions(*_native.lift(named, callback(progress)))


def compile(
    actions: Capture | ArrowStream,
    output: PathLike,
    *,
    like: PathLike | Actions | None = None,
    progress: Progress = False,
    **settings: Unpack[_settings.Compile],
) -> Outcome:
    """Compiles packet actions to a legal capture between synthetic endpoints.

    Parameters
    ----------
    actions : path or anything with an Arrow stream
        An actions file, or a frame of pandas, Polars, DuckDB or PyArrow. Columns may stand in any
        order and have any numeric type; those of the context may be missing.
    output : path
        Capture to write.
    like : path or Actions, optional
        Where the option layouts and the time of the first packet come from, if the frame has lost
        them and has no column of them (:meth:`Actions.with_metadata`): what it was made from, an
        actions file, or the manifest of one.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``salt``, ``payload``, ``link``, ``microseconds``, ``mtu``; ``split_flows`` writes a capture
        for each session into the folder ``output``.

    Returns
    -------
    dict
        Packets written, and what had to be changed to make them legal.

    Raises
    ------
    SchemaError
        If a column or the metadata are missing, or a value is out of its range.

    Examples
    --------
    >>> import tracecodec as tc
    >>> actions = tc.lift("example.pcap")
    >>> frame = actions.to_polars()
    >>> tc.compile(frame.head(10), "few.pcap", like=actions)["packets"]
    10
    """
    with Inputs() as inputs:
        path, stand_in = inputs.actions(actions, like, callback(progress))
        named = {"input": path, "like": stand_in, "output": output}
        return run("compile", progress, settings, **named)


def shard(
    captures: Captures,
    output: PathLike,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.Shard],
) -> Shards:
    """Cuts captures into shards, in each of which the sessions that begin there lie whole.

    Parameters
    ----------
    captures : path, bytes or binary file, or a list of them
        Captures to read one after the other as one.
    output : path
        Folder to write; it must be new or empty.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``packets`` or ``seconds`` of a shard; ``split``, weights such as
        ``{"train": 8, "validation": 1, "test": 1}``; ``label``; ``overwrite``; how captures are
        read.

    Returns
    -------
    Shards
        The folder, with paths by split.

    Raises
    ------
    ExistsError
        If the folder is not empty.

    Examples
    --------
    >>> import tracecodec as tc
    >>> len(tc.shard("example.pcap", "cut", packets=1000))
    3
    """
    with Inputs() as inputs:
        run("shard", progress, settings, inputs=inputs.captures(captures), output=output)
    return Shards(output)


def encode(
    capture: Capture | ArrowStream,
    output: PathLike | None = None,
    *,
    like: PathLike | Actions | None = None,
    progress: Progress = False,
    **settings: Unpack[_settings.Encode],
) -> Latents:
    """Encodes packets to latents.

    Parameters
    ----------
    capture : path, bytes, binary file, or anything with an Arrow stream
        A capture; or actions: a file named ``.parquet``, or a frame, whose option layouts continue
        the codec's (lift them with ``profiles_of``).
    output : path, optional
        Latents to write (safetensors), with a manifest beside them. Without it they lie in a
        temporary file that lasts as long as they do.
    like : path or Actions, optional
        As in :func:`compile`, if a frame is encoded.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``model``, ``device``, ``threads``; ``sample``, the seed of a draw from each posterior;
        ``entropy``; ``refine``; those of :func:`lift`.

    Returns
    -------
    Latents
        Arrays of float32, of shape ``(packets, d_latent)``.

    Examples
    --------
    >>> import tracecodec as tc
    >>> tc.encode("example.pcap", "z.safetensors").mu.shape
    (4000, 64)
    """
    with Inputs() as inputs:
        path, _ = inputs.actions(capture, like, callback(progress))
        if output is not None:
            run("encode", progress, settings, input=path, output=output)
            return Latents(output)
        folder = tempfile.TemporaryDirectory(prefix="tracecodec-", ignore_cleanup_errors=True)
        stored = Path(folder.name) / "latents.safetensors"
        run("encode", progress, settings, input=path, output=stored)
        return Latents._temporary(folder, stored)


def decode(
    latents: Any,
    output: PathLike,
    *,
    like: PathLike | Latents | None = None,
    progress: Progress = False,
    **settings: Unpack[_settings.Decode],
) -> Outcome:
    """Decodes latents to a capture, or to actions if the output is named ``.parquet``.

    Parameters
    ----------
    latents : path, Latents, or array of shape (packets, d_latent)
        A file; or an array of NumPy, a tensor of PyTorch, or whatever ``numpy.asarray`` takes, of
        any floating-point type and order. One column more than ``d_latent`` is the time step of
        latent sequences.
    output : path
        Capture or actions to write.
    like : path or Latents, optional
        Where the option layouts, the clock's tick and the time of the first packet come from: the
        latents that an array was made from, or a folder of sequences. Without it an array begins in
        1970 and has the codec's option layouts.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``model``, ``device``, ``threads``; ``sample``, to decode the draws instead of the means;
        ``normalised``; ``unconstrained``, ``strict``; those of :func:`compile`; ``anonymous``,
        ``epoch``.

    Returns
    -------
    dict
        Packets decoded, and how many were made to agree with the flows that are open.

    Raises
    ------
    ModelMismatchError
        If the latents are of another model or shape.

    Examples
    --------
    >>> import tracecodec as tc
    >>> latents = tc.encode("example.pcap")
    >>> tc.decode(latents.mu.astype("float64"), "again.pcap", like=latents)["packets"]
    4000
    """
    like = like.path if isinstance(like, Latents) else like
    with Inputs() as inputs:
        if isinstance(latents, Latents):
            path: PathLike = latents.path
        elif isinstance(latents, (str, os.PathLike)):
            path = latents
        else:
            path = inputs.folder() / "latents.safetensors"
            _write_rows(path, latents)
        return run("decode", progress, settings, input=path, output=output, like=like)


def _write_rows(path: Path, rows: Any) -> None:
    if hasattr(rows, "detach"):
        # A tensor of PyTorch, which may lie on a GPU or remember how it was computed.
        rows = rows.detach().cpu().float()
    array = np.ascontiguousarray(rows, dtype=np.dtype("<f4"))
    if array.ndim != 2:
        raise ValueError(f"latents have the shape (packets, dimensions), not {array.shape}")
    _native.write_latents(path, array.shape[1], array.tobytes())


def roundtrip(
    capture: Capture,
    output: PathLike,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.Roundtrip],
) -> Outcome:
    """Takes a capture, or every capture of a folder, through the codec and back.

    Parameters
    ----------
    capture : path, bytes or binary file
        A capture, or a folder of captures.
    output : path
        Capture to write, or a new folder.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``oracle``, to lift and compile only; ``model``, ``device``, ``threads``, ``entropy``,
        ``refine``, ``unconstrained``; those of :func:`lift` and :func:`compile`.

    Returns
    -------
    dict
        What the capture became; of a folder, ``captures`` has one for each.

    Examples
    --------
    >>> import tracecodec as tc
    >>> outcome = tc.roundtrip("example.pcap", "shared.pcap", oracle=True, anonymous=True)
    >>> outcome["actions"], outcome["flows"]
    (4000, 98)
    """
    with Inputs() as inputs:
        return run("roundtrip", progress, settings, input=inputs.capture(capture), output=output)


def events(
    captures: Captures, *, progress: Progress = False, **settings: Unpack[_settings.Events]
) -> Outcome:
    """TCP events of captures: retransmissions, losses and others, as tshark reports them.

    Parameters
    ----------
    captures : path, bytes or binary file, or a list of them
        Captures, or folders of captures.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``analyzer``, ``counts``, ``judge_cut``, ``jobs``; how captures are read.

    Returns
    -------
    dict
        Events of every capture.

    Examples
    --------
    >>> import tracecodec as tc
    >>> len(tc.events("example.pcap")["captures"])
    1
    """
    with Inputs() as inputs:
        return run("events", progress, settings, inputs=inputs.captures(captures))


def flows(
    captures: Captures,
    output: PathLike,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.Flows],
) -> Outcome:
    """Writes a row for each session, with the columns of Zeek's ``conn.log``.

    Parameters
    ----------
    captures : path, bytes or binary file, or a list of them
        Captures to read one after the other as one.
    output : path
        File to write; its name ends in ``.log``, ``.csv``, ``.jsonl`` or ``.parquet``.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        How captures are read.

    Returns
    -------
    dict
        How many sessions there are.

    Examples
    --------
    >>> import tracecodec as tc
    >>> tc.flows("example.pcap", "conn.parquet")["sessions"]
    98
    """
    with Inputs() as inputs:
        return run("flows", progress, settings, inputs=inputs.captures(captures), output=output)


def check(
    captures: Captures, *, progress: Progress = False, **settings: Unpack[_settings.Check]
) -> Outcome:
    """What analysers would reject in captures: lengths, checksums, header fields.

    Parameters
    ----------
    captures : path, bytes or binary file, or a list of them
        Captures, or folders of captures.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``tools``, to ask tshark and others that are installed; ``lenient``, ``jobs``; a selection
        of packets.

    Returns
    -------
    dict
        Faults of every capture.

    Examples
    --------
    >>> import tracecodec as tc
    >>> tc.check("example.pcap")["captures"][0]["packets"]
    4000
    """
    with Inputs() as inputs:
        return run("check", progress, settings, inputs=inputs.captures(captures))


def verify(
    captures: Captures, *, progress: Progress = False, **settings: Unpack[_settings.Verify]
) -> Outcome:
    """Whether captures survive a round trip through actions exactly.

    Parameters
    ----------
    captures : path, bytes or binary file, or a list of them
        Captures, or folders of captures.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``tshark``, ``tools``, ``applications``: programs to ask, too; ``jobs``; how captures are
        read.

    Returns
    -------
    dict
        What differs in every capture.

    Examples
    --------
    >>> import tracecodec as tc
    >>> len(tc.verify("example.pcap")["captures"])
    1
    """
    with Inputs() as inputs:
        return run("verify", progress, settings, inputs=inputs.captures(captures))


def evaluate(
    reference: Capture,
    decoded: Capture,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.Evaluate],
) -> Outcome:
    """How faithful a capture is to its reference, or those of a folder to those of another.

    Parameters
    ----------
    reference : path, bytes or binary file
        What should have come out: a capture, or a folder.
    decoded : path, bytes or binary file
        What came out: a capture, or a folder with the same names.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``label``, ``dataset``: names in reports; ``requested``; ``output``, a file to write the
        evaluation to; ``analyzer``; how captures are read.

    Returns
    -------
    dict
        The evaluation; ``metrics`` has a number by name, which ``pandas.Series`` takes.

    Examples
    --------
    >>> import tracecodec as tc
    >>> evaluation = tc.evaluate("example.pcap", "example.pcap")
    >>> evaluation["metrics"]["iat_ms_pct"]
    0.0
    """
    with Inputs() as inputs:
        pair = {"reference": inputs.capture(reference), "decoded": inputs.capture(decoded)}
        return run("evaluate", progress, settings, **pair)


def classify(
    real: Capture,
    generated: Capture,
    *,
    later: Capture | None = None,
    training: Capture | None = None,
    progress: Progress = False,
    **settings: Unpack[_settings.Classify],
) -> Outcome:
    """Whether a classifier can tell generated sessions from real ones.

    Parameters
    ----------
    real : path, bytes or binary file
        Real traffic that no generator learned from: a capture, or a folder.
    generated : path, bytes or binary file
        Generated traffic, likewise.
    later : path, bytes or binary file, optional
        Another piece of real traffic, which is measured as the generated is.
    training : path, bytes or binary file, optional
        What the generator learned from: whether sessions are copies of those is measured.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``sessions``, ``seed``, ``jobs``; how captures are read.

    Returns
    -------
    dict
        The measurements.
    """
    with Inputs() as inputs:
        named = {"real": inputs.capture(real), "generated": inputs.capture(generated)}
        others = {"later": later, "training": training}
        given = {key: inputs.capture(one) for key, one in others.items() if one is not None}
        return run("classify", progress, settings, **named, **given)


def audit(
    original: Capture,
    decoded: Capture,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.Audit],
) -> Outcome:
    """What of a capture survives in another that was decoded or generated from it.

    Parameters
    ----------
    original : path, bytes or binary file
        What was decoded or learned from: a capture, or a folder of captures.
    decoded : path, bytes or binary file
        What came out: a capture, or a folder with the same names.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``anonymous``, to count names, digests and dates as findings; ``link``, to decode the halves
        of the original and compare their endpoints; ``jobs``; how captures are read.

    Returns
    -------
    dict
        ``clean``, whether nothing survives beyond chance that should not; for each of ``captures``
        how many ``identifiers`` of each kind were found, beside how many chance would find.

    Examples
    --------
    >>> import tracecodec as tc
    >>> _ = tc.roundtrip("example.pcap", "shared.pcap", oracle=True)
    >>> tc.audit("example.pcap", "shared.pcap")["clean"]
    True
    """
    with Inputs() as inputs:
        pair = {"original": inputs.capture(original), "decoded": inputs.capture(decoded)}
        return run("audit", progress, settings, **pair)


def audit_model(
    data: Captures,
    output: PathLike,
    *,
    model: PathLike | None = None,
    held_out: Captures | None = None,
    progress: Progress = False,
    **settings: Unpack[_settings.AuditModel],
) -> Outcome:
    """What a generator remembers of the sessions that it learned from.

    Parameters
    ----------
    data : path, bytes or binary file, or a list of them
        Captures that the model learned from.
    output : path
        Folder of the shadow models, which take long; those of a run that was stopped are kept.
    model : path, optional
        The generator, or ``"built-in"``; without it, the shadow models alone are attacked.
    held_out : path, bytes or binary file, or a list of them, optional
        Captures like those that the model did not learn from.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``shadows``, ``steps``, ``sessions``, ``canaries``, ``seed``, ``threads``; how captures are
        read.

    Returns
    -------
    dict
        ``attacks``, with their rates of true positives; ``canaries``.
    """
    with Inputs() as inputs:
        named = {"data": inputs.captures(data), "output": output}
        if model is not None:
            named["model"] = model
        if held_out is not None:
            named["held_out"] = inputs.captures(held_out)
        return run("audit_model", progress, settings, **named)


def merge(
    evaluations: PathLike | Iterable[PathLike],
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.Merge],
) -> Outcome:
    """Adds up evaluations of parts of a dataset.

    Parameters
    ----------
    evaluations : path or list of paths
        Evaluations, as :func:`evaluate` writes them with ``output``.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``label``, ``dataset``; ``output``, a file to write the sum to.

    Returns
    -------
    dict
        The evaluation of all.

    Examples
    --------
    >>> import tracecodec as tc
    >>> _ = tc.evaluate("example.pcap", "example.pcap", output="whole.json")
    >>> tc.merge(["whole.json"])["metrics"]["iat_ms_pct"]
    0.0
    """
    return run("merge", progress, settings, inputs=_paths(evaluations))


def report(
    evaluations: PathLike | Iterable[PathLike],
    output: PathLike,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.Report],
) -> Outcome:
    """Writes a page (HTML) with the tables and figures of evaluations.

    Parameters
    ----------
    evaluations : path or list of paths
        Evaluations, as :func:`evaluate` writes them with ``output``.
    output : path
        Page to write.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``training``, folders of trained codecs; ``svg``, ``markdown``, ``latex``: what else to
        write.

    Returns
    -------
    dict
        What the page shows.

    Examples
    --------
    >>> import tracecodec as tc
    >>> _ = tc.evaluate("example.pcap", "example.pcap", output="same.json")
    >>> tc.report("same.json", "page.html")["figures"] > 0
    True
    """
    return run("report", progress, settings, inputs=_paths(evaluations), output=output)


def experiment(
    data: Mapping[str, PathLike],
    output: PathLike,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.Experiment],
) -> Outcome:
    """Runs the paper's whole comparison on captures, or continues it.

    Parameters
    ----------
    data : dict
        Captures by the names of their datasets.
    output : path
        Folder to write, or that of an experiment to continue. Its page is ``report.html``.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``preset``: ``"quick"``, ``"laptop"`` or ``"paper"``; ``budget``: what is changed of it, as
        in ``{"codec": {"steps": 100}}``; ``only``, ``jobs``, ``dry_run``.

    Returns
    -------
    dict
        The steps with their states, and the path of the page.

    Raises
    ------
    TraceCodecError
        If a step fails. What does not need it is done then, and the page is drawn.

    Examples
    --------
    >>> import tracecodec as tc
    >>> plan = tc.experiment({"day": "example.pcap"}, "day", dry_run=True)
    >>> plan["steps"][0]["name"]
    'day/shard'
    """
    captures = {name: os.fspath(capture) for name, capture in data.items()}
    return run("experiment", progress, settings, data=captures, output=output)


def trace(
    experiment: PathLike,
    table: str,
    row: str,
    column: str,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.Trace],
) -> Outcome:
    """Follows a number of an experiment's report back to the captures.

    Parameters
    ----------
    experiment : path
        Folder of the experiment.
    table, row, column : str
        Title of the table, first cell of the row, heading of the column; or the words that they
        begin with.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``verify``: read every file on the way again, and compare its digest.

    Returns
    -------
    dict
        The number's ``sources``, the ``steps`` on the way, the ``captures`` at its end, and with
        ``verify`` the files that have ``changed``.

    Examples
    --------
    >>> import tracecodec as tc
    >>> _ = tc.experiment({"day": "example.pcap"}, "day", only=["oracle/evaluate"])
    >>> tc.trace("day", "Table 3", "Oracle", "Count")["text"]
    '0.00'
    """
    cell = {"experiment": experiment, "table": table, "row": row, "column": column}
    return run("trace", progress, settings, **cell)


def train(
    data: PathLike | Shards | Iterable[PathLike],
    output: PathLike,
    *,
    progress: Progress = False,
    **settings: Unpack[_settings.Train],
) -> Outcome:
    """Trains a codec.

    Parameters
    ----------
    data : path or list of paths
        Folders of shards, captures or actions files.
    output : path
        Folder to write, which :meth:`Codec.load` takes.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``minutes`` or ``steps``, ``seed``, ``threads``, ``resume``, ``overwrite``; ``settings``, as
        in ``{"train": {"learning_rate": 1e-3}, "codec": {"d_latent": 32}}``; ``hosts``,
        ``services``; ``device``; how captures are read; ``anonymous``.

    Returns
    -------
    dict
        Steps, and the best loss.

    Examples
    --------
    >>> import tracecodec as tc
    >>> tc.train("example.pcap", "codec", steps=2)["steps"]
    2
    >>> tc.Codec.load("codec").d_latent
    64
    """
    return run("train", progress, settings, data=_paths(data), output=output)


def generate(
    output: PathLike,
    *,
    prefix: Capture | None = None,
    progress: Progress = False,
    **settings: Unpack[_settings.Generate],
) -> Outcome:
    """Generates a trace, or the continuation of one.

    Parameters
    ----------
    output : path
        Capture to write.
    prefix : path, bytes or binary file, optional
        Capture to continue.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``packets`` or ``duration`` (seconds), of which one is needed; ``seed``, ``label``,
        ``rate``, ``with_prefix``, ``from_silence``; ``model``, ``codec``, ``method``, ``solver_steps``, ``device``,
        ``threads``; ``unconstrained``; those of :func:`compile`; how the prefix is read.

    Returns
    -------
    dict
        Packets, seconds and flows that were generated.

    Examples
    --------
    >>> import tracecodec as tc
    >>> tc.generate("crowd.pcap", packets=500, label="crowd", seed=1)["packets"]
    500
    """
    with Inputs() as inputs:
        path = None if prefix is None else inputs.capture(prefix)
        return run("generate", progress, settings, output=output, prefix=path)


def probe(
    capture: Capture, *, progress: Progress = False, **settings: Unpack[_settings.Probe]
) -> Outcome:
    """How the latents of a capture lie: what noise, interpolation and single dimensions change.

    Parameters
    ----------
    capture : path, bytes or binary file
        The capture.
    progress : bool or callable, optional
        As in :func:`inspect`.
    **settings
        ``packets``, ``seed``, ``svg``; ``model``, ``device``; those of :func:`inspect`.

    Returns
    -------
    dict
        The measurements.

    Examples
    --------
    >>> import tracecodec as tc
    >>> "noise" in tc.probe("example.pcap", packets=50)
    True
    """
    with Inputs() as inputs:
        return run("probe", progress, settings, input=inputs.capture(capture))


def _paths(paths: Any) -> list[PathLike]:
    return [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
