"""Memory that nobody but graphs holds any more: on a device it is somebody else's by then.

A graph has addresses. Whatever is freed behind its capture is still read and written there by every replay.
Here a recording keeps that memory, so that nothing is hit by accident, and the replay is told as a fault.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import torch

from harness.memory import watch
from harness.memory.graphs.aliases import allocation, references
from harness.memory.graphs.recording import Given, Recording, maker_of
from harness.memory.names import PART
from harness.memory.violations import Where
from harness.observation import Fault

FREED = "memory that was freed after the capture"
_HELD = "refault_held_by_graphs"


def hold(recording: Recording) -> None:
    """Count the recording's own tensors among the holders of their memory, for as long as it lives."""
    held = recording.held()
    for tensor, count in held:
        _add(tensor, count)
    weakref.finalize(recording, _let_go, held).atexit = False


def freed(recording: Recording) -> Iterator[Given]:
    """What the graph was given and nobody else has any more."""
    return (given for given in recording.given.values() if _is_freed(given))


def report(recording: Recording) -> None:
    """Tell the oracle that watches of a replay on freed memory, which holds poison from then on."""
    watched = watch.current()
    if watched is None:
        return
    for given in freed(recording):
        kind = "oob-write" if given.written else "oob-read"
        name = given.name.removesuffix(PART) if given.name else None
        size = allocation(given.tensor).numel()
        fault = Fault(kind=kind, buffer=name, kernel=given.user, numel=size, message=FREED)
        watched.violations.add(fault, Where(str(given.place)))
        if not given.lost:
            watched.poison.fill(allocation(given.tensor))
            watched.poison.drawn = given.lost = True


def _is_freed(given: Given) -> bool:
    if given.tensor.untyped_storage().data_ptr() != given.address:  # resized, and thereby moved
        return True
    by_graphs: int = getattr(given.tensor.untyped_storage(), _HELD, -1)
    return references(given.tensor) <= by_graphs and not maker_of(given.tensor)


def _add(tensor: torch.Tensor, count: int) -> None:
    storage = tensor.untyped_storage()
    setattr(storage, _HELD, getattr(storage, _HELD, 0) + count)


def _let_go(held: list[tuple[torch.Tensor, int]]) -> None:
    for tensor, count in held:
        _add(tensor, -count)
