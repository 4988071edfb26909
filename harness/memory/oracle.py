"""The memory oracle: every detector of this machine around one call of the code under test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.memory import dispatch, lanes
from harness.memory.fences import Fences
from harness.memory.strays import Strays
from harness.observation import Event

PATCHES = (*lanes.PATCHES, *dispatch.PATCHES)


@dataclass(frozen=True)
class Oracle:
    """What the detectors saw: faults through `strays`, the trace in `events`.

    `as_hardware` says how a torch operation with stray indices goes on: see `dispatch.TorchChecks`.
    Without `traced` no events are kept: there is no end to what a server runs.
    """

    strays: Strays = field(default_factory=Strays)
    events: list[dict[str, Any]] = field(default_factory=list)
    as_hardware: bool = True
    traced: bool = True
    fences: Fences = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fences", Fences(self.strays))

    @contextmanager
    def watching(self, root: Path, entered: Callable[[str], None]) -> Iterator[None]:
        """Watch this process; `root` is the tree under test, `entered` is told of each kernel."""
        events = self.events if self.traced else None
        launches = lanes.LaneChecks(self.strays, events, entered, after=self._after_launch)
        torch_checks = dispatch.TorchChecks(
            str(root), self.strays, events, self.fences, as_hardware=self.as_hardware
        )
        try:
            with lanes.checked(launches), dispatch.checked(torch_checks):
                yield
        finally:
            self.fences.check()

    def _after_launch(self, kernel: str, tensors: list[Any]) -> None:
        self.fences.check_some(tensors, kernel)

    def mark(self, **facts: Any) -> None:
        """Put an event of the case's own into the trace, such as the beginning of a phase."""
        self.events.append({"event": "phase", **facts})

    def trace(self) -> tuple[Event, ...]:
        return tuple(self.events)
