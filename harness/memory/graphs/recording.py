"""What a capture leaves: its nodes, and the memory that they work on."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch

from harness.memory import watch
from harness.memory.allocations import POISONED_BYTES
from harness.memory.fences import is_plain
from harness.memory.graphs.aliases import alias, allocation, key_of, references
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
    computed: dict[int, torch.UntypedStorage] = field(default_factory=dict)
    """Up to the first replay, what the capture computed: a capture that reads it must make sense of it."""
    _before: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    def take(self, tensors: Iterable[torch.Tensor], writes: bool, user: str, frame: FrameType | None) -> None:
        """Hold what a call uses; of memory from outside that may be written, also what it contains now."""
        for tensor in tensors:
            if tensor.layout != torch.strided or (key := key_of(tensor)) in self.made:
                continue
            if key not in self.given:
                self.given[key] = _given(tensor, user, frame)
            self.given[key].written |= writes
            computed = _computed(tensor)
            if (writes or computed) and key not in self._before:
                self._keep(tensor.untyped_storage(), computed)

    def _keep(self, storage: torch.UntypedStorage, computed: torch.UntypedStorage | None) -> None:
        """Have memory back as it is now when the capture ends, whatever is put into it until then."""
        self._before[storage._cdata] = (storage, storage.clone())
        if computed is not None:
            storage.copy_(computed)

    def make(self, tensor: torch.Tensor) -> None:
        """Own the memory of a result."""
        self.made.setdefault(key_of(tensor), alias(tensor))
        setattr(tensor.untyped_storage(), _MAKER, weakref.ref(self))

    def undo(self) -> None:
        """Bring memory back to what it was before: a capture computes nothing."""
        for storage, before in self._before.values():
            storage.copy_(before)
        self._before.clear()

    def poison(self) -> None:
        """Have the graph's own memory hold what nobody wrote, until a replay writes it."""
        watched = watch.current()
        poison = watched.poison if watched else Poison()
        own = {key_of(tensor): count for tensor, count in self.held()}
        for key, tensor in self.made.items():
            if references(tensor) > own.get(key, 0):  # else nobody can read it any more
                self.computed[key] = tensor.untyped_storage().clone()
            if tensor.untyped_storage().nbytes() > POISONED_BYTES:
                continue
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


def maker_of(tensor: torch.Tensor) -> Recording | None:
    """The recording that the memory under a tensor belongs to, as long as its graph is there."""
    maker = getattr(tensor.untyped_storage(), _MAKER, None)
    made: Recording | None = maker() if maker is not None else None
    return made


def _computed(tensor: torch.Tensor) -> torch.UntypedStorage | None:
    maker = maker_of(tensor)
    return maker.computed.get(key_of(tensor)) if maker else None


def _given(tensor: torch.Tensor, user: str, frame: FrameType | None) -> Given:
    named = name_of(tensor, frame) if frame else None
    return Given(alias(tensor), named, user, place_of(frame), tensor.untyped_storage().data_ptr())


def _is_own(tensor: torch.Tensor) -> bool:
    """Whether a tensor that a node holds is an alias, not the very object that others hold."""
    return is_plain(tensor) and not tensor.is_conj() and not tensor.is_neg()
