"""Records what a region of code asks of torch and of Triton's interpreter while it runs once."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_flatten, tree_unflatten

from harness.errors import CaptureSpoiled
from harness.memory import watch
from harness.memory.allocations import ALLOCATORS, allocated
from harness.memory.fences import is_plain
from harness.memory.graphs import host, refusals, stage
from harness.memory.graphs.aliases import alias, frozen, key_of, tensors_in
from harness.memory.graphs.nodes import Into, Node
from harness.memory.graphs.places import caller, place_of
from harness.memory.graphs.recording import Recording
from harness.memory.hardware import IN_PLACE, carry_out
from harness.memory.indexing import READERS
from harness.memory.modes import Mode
from harness.memory.names import NAMELESS, PART, Known, name_to_be, names_of
from harness.memory.poison import Poison

_UNWRITTEN = frozenset(
    {"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"}
)
"""Operations that leave nothing to compute again."""
_OF_PYTHON = "lift_fresh"
"""How a tensor of Python's values arrives; it is the host's."""
_ATEN = frozenset({"aten", "prims"})
"""Namespaces whose schemas say what an operation writes; those of torch.distributed, for one, do not."""


class Recorder(Mode):
    """Records into `recording` while it is active; `invalid` says why nothing will come of it."""

    def __init__(self, recording: Recording) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recording = recording
        self.invalid: str | None = None

    def refuse_spoiled(self) -> None:
        """CaptureSpoiled behind a refusal, whatever is asked for next."""
        if self.invalid is not None:
            raise CaptureSpoiled(self.invalid)

    # --- torch -----------------------------------------------------------------------------

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        inputs = tensors_in(args, named)
        name = func.overloadpacket.__name__
        self.refuse_spoiled()
        if name == _OF_PYTHON or (inputs and all(map(host.is_on_host, inputs))):
            return _kept_on_host(func(*args, **named))
        refusals.check(func, args, named)
        args, named = host.as_parameters(str(func), args, named)
        return self._operation(func, args, named, caller(sys._getframe(1)))

    def _operation(
        self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], frame: FrameType | None
    ) -> Any:
        name, inputs = func.overloadpacket.__name__, tensors_in(args, kwargs)
        writes = func._schema.is_mutable or func.namespace not in _ATEN
        label = f"{func.namespace}.{name}"
        self.recording.take(inputs, writes, name, frame)
        call = partial(func, *frozen(args), **frozen(kwargs))  # before it runs: it may change their sizes
        names = _named(call, inputs, frame) if name.removesuffix(IN_PLACE) in READERS else NAMELESS
        result, into = self._made(_run(func, args, kwargs, frame), inputs)
        repeats = writes and torch.Tag.inplace_view not in func.tags
        if repeats or (into and name not in _UNWRITTEN):
            node = Node(label, call, place_of(frame), into, names)
            self.recording.nodes.append(_constant(node) if _is_constant(func, inputs, into) else node)
        return result

    def _made(self, result: Any, inputs: Sequence[torch.Tensor]) -> tuple[Any, Into]:
        """A call's result with its new tensors in memory of the graph's, and those that a replay writes."""
        leaves, form = tree_flatten(result)
        known = set(map(key_of, filter(_is_strided, inputs)))
        new = {i: one for i, one in enumerate(leaves) if _is_strided(one) and self._is_new(one, known)}
        alone = Counter(map(key_of, new.values()))
        for position, tensor in new.items():
            leaves[position] = _fenced(tensor) if alone[key_of(tensor)] == 1 else tensor
            self.recording.make(leaves[position])
        into = tuple((position, alias(leaves[position])) for position in new if leaves[position].numel())
        return tree_unflatten(leaves, form), into

    def _is_new(self, tensor: torch.Tensor, known: set[int]) -> bool:
        return (key := key_of(tensor)) not in known and key not in self.recording.made

    # --- kernels ---------------------------------------------------------------------------

    def native(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Record a call of native code as one node, whatever it does inside."""
        self.refuse_spoiled()
        frame, inputs = caller(sys._getframe(2)), tensors_in(args, kwargs)
        label = f"native.{function.__name__}"
        with _disable_current_modes():
            self.recording.take(inputs, True, function.__name__, frame)
            call = partial(function, *frozen(args), **frozen(kwargs))
            names = _named(call, inputs, frame)
            with stage.set_aside():
                returned = function(*args, **kwargs)
            result, into = self._made(returned, inputs)
        self.recording.nodes.append(Node(label, call, place_of(frame), into, names))
        return result

    def launch(
        self, kernel: str, call: partial[Any], given: Sequence[torch.Tensor], frame: FrameType | None
    ) -> None:
        """Record the launch of a kernel that is about to get the `given` tensors: `call` repeats it."""
        self.refuse_spoiled()
        self.recording.take(given, True, kernel, frame)
        # an address, whatever slice was handed over, so that the allocation has the name
        found = _named(call, given, frame).bindings
        names = Known(tuple((name.removesuffix(PART), tensor) for name, tensor in found))
        self.recording.nodes.append(Node(f"triton.{kernel}", call, place_of(frame), names=names))


def _is_strided(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.layout == torch.strided


def _kept_on_host(result: Any) -> Any:
    for tensor in tensors_in(result):
        host.on_host(tensor)
    return result


def _run(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], frame: FrameType | None) -> Any:
    """Run an operation for the form of its result. What a device would not run can go astray in no index.

    What the code under test allocates lies in a fence, as it does without a capture.
    """
    name, watched = func.overloadpacket.__name__, watch.current()
    with stage.set_aside():
        if name.removesuffix(IN_PLACE) in READERS:
            found = list(READERS[name.removesuffix(IN_PLACE)](args))
            if not all(one.in_range for one in found):
                return carry_out(func, name, found, args, kwargs, Poison()).result
        if name in ALLOCATORS and watched and frame and watched.covers(frame.f_code.co_filename):
            return allocated(func, args, kwargs, watched.fences, name_to_be(frame), watched.poison)
        return func(*args, **kwargs)


def _fenced(tensor: torch.Tensor) -> torch.Tensor:
    """A result in memory of its own whose poison is known, where an oracle watches."""
    watched = watch.current()
    if not watched or not is_plain(tensor) or not tensor.numel() or watched.fences.holds(tensor):
        return tensor
    if watched.fences.outside(tensor.device):
        return tensor
    with _disable_current_modes():
        return watched.fences.allocate(tensor, None).copy_(tensor)


def _is_constant(func: Any, inputs: Sequence[torch.Tensor], into: Into) -> bool:
    """Whether an operation makes the same at every replay: it allocates, and reads and draws nothing."""
    name = func.overloadpacket.__name__
    if name not in ALLOCATORS or torch.Tag.nondeterministic_seeded in func.tags or len(into) != 1:
        return False
    return not inputs or name.startswith("new_") or name.endswith("_like")


def _constant(node: Node) -> Node:
    ((_, target),) = node.into
    return replace(node, call=partial(target.copy_, target.clone()), into=())


def _named(call: partial[Any], given: Sequence[torch.Tensor], frame: FrameType | None) -> Known:
    """The names of now for the tensors of then."""
    own = tensors_in(call.args, call.keywords)
    found = zip(names_of(given, frame) if frame else [], own, strict=False)
    return Known(tuple((name, tensor) for name, tensor in found if name))
