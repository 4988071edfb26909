"""The memory oracle: every detector of this machine around one call of the code under test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from harness.memory import dispatch, lanes, reads, watch
from harness.memory.device import gone, launches
from harness.memory.device.fences import DeviceFences
from harness.memory.device.memory import AllocatorSource
from harness.memory.fences import Fences
from harness.memory.grid import compared
from harness.memory.journal import Journal
from harness.memory.poison import Poison
from harness.memory.reads import Reads
from harness.memory.stores import Stores
from harness.memory.undefined import leaves
from harness.memory.violations import Violations
from harness.memory.watch import Watch
from harness.observation import Event

REACH = 16 << 10
"""Bytes of a red zone behind a buffer in a device's memory, so that what reads a pool by another's slots
reads poison there."""


def patches(device: str) -> tuple[str, ...]:
    """What watching changes in a process whose code under test works on this device."""
    own = (*lanes.PATCHES, *reads.PATCHES) if device == "cpu" else launches.PATCHES
    return (*own, *dispatch.PATCHES)


@dataclass(frozen=True)
class Oracle:
    """What the detectors saw: faults through `violations`, the trace in `events`.

    `as_hardware` says how a torch operation with stray indices goes on: see `dispatch.TorchChecks`.
    Without `traced` no events are kept: there is no end to what a server runs. `device` is where the code
    under test has its buffers: on an accelerator compiled kernels run, whose lanes nobody sees.
    Code under test is below the root that a block is watched with, and below `origin`, where there is one.
    `journal` keeps what one launch left in one argument. `stores` says which of several stores to one
    element counts; without it that is as it comes.
    """

    violations: Violations = field(default_factory=Violations)
    events: list[dict[str, Any]] = field(default_factory=list)
    as_hardware: bool = True
    traced: bool = True
    device: str = "cpu"
    poison: Poison = field(default_factory=Poison)
    journal: Journal | None = None
    stores: Stores | None = None
    origin: Path | None = None
    ran: Counter[str] = field(default_factory=Counter)
    """Launches of the interpreter, by how their programs ran: at once, or in turn and why."""
    fences: Fences | DeviceFences = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fences", self._fences())

    def _fences(self) -> Fences | DeviceFences:
        if self.device == "cpu":
            return Fences(self.violations)
        place = torch.device(self.device, torch.cuda.current_device())
        return DeviceFences(self.violations, AllocatorSource(place, REACH), poison=self.poison)

    @property
    def _reads(self) -> Reads | None:
        """Who tells that poison is read; nobody where it counts as read, or where runs are never repeated."""
        if not isinstance(self.fences, Fences) or not self.traced:
            return None
        return Reads(self.fences.unwritten, self._drawn)

    def _drawn(self) -> None:
        self.poison.drawn = True

    @contextmanager
    def calling(self, root: Path) -> Iterator[None]:
        """Notice whether poison is read anywhere in the block, within `watching` and without."""
        reads = self._reads
        with reads.watched(self._roots(root)) if reads else nullcontext():
            yield

    def _roots(self, root: Path) -> tuple[str, ...]:
        return tuple(dict.fromkeys((str(root), str(self.origin or root))))

    def returned(self, outputs: Mapping[str, Any]) -> None:
        """Notice poison that the declared outputs still hold."""
        if reads := self._reads:
            reads.look([value for _, value in leaves(outputs) if isinstance(value, torch.Tensor)])

    @contextmanager
    def watching(self, root: Path, entered: Callable[[str], None]) -> Iterator[None]:
        """Watch this process; `root` is the tree under test, `entered` is told of each kernel."""
        events = self.events if self.traced else None
        torch_checks = dispatch.TorchChecks(
            self._roots(root),
            self.violations,
            events,
            self.fences,
            as_hardware=self.as_hardware,
            poison=self.poison,
            reads=self._reads,
            stores=self.stores,
        )
        lost = False
        told = Watch(self._roots(root), self.violations, self.fences, self.poison)
        try:
            with watch.kept(told), self._launches(events, entered), dispatch.checked(torch_checks):
                yield
        except Exception as error:
            lost = gone.what(error) is not None
            raise
        finally:
            if not lost:
                self.fences.check()

    def _launches(
        self, events: list[dict[str, Any]] | None, entered: Callable[[str], None]
    ) -> AbstractContextManager[None]:
        if self.device == "cpu":
            checks = lanes.LaneChecks(
                self.violations,
                events,
                entered,
                self._after_launch,
                self.poison,
                self._reads,
                self.journal,
                self.stores,
                self.ran,
            )
            return lanes.checked(checks)
        return launches.checked(launches.Launches(self.violations, events, entered, after=self._after_launch))

    def placed(self, tensor: torch.Tensor, name: str) -> torch.Tensor:
        """A tensor of the case's where the code under test has its buffers; on a device inside a fence."""
        if isinstance(self.fences, Fences):
            return tensor
        return self.fences.allocate(tensor, name).copy_(tensor)

    def _after_launch(self, kernel: str, tensors: list[Any]) -> None:
        self.fences.check_some(tensors, kernel)

    def notes(self) -> list[str]:
        """What is to be said beside the faults, for people."""
        return [*self.fences.notes(), *compared.notes(self.ran)]

    def mark(self, **facts: Any) -> None:
        """Put an event of the case's own into the trace, such as the beginning of a phase."""
        self.events.append({"event": "phase", **facts})

    def trace(self) -> tuple[Event, ...]:
        return tuple(self.events)
