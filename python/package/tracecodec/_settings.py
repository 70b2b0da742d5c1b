"""Names and types of the settings of every verb. Their defaults are the library's:
:func:`tracecodec.settings` states them."""

from __future__ import annotations

import os
from typing import Any, TypedDict, Union

Path = Union[str, "os.PathLike[str]"]


class Selection(TypedDict, total=False):
    """Which packets of a capture are read."""

    filter: str | None
    from_: str | None
    to: str | None
    first: int | None
    skip: int


class Read(Selection, total=False):
    """How captures are read."""

    lenient: bool
    sort: bool
    trust_ip_length: bool
    tunnels: str


class Ends(TypedDict, total=False):
    """What is kept of hosts and services."""

    hosts: str
    services: str


class Lifting(Ends, total=False):
    """How packets are lifted."""

    schema: int | None
    slots: int


class Disclosure(TypedDict, total=False):
    """What is disclosed of the captures."""

    anonymous: bool
    epoch: str | None


class Realise(TypedDict, total=False):
    """How actions are realised as packets."""

    salt: int | str
    payload: str | None
    link: str
    microseconds: bool
    mtu: int | None


class Network(TypedDict, total=False):
    """Which model computes, and where."""

    model: Path
    device: str


class Threads(TypedDict, total=False):
    """How many threads compute."""

    threads: int | None


class Training(Threads, total=False):
    """How a training is run."""

    steps: int | None
    minutes: float | None
    seed: int | None
    resume: bool
    overwrite: bool


class Inspect(Read, Lifting, total=False): ...


class Lift(Read, Lifting, Disclosure, total=False):
    profiles_of: Path | None


class Compile(Realise, total=False):
    split_flows: bool


class Shard(Read, total=False):
    packets: int
    seconds: int | None
    split: dict[str, int]
    label: str | None
    overwrite: bool


class Encode(Read, Lifting, Disclosure, Network, Threads, total=False):
    sample: int | None
    entropy: bool
    refine: bool


class Decode(Realise, Disclosure, Network, Threads, total=False):
    split_flows: bool
    sample: bool
    normalised: bool
    unconstrained: bool
    strict: bool


class Roundtrip(Read, Lifting, Realise, Disclosure, Network, Threads, total=False):
    oracle: bool
    entropy: bool
    refine: bool
    unconstrained: bool


class Events(Read, total=False):
    analyzer: str
    counts: bool
    judge_cut: bool
    jobs: int


class Flows(Read, total=False): ...


class Check(Selection, total=False):
    tools: bool
    lenient: bool
    jobs: int


class Verify(Read, total=False):
    tshark: bool
    tools: bool
    applications: bool
    jobs: int


class Evaluate(Read, total=False):
    label: str | None
    dataset: str | None
    requested: int | None
    output: Path | None
    analyzer: str


class Audit(Read, total=False):
    anonymous: bool
    link: bool
    jobs: int


class AuditModel(Read, Threads, total=False):
    shadows: int
    steps: int
    sessions: int
    canaries: bool
    seed: int


class Classify(Read, total=False):
    sessions: int
    seed: int
    jobs: int


class Merge(TypedDict, total=False):
    label: str | None
    dataset: str | None
    output: Path | None


class Report(TypedDict, total=False):
    training: list[Path]
    svg: Path | None
    markdown: Path | None
    latex: Path | None


class Experiment(TypedDict, total=False):
    preset: str
    budget: dict[str, Any]
    only: list[str]
    jobs: int
    dry_run: bool


class Trace(TypedDict, total=False):
    verify: bool


class Train(Training, Read, Ends, Disclosure, total=False):
    settings: dict[str, Any]
    device: str


class Generate(Read, Realise, Disclosure, Network, Threads, total=False):
    packets: int | None
    duration: float | None
    seed: int
    with_prefix: bool
    from_silence: bool
    label: str | None
    rate: float | None
    codec: Path
    method: str
    solver_steps: int
    unconstrained: bool
    split_flows: bool


class Probe(Read, Lifting, Network, total=False):
    packets: int
    seed: int
    svg: Path | None


class GeneratorSequences(Read, Network, total=False):
    baseline: Path | None
    overwrite: bool


class GeneratorTrain(Training, Read, Disclosure, total=False):
    schema: int | None
    from_model: Path | None
    label_by_name: bool
    preset: str | None
    settings: dict[str, Any]
    half: bool
    device: str


class GeneratorCurve(Threads, total=False):
    windows: int
    split: str
    methods: list[str]
    steps: list[int]
    reference: int
    seed: int
    device: str


class GeneratorContinuation(TypedDict, total=False):
    prefix: int
    suffix: int
    stride: int
    cases: int
    seed: int
    prefix_only: bool
    unconstrained: bool
    method: str
    solver_steps: int
    device: str
    dataset: str | None
    keep: Path | None
    overwrite: bool


class BaselineTrain(Training, Read, Disclosure, total=False):
    schema: str
    vocabulary: str
    validations: int | None


class BaselineReconstruct(Read, total=False): ...


class BaselineDiagnose(Read, total=False): ...


class BaselineOracle(Read, total=False):
    schema: str
