"""What ``progress=`` means: nothing, a line on stderr, or a callable of one's own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Union

# Stage, work done, work of the stage if it is known, a few words.
Callback = Callable[[str, int, "int | None", str], object]
Progress = Union[bool, Callback]


def callback(progress: Progress) -> Callback | None:
    """The callable of a ``progress`` argument; ``None`` if nobody listens."""
    if progress is True:
        return _line
    return progress or None


def _line(stage: str, done: int, total: int | None, detail: str) -> None:
    share = f"{100 * done // total:3d} %" if total else f"{done:,}"
    sys.stderr.write(f"\r\x1b[K{stage}: {share} {detail}")
    if total is not None and done >= total:
        sys.stderr.write("\n")
    sys.stderr.flush()
