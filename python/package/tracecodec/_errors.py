"""Exceptions and warnings. They name the file, the packet and the byte, and what to try."""

from __future__ import annotations

from typing import Any


class TraceCodecError(Exception):
    """Base of every error of this package.

    Attributes
    ----------
    hint : str or None
        What to try, if anything helps. Settings stand in backquotes.
    path : str or None
        The file or folder at fault.
    packet : int or None
        The packet of the capture at fault, counted from 1.
    offset : int or None
        Bytes from the start of the uncompressed capture to the fault.

    Examples
    --------
    >>> import tracecodec as tc
    >>> try:
    ...     tc.inspect("example.pcap", fist=10)
    ... except tc.TraceCodecError as error:
    ...     print(error, "-", error.hint)
    unknown setting "fist" - did you mean "first"?
    """

    hint: str | None
    path: str | None
    packet: int | None
    offset: int | None

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        path: str | None = None,
        packet: int | None = None,
        offset: int | None = None,
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.path = path
        self.packet = packet
        self.offset = offset
        if hint is not None and hasattr(self, "add_note"):
            self.add_note(f"hint: {hint}")

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), self.args, self.__dict__)


class CaptureError(TraceCodecError, ValueError):
    """A capture is damaged, or the file is no capture."""


class SchemaError(TraceCodecError, ValueError):
    """Actions, a manifest or another artifact are damaged, incomplete or of another version."""


class ModelMismatchError(TraceCodecError, ValueError):
    """A model does not fit the latents, the actions or the other model that it is used with."""


class SettingError(TraceCodecError, ValueError):
    """A setting is unknown, out of its range, or contradicts another."""


class NotFoundError(TraceCodecError, FileNotFoundError):
    """A file or folder that is to be read is not there."""


class ExistsError(TraceCodecError, FileExistsError):
    """What is there already is not overwritten."""


class SystemFailure(TraceCodecError, OSError):
    """The operating system failed: no permission, no space, a broken disk."""


class Interrupted(TraceCodecError):
    """The ``progress`` callable returned ``False``. Nothing half-written is left."""


class TraceCodecWarning(UserWarning):
    """Something that a person should know although the work continues."""
