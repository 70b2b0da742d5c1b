"""The extension module: verbs by name, actions as Arrow streams, models by their digests."""

from collections.abc import Callable
from os import PathLike
from typing import Any, final

__all__ = [
    "Batches",
    "defaults",
    "describe_codec",
    "describe_generator",
    "experiment",
    "experiment_step",
    "latents_layout",
    "lift",
    "run",
    "save",
    "sequence_windows",
    "verbs",
    "write_latents",
]

_Path = str | PathLike[str]
_Progress = Callable[[str, int, int | None, str], object]

def verbs() -> list[str]: ...
def defaults(verb: str) -> dict[str, Any]: ...
def run(verb: str, settings: dict[str, Any], progress: _Progress | None) -> dict[str, Any]: ...
def experiment_step(verb: str, settings: dict[str, Any]) -> dict[str, Any]: ...
def experiment(
    settings: dict[str, Any],
    submit: Callable[[str, dict[str, Any]], object],
    progress: _Progress | None,
) -> dict[str, Any]: ...
def lift(
    settings: dict[str, Any], progress: _Progress | None
) -> tuple[Batches, dict[str, Any]]: ...
def save(
    actions: object,
    metadata: dict[str, str],
    like: _Path | None,
    output: _Path,
    progress: _Progress | None,
) -> int: ...
def latents_layout(path: _Path) -> dict[str, tuple[int, int, int]]: ...
def sequence_windows(
    folder: _Path, split: str, prefix: int, suffix: int, stride: int
) -> list[tuple[int, int, str | None]]: ...
def write_latents(path: _Path, columns: int, rows: bytes) -> None: ...
def describe_codec(model: _Path) -> dict[str, Any]: ...
def describe_generator(model: _Path, codec: _Path) -> dict[str, Any]: ...
@final
class Batches:
    @property
    def columns(self) -> list[str]: ...
    @property
    def metadata(self) -> dict[str, str]: ...
    def __len__(self) -> int: ...
    def with_metadata(self) -> Batches: ...
    def numbers(self, column: str) -> tuple[str, bytes]: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
