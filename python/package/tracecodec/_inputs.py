"""What is given as an input, as a path: bytes, files and frames are stored in a folder for as long
as the work lasts."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Union

from . import _native


class ArrowStream(Protocol):
    """Anything with an Arrow stream: frames of pandas and Polars, relations of DuckDB, tables of
    PyArrow, :class:`tracecodec.Actions`."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any: ...


PathLike = Union[str, "os.PathLike[str]"]
Capture = Union[PathLike, bytes, bytearray, memoryview, BinaryIO]

# Key under which frames of pandas carry the metadata of actions.
ATTRIBUTE = "tracecodec"


class Inputs:
    """Paths of inputs, which are valid until the end of a ``with`` statement."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._folders = 0

    def __enter__(self) -> Inputs:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def folder(self) -> Path:
        """A new folder that lasts as long."""
        folder = tempfile.TemporaryDirectory(prefix="tracecodec-")
        return Path(self._stack.enter_context(folder))

    def capture(self, capture: Capture) -> str:
        """The path of a capture, or of a folder of captures."""
        if isinstance(capture, (str, os.PathLike)):
            return os.fspath(capture)
        path = self.folder() / "capture"
        with open(path, "wb") as file:
            if isinstance(capture, (bytes, bytearray, memoryview)):
                file.write(capture)
            elif hasattr(capture, "read"):
                shutil.copyfileobj(capture, file, 1 << 20)
            else:
                name = type(capture).__name__
                raise TypeError(f"a capture is a path, bytes or a binary file, not {name}")
        return str(path)

    def captures(self, captures: Capture | Iterable[Capture]) -> list[str]:
        """The paths of one capture or of several."""
        if isinstance(captures, (list, tuple)):
            return [self.capture(capture) for capture in captures]
        return [self.capture(captures)]  # type: ignore[arg-type]

    def actions(
        self, actions: Capture | ArrowStream, like: Any, progress: Any
    ) -> tuple[str, str | None]:
        """The path of actions, and that of the file whose metadata stand in for lost ones."""
        if not hasattr(actions, "__arrow_c_stream__"):
            return self.capture(actions), None if like is None else os.fspath(like)
        attributes = getattr(actions, "attrs", None) or {}
        metadata = getattr(like, "metadata", None) or attributes.get(ATTRIBUTE) or {}
        stored = None if like is None or hasattr(like, "metadata") else os.fspath(like)
        if hasattr(actions, "reset_index"):
            # The index of a filtered frame of pandas would come along as a column.
            actions = actions.reset_index(drop=True)
        path = self.folder() / "actions.parquet"
        _native.save(actions, dict(metadata), stored, path, progress)
        return str(path), None
