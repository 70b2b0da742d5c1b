"""Packet captures as packet actions and latents, and legal captures from them.

>>> import tracecodec as tc
>>> frame = tc.lift("example.pcap").to_pandas()
>>> tc.compile(frame[frame.proto == 0], "tcp.pcap")["packets"]
3789
>>> latents = tc.Codec.load().encode("example.pcap")
>>> latents.mu.shape
(4000, 64)

Every verb of the command line is a function. It takes what it reads and writes, keyword-only
settings that are called as on the command line (``flow_count`` for ``--flow-count``; ``from_`` for
``--from``), and ``progress``. Where a capture is wanted, a path, bytes or a binary file will do.
:func:`settings` lists what a verb can be asked for, with the defaults.
"""

from importlib.metadata import version as _version

from . import baseline, generator
from ._errors import (
    CaptureError,
    ExistsError,
    Interrupted,
    ModelMismatchError,
    NotFoundError,
    SchemaError,
    SettingError,
    SystemFailure,
    TraceCodecError,
    TraceCodecWarning,
)
from ._objects import Actions, Codec, Generator, Latents, Shards
from ._verbs import (
    audit,
    audit_model,
    check,
    classify,
    compile,
    decode,
    encode,
    evaluate,
    events,
    experiment,
    flows,
    generate,
    inspect,
    lift,
    merge,
    probe,
    report,
    roundtrip,
    settings,
    shard,
    trace,
    train,
    verbs,
    verify,
)

__version__ = _version("tracecodec")

__all__ = [
    "Actions",
    "CaptureError",
    "Codec",
    "ExistsError",
    "Generator",
    "Interrupted",
    "Latents",
    "ModelMismatchError",
    "NotFoundError",
    "SchemaError",
    "SettingError",
    "Shards",
    "SystemFailure",
    "TraceCodecError",
    "TraceCodecWarning",
    "audit",
    "audit_model",
    "baseline",
    "check",
    "classify",
    "compile",
    "decode",
    "encode",
    "evaluate",
    "events",
    "experiment",
    "flows",
    "generate",
    "generator",
    "inspect",
    "lift",
    "merge",
    "probe",
    "report",
    "roundtrip",
    "settings",
    "shard",
    "trace",
    "train",
    "verbs",
    "verify",
]
