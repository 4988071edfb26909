"""What a capture leaves: its nodes, and the memory that they work on."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch

from harness.memory import watch
from harness.memory.fences import is_plain
from harness.memory.graphs.aliases import alias, allocation, key_of
from harness.memory.graphs.nodes import Node
from harness.memory.graphs.places import Place, place_of
from harness.memory.names import name_of
from harness.memory.poison import Poison

_MAKER = "refault_made_by"


@dataclass
class Given:
    """Memory from outside the graph: its first use there, and where it lay.

    `user` is the operation or kernel that was the first to use it, `written` whether any may write it, and
    `lost` whether it was found to be freed.
    """

    tensor: torch.Tensor
    name: str | None
    user: str
    place: Place
    address: int
    written: bool = False
    lost: bool = False


@dataclass(eq=False)
class Recording:
    """The nodes of one graph in their order, and by its key the memory made for it or given to it."""

    nodes: list[Node] = field(default_factory=list)
    made: dict[int, torch.Tensor] = field(default_factory=dict)
    given: dict[int, Given] = field(default_factory=dict)
    _before: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    def take(self, tensors: Iterable[torch.Tensor], writes: bool, user: str, frame: FrameType | None) -> None:
        """Hold what a call uses; of memory from outside that may be written, also what it contains now."""
        for tensor in tensors:
            if tensor.layout != torch.strided or (key := key_of(tensor)) in self.made:
                continue
            if key not in self.given:
                self.given[key] = _given(tensor, user, frame)
            if writes and key not in self._before:
                self.given[key].written = True
                self._before[key] = (tensor.untyped_storage(), tensor.untyped_storage().clone())

    def make(self, tensor: torch.Tensor) -> None:
        """Own the memory of a result."""
        self.made.setdefault(key_of(tensor), alias(tensor))
        setattr(tensor.untyped_storage(), _MAKER, weakref.ref(self))

    def undo(self) -> None:
        """Bring memory from outside back to what it was: a capture computes nothing."""
        for storage, before in self._before.values():
            storage.copy_(before)
        self._before.clear()

    def poison(self) -> None:
        """Have the graph's own memory hold what nobody wrote, until a replay writes it."""
        watched = watch.current()
        poison = watched.poison if watched else Poison()
        for tensor in self.made.values():
            poison.fill(allocation(tensor))
            if watched:
                watched.fences.poisoned(tensor, poison)

    def held(self) -> list[tuple[torch.Tensor, int]]:
        """One tensor of each memory, and how many on it are the recording's own."""
        distinct = {id(tensor): tensor for tensor in self._tensors()}
        found: dict[int, tuple[torch.Tensor, int]] = {}
        for tensor in filter(_is_own, distinct.values()):
            key = key_of(tensor)
            found[key] = (tensor, found[key][1] + 1 if key in found else 1)
        return list(found.values())

    def _tensors(self) -> Iterator[torch.Tensor]:
        yield from self.made.values()
        yield from (given.tensor for given in self.given.values())
        for node in self.nodes:
            yield from node.tensors()


def is_made(tensor: torch.Tensor) -> bool:
    """Whether the memory under a tensor belongs to a graph that is still there."""
    maker = getattr(tensor.untyped_storage(), _MAKER, None)
    return maker is not None and maker() is not None


def _given(tensor: torch.Tensor, user: str, frame: FrameType | None) -> Given:
    named = name_of(tensor, frame) if frame else None
    return Given(alias(tensor), named, user, place_of(frame), tensor.untyped_storage().data_ptr())


def _is_own(tensor: torch.Tensor) -> bool:
    """Whether a tensor that a node holds is an alias, not the very object that others hold."""
    return is_plain(tensor) and not tensor.is_conj() and not tensor.is_neg()
