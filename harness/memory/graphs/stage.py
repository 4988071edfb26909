"""Which capture runs, as a stream knows it of itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from harness.errors import CaptureError

if TYPE_CHECKING:
    from harness.memory.graphs.recorder import Recorder

_CAPTURE: ContextVar[Recorder | None] = ContextVar("capture", default=None)


def recorder() -> Recorder | None:
    """The recorder of the capture that runs in this thread."""
    return _CAPTURE.get()


def capturing() -> bool:
    """Whether a graph is being captured in this thread, as `torch.cuda.is_current_stream_capturing`."""
    return _CAPTURE.get() is not None


def begin(one: Recorder) -> None:
    """CaptureError where a capture runs already."""
    refuse("a capture within a capture")
    _CAPTURE.set(one)


def end() -> None:
    _CAPTURE.set(None)


def refuse(what: str) -> None:
    """CaptureError in CUDA's words, naming `what` was asked for, if a graph is being captured.

    The capture can come to no good end any more, also where somebody catches the error.
    """
    if (one := _CAPTURE.get()) is not None:
        one.invalid = one.invalid or what
        raise CaptureError(what)


def decline(what: str) -> None:
    """The same for what torch itself declines before it asks the device: the capture is none the worse.

    torch 2.11 does so for copies between a device and memory of the host's that is not pinned.
    """
    if capturing():
        raise CaptureError(what)


@contextmanager
def set_aside() -> Iterator[None]:
    """Record nothing while the block runs: it is the inside of one node."""
    token = _CAPTURE.set(None)
    try:
        yield
    finally:
        _CAPTURE.reset(token)
