"""The memory oracle: every detector of this machine around one call of the code under test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.memory import lanes
from harness.memory.indexing import IndexChecks
from harness.memory.strays import Strays
from harness.observation import Event

PATCHES = (*lanes.PATCHES, "torch dispatch mode IndexChecks")


@dataclass(frozen=True)
class Oracle:
    """What the detectors saw: faults through `strays`, the trace in `events`."""

    strays: Strays = field(default_factory=Strays)
    events: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def watching(self, root: Path, entered: Callable[[str], None]) -> Iterator[None]:
        """Watch this process; `root` is the tree under test, `entered` is told of each kernel."""
        checker = lanes.Lanes(self.strays, self.events, entered)
        with lanes.checked(checker), IndexChecks(str(root), self.strays, self.events):
            yield

    def mark(self, **facts: Any) -> None:
        """Put an event of the case's own into the trace, such as the beginning of a phase."""
        self.events.append({"event": "phase", **facts})

    def trace(self) -> tuple[Event, ...]:
        return tuple(self.events)
