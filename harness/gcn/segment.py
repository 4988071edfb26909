"""Lays out a launch's arguments as the kernel's metadata says, hidden ones too (code object version 5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from harness.errors import Unsupported
from harness.gcn.assembly import Assembly, Slot
from harness.gcn.wave import LANES

_GIVEN = frozenset({"global_buffer", "by_value"})
_FORMATS: Mapping[str, str] = {
    "i1": "?", "i8": "b", "u8": "B", "i16": "h", "u16": "H", "i32": "i", "u32": "I", "i64": "q", "u64": "Q",
    "fp32": "f", "fp64": "d", "f32": "f", "f64": "d",
}  # fmt: skip
"""Triton's types of scalars. Floats of 16 bits go as their bits."""
_SCRATCH = 2
"""Pointers that Triton adds behind a kernel's arguments: to scratch memory, its own and a profiler's."""


def lay_out(
    assembly: Assembly, kinds: Sequence[str], values: Sequence[Any], grid: Sequence[int], warps: int,
    local_bytes: int = 0,
) -> bytes:  # fmt: skip
    """The argument segment. `values` are addresses for pointers, and are of Triton's types `kinds`.

    `local_bytes` of the local data share are asked for by the launch.
    """
    given = [slot for slot in assembly.arguments if slot.kind in _GIVEN]
    if not len(values) <= len(given) <= len(values) + _SCRATCH:
        raise Unsupported(f"{assembly.name}: {len(given)} arguments declared, {len(values)} given")
    content = bytearray(max((slot.offset + slot.size for slot in assembly.arguments), default=0))
    for slot, data in (*_given(given, kinds, values), *_hidden(assembly, grid, warps, local_bytes)):
        if len(data) != slot.size:
            raise Unsupported(f"{assembly.name}: an argument of {slot.size} bytes for a value of {len(data)}")
        content[slot.offset : slot.offset + slot.size] = data
    return bytes(content)


def _given(
    slots: Sequence[Slot], kinds: Sequence[str], values: Sequence[Any]
) -> Iterator[tuple[Slot, bytes]]:
    for slot, kind, value in zip(slots, kinds, values, strict=False):
        yield slot, packed(kind, value)
    for slot in slots[len(values) :]:
        yield slot, bytes(slot.size)  # no kernel here asks for scratch memory: its pointers are null


def packed(kind: str, value: Any) -> bytes:
    """One value as the kernel reads it; Unsupported for a type that is not known."""
    if kind.startswith("*"):
        return struct.pack("<Q", value)
    if kind == "fp16":
        return np.array(value, dtype="<f2").tobytes()
    if kind == "bf16":
        return (np.array(value, dtype="<f4").view("<u4") >> 16).astype("<u2").tobytes()
    if kind not in _FORMATS:
        raise Unsupported(f"an argument of type {kind}")
    if kind[0] in "iu" and kind != "i1":
        bits = int(kind[1:])
        return (int(value) & ((1 << bits) - 1)).to_bytes(bits // 8, "little")
    return struct.pack("<" + _FORMATS[kind], value)


def _hidden(
    assembly: Assembly, grid: Sequence[int], warps: int, local_bytes: int
) -> Iterator[tuple[Slot, bytes]]:
    known: dict[str, int] = {f"hidden_block_count_{axis}": grid[n] for n, axis in enumerate("xyz")}
    known |= {
        f"hidden_group_size_{axis}": size for axis, size in zip("xyz", (LANES * warps, 1, 1), strict=True)
    }
    known |= {f"hidden_remainder_{axis}": 0 for axis in "xyz"}
    known |= {f"hidden_global_offset_{axis}": 0 for axis in "xyz"}
    known["hidden_grid_dims"] = 3
    # What the launch asks for beyond what the kernel declares: with Triton that is all of it.
    known["hidden_dynamic_lds_size"] = local_bytes - assembly.declared.get("group_segment_fixed_size", 0)
    for slot in assembly.arguments:
        if slot.kind in known:
            yield slot, known[slot.kind].to_bytes(slot.size, "little")
        elif slot.kind not in _GIVEN:
            raise Unsupported(f"{assembly.name}: the hidden argument {slot.kind}")
