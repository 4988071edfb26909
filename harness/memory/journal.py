"""What one argument of one launch held once the launch had run, kept for a comparison by elements."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.observation import Event, Store

if TYPE_CHECKING:
    from harness.memory.launch import Launch
    from harness.memory.windows import Argument

Stored = Callable[[int], Store | None]
"""Which lane of which instruction stored an element last; None for one that none stored."""


@dataclass
class Journal:
    """Waits for a launch by its number among those of the trace, and keeps one of its arguments.

    `content` are the bytes from the argument's first to its last element; None while the launch was not met.
    """

    launch: int
    argument: str
    dtype: Any = None
    content: bytes | None = None
    stored: Stored | None = None

    def is_next(self, events: Sequence[Event] | None) -> bool:
        """Whether the next launch is the one; `events` are those of the trace before it."""
        return events is not None and sum(event["event"] == "launch" for event in events) == self.launch

    def find(self, launch: Launch) -> Argument | None:
        """The argument, among those given and those that were reached."""
        return next((one for one in launch.arguments if one.name == self.argument), None)

    def keep(self, argument: Argument | None, stored: Stored | None = None) -> None:
        """Keep what the argument holds now."""
        if argument is not None and self.content is None:
            self.dtype = argument.tensor.dtype
            self.content = ctypes.string_at(argument.real, argument.nbytes) if argument.nbytes else b""
            self.stored = stored
