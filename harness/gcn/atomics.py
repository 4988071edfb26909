"""Atomic operations on memory, lane by lane from the lowest (CDNA3 ISA, sections 9.1, 10.4 and 12.15)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.gcn import access
from harness.gcn.arithmetic import F32, U32, bf16_bits
from harness.gcn.assembly import Instruction
from harness.gcn.operands import VECTORS, parse
from harness.gcn.space import Place
from harness.gcn.wave import Step, Wave

_NAME = re.compile(r"(global|buffer|flat)_atomic_(\w+?)(_x2)?")
_RETURNS = "sc0"
"""What would be a hint to the cache elsewhere has an atomic return what it found (CDNA3 ISA, 9.1.10)."""
Change = Callable[[Any, Any], Any]
"""What becomes of what was found, by what the lane gives."""


@dataclass(frozen=True)
class Kind:
    """An operation on elements of a dtype; `compares` has the lane give a value to compare with, too."""

    dtype: str
    change: Change
    compares: bool = False


def _of_bf16(found: Any, given: Any) -> Any:
    total = (found.astype(U32) << U32(16)).view(F32) + (given.astype(U32) << U32(16)).view(F32)
    return bf16_bits(total).astype(np.uint16)


_WHOLE: Mapping[str, tuple[str, Change]] = {
    "swap": ("u", lambda found, given: given),
    "add": ("u", lambda found, given: found + given),
    "sub": ("u", lambda found, given: found - given),
    "smin": ("i", np.minimum),
    "umin": ("u", np.minimum),
    "smax": ("i", np.maximum),
    "umax": ("u", np.maximum),
    "and": ("u", lambda found, given: found & given),
    "or": ("u", lambda found, given: found | given),
    "xor": ("u", lambda found, given: found ^ given),
    "inc": ("u", lambda found, given: np.where(found >= given, 0, found + 1)),
    "dec": ("u", lambda found, given: np.where((found == 0) | (found > given), given, found - 1)),
}
_FLOATS: Mapping[str, Kind] = {
    "add_f32": Kind("f4", lambda found, given: found + given),
    "add_f64": Kind("f8", lambda found, given: found + given),
    "min_f64": Kind("f8", np.fmin),
    "max_f64": Kind("f8", np.fmax),
    "pk_add_f16": Kind("f2", lambda found, given: found + given),
    "pk_add_bf16": Kind("u2", _of_bf16),
}


def build(instruction: Instruction) -> Step | None:
    """How to execute an atomic instruction, or one that only empties caches; None where it is neither."""
    if instruction.opcode in ("buffer_wbl2", "buffer_inv"):
        return access.of_caches(instruction)
    found = _NAME.fullmatch(instruction.opcode)
    kind = _kind(found[2], bool(found[3])) if found else None
    return None if found is None or kind is None else _atomic(instruction, found[1], kind)


def _kind(name: str, is_long: bool) -> Kind | None:
    size = 8 if is_long else 4
    if name == "cmpswap":
        return Kind(f"u{size}", lambda found, given: given, compares=True)
    if name in _WHOLE:
        letter, change = _WHOLE[name]
        return Kind(f"{letter}{size}", change)
    return None if is_long else _FLOATS.get(name)


def _atomic(instruction: Instruction, space: str, kind: Kind) -> Step:
    returns = _RETURNS in instruction.flags
    address, target = _without_result(instruction, space) if returns else (instruction, None)
    data, find = access.addressed(address)
    result = parse(target).index if target else data.index
    width = max(4, np.dtype(kind.dtype).itemsize)
    given = width // 4 * (2 if kind.compares else 1)
    words = range(width // 4)
    registers = frozenset(VECTORS + result + number for number in words) if returns else frozenset()

    def step(wave: Wave) -> None:
        operands = np.stack([wave.v[data.index + number] for number in range(given)], axis=1)
        found = _exchanged(instruction, wave, find, width, _changing(kind, operands, width))
        for number in words if returns else ():
            wave.put(wave.v[result + number], found[number])
        access.issue(wave, space, registers)

    return step


def _exchanged(
    instruction: Instruction, wave: Wave, find: access.Find, width: int, change: Callable[[int, Any], Any]
) -> list[Any]:
    """What the lanes found, as words, where each has left what it makes of that."""
    place = Place(instruction, wave)
    addresses, mask = access.reaching(wave, find, width, True, place)
    return wave.space.exchange(addresses, mask, width, change, place)


def _without_result(instruction: Instruction, space: str) -> tuple[Instruction, str | None]:
    """A buffer's result replaces its data, another's is the first operand."""
    if space == "buffer":
        return instruction, None
    target, *operands = instruction.operands
    return replace(instruction, operands=tuple(operands)), target


def _changing(kind: Kind, operands: Any, width: int) -> Callable[[int, Any], Any]:
    """By lane and the bytes that it finds: the bytes that it leaves."""

    def change(lane: int, found: Any) -> Any:
        octets = np.ascontiguousarray(operands[lane]).view(np.uint8)
        before, given = found.view(kind.dtype), octets[:width].view(kind.dtype)
        if kind.compares and not np.array_equal(before, octets[width:].view(kind.dtype)):
            return found
        return np.asarray(kind.change(before, given)).astype(kind.dtype).view(np.uint8)

    return change
