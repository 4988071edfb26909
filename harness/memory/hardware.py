"""Carries out an indexing operation as unchecked hardware would: address arithmetic and nothing else.

A stray index of one row lands in another row of the same allocation, and there it reads or
writes. What lies outside the allocation reads poison, and is not written. Of several stores to one
element the same one counts in every run, on a device as well, where chance would choose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from harness.memory.indexing import Indexing
from harness.memory.poison import Poison
from harness.memory.stores import Stores

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
    poison: Poison, stores: Stores | None = None,
) -> Carried:  # fmt: skip
    """Run `func`, an operation that `indexing.READERS` knows as `name`, with unchecked indices."""
    base = name.removesuffix(IN_PLACE)
    if base in ("embedding_renorm", "_embedding_bag", "_embedding_bag_forward_only"):
        return _whole_rows(func, base, found[0], args, kwargs, poison)
    if base in _READS:
        positions = _READS[base](found, args)
        return _read(args[0], positions, kwargs.get("out"), poison)
    return _written(name, base, found, args, kwargs, stores or Stores())


def collides(name: str, found: Sequence[Indexing], args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether an operation with sound indices stores several values to one element, one of which is left."""
    base = name.removesuffix(IN_PLACE)
    if not found or base not in _WRITES or not _overwrites(base, args, kwargs):
        return False
    values = args[2] if base in (*_PUTS, "put") else args[3]
    if not isinstance(values, torch.Tensor) or values.numel() < 2:
        return False
    places = _elementwise(found, args) if base == "scatter" else _rows_of(base, found, args)
    return places.numel() > 1 and places.unique().numel() < places.numel()


def _rows_of(base: str, found: Sequence[Indexing], args: Sequence[Any]) -> torch.Tensor:
    """Which slice each entry of the index tensors names, as far as numbers tell it, and not masks."""
    if base not in _PUTS:
        return _wrapped(found[0]).reshape(-1)
    indices = torch.broadcast_tensors(*(_wrapped(one) for one in found))
    places = torch.zeros_like(indices[0])
    for one, index in zip(found, indices, strict=True):
        places = places * one.extent + index
    return places.reshape(-1)


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
    name: str, base: str, found: Sequence[Indexing], args: Sequence[Any], kwargs: Mapping[str, Any],
    stores: Stores,
) -> Carried:  # fmt: skip
    named = {key: value for key, value in kwargs.items() if key != "out"}
    target = args[0] if name.endswith(IN_PLACE) else _fresh(args[0], kwargs.get("out"))
    positions = _WRITES[base](found, [target, *args[1:]])
    inside = _inside(target, positions)
    if base in _PUTS:
        values = args[2].broadcast_to(positions.shape)
    elif base == "put":
        values = args[2].reshape(positions.shape)
    else:
        values = _values(base, args[3], positions)
    kept = inside.clone()
    if _overwrites(base, args, kwargs):
        kept[inside] = stores.chosen(name, positions[inside], _at(values, inside))
    _store(base, target, positions[kept], _at(values, kept), args, named)
    return Carried(target, positions[~inside], _flat(target).numel(), writes=True)


def _at(values: Any, kept: torch.Tensor) -> Any:
    return values[kept] if isinstance(values, torch.Tensor) and values.dim() else values


def _store(
    base: str, target: torch.Tensor, positions: torch.Tensor, values: Any, args: Sequence[Any],
    named: Mapping[str, Any],
) -> None:  # fmt: skip
    """The operation itself, on the whole allocation as one row."""
    flat = _flat(target)
    if base in _PUTS:
        torch.ops.aten.index_put_(flat, [positions], values, *args[3:4])
    elif base == "put":
        torch.ops.aten.put_(flat, positions, values, *args[3:], **named)
    else:
        getattr(torch.ops.aten, base + IN_PLACE)(flat, 0, positions, values, *args[4:], **named)


def _overwrites(base: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether of several stores to one element a single one is left."""
    if base not in ("scatter", "index_copy", "put", *_PUTS):
        return False
    accumulates = kwargs.get("accumulate") or (base in ("put", *_PUTS) and any(args[3:4]))
    return not (accumulates or kwargs.get("reduce"))


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
