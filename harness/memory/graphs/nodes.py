"""One recorded call of a graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch.utils._pytree import tree_flatten

from harness.errors import Unresolved
from harness.memory.graphs.aliases import tensors_in
from harness.memory.graphs.places import Place, Standing, standing
from harness.memory.names import NAMELESS, Known

_MODES = torch._C.DispatchKeySet(torch._C.DispatchKey.Python) | torch._C.DispatchKeySet(
    torch._C.DispatchKey.PythonTLSSnapshot
)
"""What has torch tell its dispatch modes of an operation: a copy of the recorder's own concerns nobody."""
Into = tuple[tuple[int, torch.Tensor], ...]
"""Recorded results that a call computes anew, each by its position among what the call returns."""


@dataclass(frozen=True)
class Node:
    """A call with the arguments of capture time.

    `name` is the operation's, kernel's or function's, `place` the line that asked for it. `into` are the
    results to write. `names` are the tensors' names of then, for whoever watches the replay.
    """

    name: str
    call: partial[Any]
    place: Place
    into: Into = ()
    names: Known = NAMELESS

    @cached_property
    def _standing(self) -> Standing:
        return standing(self.place)

    def run(self) -> None:
        """Call it again on the memory it had; Unresolved if its results have another form by now."""
        made = tree_flatten(self._standing(self.call, self.names))[0]
        for position, target in self.into:
            if made[position].shape != target.shape:
                raise Unresolved(
                    f"{self.name} at {self.place}: a replay makes another shape than the capture"
                )
            with torch._C._ExcludeDispatchKeyGuard(_MODES):
                target.copy_(made[position])
        for one in made:
            if hasattr(one, "wait"):  # a collective's handle
                one.wait()

    def tensors(self) -> Iterator[torch.Tensor]:
        """Every tensor that the node holds."""
        yield from tensors_in(self.call.args, self.call.keywords)
        yield from (target for _, target in self.into)
        yield from (tensor for _, tensor in self.names.bindings)
