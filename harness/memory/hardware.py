"""Carries out an indexing operation as unchecked hardware would: address arithmetic and nothing else.

A stray index of one row lands in another row of the same allocation, and there it reads or
writes. What lies outside the allocation reads poison, and is not written. Of several stores to one
element the last counts, on a device as well, where chance would choose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from harness.memory.indexing import Indexing
from harness.memory.poison import Poison

IN_PLACE = "_"


@dataclass(frozen=True)
class Carried:
    """What came of an operation: its result, and the positions that left the allocation.

    `stray` are element indices relative to the start of the allocation of `numel` elements;
    `writes` says whether they would have been written.
    """

    result: Any
    violation: torch.Tensor
    numel: int
    writes: bool


def carry_out(
    func: Any, name: str, found: Sequence[Indexing], args: Sequence[Any], kwargs: Mapping[str, Any],
    poison: Poison,
) -> Carried:  # fmt: skip
    """Run `func`, an operation that `indexing.READERS` knows as `name`, with unchecked indices."""
    base = name.removesuffix(IN_PLACE)
    if base in ("embedding_renorm", "_embedding_bag", "_embedding_bag_forward_only"):
        return _whole_rows(func, base, found[0], args, kwargs, poison)
    if base in _READS:
        positions = _READS[base](found, args)
        return _read(args[0], positions, kwargs.get("out"), poison)
    return _written(name, base, found, args, kwargs)


# --- positions -----------------------------------------------------------------------------


def _flat(target: torch.Tensor) -> torch.Tensor:
    """The whole allocation that a tensor lies in, as one row of its elements."""
    numel = target.untyped_storage().nbytes() // target.element_size()
    return target.as_strided((numel,), (1,), 0)


def _inside(target: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    return (positions >= 0) & (positions < _flat(target).numel())


def _steps(size: int, axis: int, axes: int, device: torch.device) -> torch.Tensor:
    return torch.arange(size, device=device).reshape([-1 if place == axis else 1 for place in range(axes)])


def _elementwise(found: Sequence[Indexing], args: Sequence[Any]) -> torch.Tensor:
    """gather, scatter: every entry of the index is one access, at its own place in the other dimensions."""
    target, dim, index = args[0], found[0].dim, found[0].index.to(torch.int64)
    positions = torch.full((), int(target.storage_offset()), device=target.device)
    for axis, size in enumerate(index.shape):
        steps = index if axis == dim else _steps(size, axis, index.dim(), index.device)
        positions = positions + steps * target.stride(axis)
    return positions


def _slicewise(found: Sequence[Indexing], args: Sequence[Any]) -> torch.Tensor:
    """index_select, index_add, …: every entry of a one-dimensional index is a whole slice."""
    target, dim = args[0], found[0].dim
    return _combined(target, {dim: _wrapped(found[0]).reshape(-1)})


def _advanced(found: Sequence[Indexing], args: Sequence[Any]) -> torch.Tensor:
    """x[i, j]: index tensors broadcast against each other; masks stand for the places where they hold."""
    indices: dict[int, torch.Tensor] = {}
    known = {one.dim: one for one in found}
    dim = 0
    for index in args[1]:
        if index is not None and index.dtype in (torch.bool, torch.uint8):
            for part in index.nonzero(as_tuple=True):
                indices[dim] = part
                dim += 1
        else:
            if index is not None:
                indices[dim] = _wrapped(known[dim])
            dim += 1
    return _combined(args[0], indices)


def _wrapped(one: Indexing) -> torch.Tensor:
    index = one.index.to(torch.int64)
    return torch.where(index < 0, index + one.extent, index) if one.wraps else index


def _combined(target: torch.Tensor, indices: Mapping[int, torch.Tensor]) -> torch.Tensor:
    """Positions for some indexed dimensions, the others taken whole, in the order torch gives results."""
    dims = sorted(indices)
    chosen = torch.broadcast_tensors(*(indices[dim] for dim in dims))
    adjacent = dims == list(range(dims[0], dims[-1] + 1))
    before = [dim for dim in range(dims[0]) if adjacent]
    after = [dim for dim in range(target.dim()) if dim not in indices and dim not in before]
    width = chosen[0].dim()
    axes = len(before) + width + len(after)
    positions = torch.full((), int(target.storage_offset()), device=target.device)
    for dim, index in zip(dims, chosen, strict=True):
        shape = [*[1] * len(before), *index.shape, *[1] * len(after)]
        positions = positions + index.reshape(shape) * target.stride(dim)
    for axis, dim in [*enumerate(before), *enumerate(after, len(before) + width)]:
        positions = positions + _steps(target.shape[dim], axis, axes, target.device) * target.stride(dim)
    return positions


def _counted(found: Sequence[Indexing], args: Sequence[Any]) -> torch.Tensor:
    """take, put: an index counts over all elements; only the outermost dimension can be left."""
    target, rest = args[0], _wrapped(found[0])
    positions = torch.full_like(rest, int(target.storage_offset()))
    for size, stride in list(zip(target.shape, target.stride(), strict=True))[:0:-1]:
        positions = positions + rest.remainder(size) * stride
        rest = rest.div(size, rounding_mode="floor")
    return positions + rest * (target.stride(0) if target.dim() else 1)


Positions = Callable[[Sequence[Indexing], Sequence[Any]], torch.Tensor]

_READS: Mapping[str, Positions] = {
    "gather": _elementwise,
    "index_select": _slicewise,
    "index": _advanced,
    "_unsafe_index": _advanced,
    "take": _counted,
    "embedding": lambda found, args: _combined(args[0], {0: found[0].index.to(torch.int64)}),
}
_PUTS = ("index_put", "_unsafe_index_put", "_index_put_impl")

_WRITES: Mapping[str, Positions] = {
    "scatter": _elementwise,
    "scatter_add": _elementwise,
    "scatter_reduce": _elementwise,
    "index_copy": _slicewise,
    "index_add": _slicewise,
    "index_fill": _slicewise,
    "index_reduce": _slicewise,
    "index_put": _advanced,
    "_unsafe_index_put": _advanced,
    "_index_put_impl": _advanced,
    "put": _counted,
}


# --- reads ---------------------------------------------------------------------------------


def _looked_up(target: torch.Tensor, positions: torch.Tensor, poison: Poison) -> torch.Tensor:
    read = torch.empty(positions.shape, dtype=target.dtype, device=target.device)
    inside = _inside(target, positions)
    if not bool(inside.all()):
        poison.drawn = True
        poison.fill(read)
    read[inside] = _flat(target)[positions[inside]]
    return read


def _read(target: torch.Tensor, positions: torch.Tensor, out: torch.Tensor | None, poison: Poison) -> Carried:
    result = _looked_up(target, positions, poison)
    if out is not None:
        result = out.resize_(result.shape).copy_(result)
    return Carried(result, positions[~_inside(target, positions)], _flat(target).numel(), writes=False)


def _whole_rows(
    func: Any, base: str, one: Indexing, args: Sequence[Any], kwargs: Mapping[str, Any], poison: Poison
) -> Carried:
    """Operations on whole rows that do more than read them: give them the rows that hardware would find."""
    positions = _combined(args[0], {0: one.index.to(torch.int64)})
    violation = positions[~_inside(args[0], positions)]
    if base == "embedding_renorm":  # writes rows back, so it gets those that exist
        kept = one.index[(one.index >= 0) & (one.index < one.extent)]
        result = func(args[0], kept, *args[2:], **kwargs)
    else:
        rows = torch.arange(one.index.numel(), device=one.index.device)
        result = func(_looked_up(args[0], positions, poison), rows, *args[2:], **kwargs)
    return Carried(result, violation, _flat(args[0]).numel(), writes=base == "embedding_renorm")


# --- writes --------------------------------------------------------------------------------


def _written(
    name: str, base: str, found: Sequence[Indexing], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Carried:
    named = {key: value for key, value in kwargs.items() if key != "out"}
    target = args[0] if name.endswith(IN_PLACE) else _fresh(args[0], kwargs.get("out"))
    positions = _WRITES[base](found, [target, *args[1:]])
    inside = _inside(target, positions)
    kept = inside & _last(positions) if _overwrites(base, args, kwargs) else inside
    if base in _PUTS:
        values = args[2].broadcast_to(positions.shape)[kept]
        torch.ops.aten.index_put_(_flat(target), [positions[kept]], values, *args[3:4])
    elif base == "put":
        torch.ops.aten.put_(
            _flat(target), positions[kept], args[2].reshape(positions.shape)[kept], *args[3:], **named
        )
    else:
        values = _values(base, args[3], positions)
        values = values[kept] if isinstance(values, torch.Tensor) and values.dim() else values
        operation = getattr(torch.ops.aten, base + IN_PLACE)
        operation(_flat(target), 0, positions[kept], values, *args[4:], **named)
    return Carried(target, positions[~inside], _flat(target).numel(), writes=True)


def _overwrites(base: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether of several stores to one element a single one is left."""
    if base not in ("scatter", "index_copy", "put", *_PUTS):
        return False
    accumulates = kwargs.get("accumulate") or (base in ("put", *_PUTS) and any(args[3:4]))
    return not (accumulates or kwargs.get("reduce"))


def _last(positions: torch.Tensor) -> torch.Tensor:
    """Where the last store to each position stands.

    A device may let any of them win, and another one in the next run; a CPU has the last.
    """
    flat = positions.reshape(-1)
    order = flat.argsort(stable=True)
    ordered = flat[order]
    last = torch.ones_like(ordered, dtype=torch.bool)
    last[:-1] = ordered[1:] != ordered[:-1]
    return torch.zeros_like(last).scatter_(0, order, last).reshape(positions.shape)


def _fresh(source: torch.Tensor, out: torch.Tensor | None) -> torch.Tensor:
    if out is None:
        return source.clone(memory_format=torch.contiguous_format)
    return out if out is source else out.resize_(source.shape).copy_(source)


def _values(base: str, given: Any, positions: torch.Tensor) -> Any:
    """What goes to each position; a number stays one."""
    if not isinstance(given, torch.Tensor) or base == "index_fill":
        return given
    if base.startswith("scatter"):  # a source may be larger than its index
        return given[tuple(slice(0, size) for size in positions.shape)]
    return given.broadcast_to(positions.shape)
