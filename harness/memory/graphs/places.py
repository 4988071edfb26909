"""Where a recorded call stood, and a frame that stands there again."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from types import FrameType, FunctionType
from typing import Any

from harness.memory.names import Known
from harness.memory.reads import HELPERS

_OURS = os.path.dirname(__file__) + os.sep


@dataclass(frozen=True)
class Place:
    """A line of code that asked for an operation."""

    file: str
    function: str
    line: int

    def __str__(self) -> str:
        return f"{self.function}:{self.line}"


NOWHERE = Place("<no code>", "<no code>", 0)
"""Of a call that no Python asked for."""


def caller(frame: FrameType | None) -> FrameType | None:
    """The frame that asked for an operation, behind torch, Triton and the recorder itself."""
    while frame is not None and frame.f_code.co_filename.startswith((*HELPERS, _OURS)):
        frame = frame.f_back
    return frame


def place_of(frame: FrameType | None) -> Place:
    if frame is None:
        return NOWHERE
    return Place(frame.f_code.co_filename, frame.f_code.co_qualname, frame.f_lineno)


Standing = Callable[[Callable[[], Any], Known], Any]


def _stand(call: Callable[[], Any], recorded: Known) -> Any: return call()  # fmt: skip


@lru_cache(maxsize=4096)
def standing(place: Place) -> Standing:
    """A function whose frame is that place to whoever looks up the stack.

    It takes the call, and the tensors' names of then: those are looked for in what the innermost frames hold.
    """
    code = _stand.__code__.replace(
        co_filename=place.file,
        co_name=place.function.rpartition(".")[2],
        co_qualname=place.function,
        co_firstlineno=place.line,  # the whole function is one line, so its frame is at this one
    )
    # What native code imports under this frame is found by its globals' builtins: without, a KeyError.
    return FunctionType(code, {"__builtins__": builtins})
