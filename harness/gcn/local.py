"""The local data share of a workgroup, and moves between lanes by its hardware (CDNA3 ISA, section 11)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import Unsupported
from harness.gcn.assembly import Instruction
from harness.gcn.modifiers import admit
from harness.gcn.operands import parse, whole
from harness.gcn.space import Place
from harness.gcn.wave import LANES, Octets, Step, Wave, Words
from harness.observation import Fault

_PLAIN = re.compile(r"ds_(read|write)_(b32|b64|b96|b128|u8|i8|u16|i16|b8|b16)(_d16_hi|_d16)?")
_PAIR = re.compile(r"ds_(read|write)2(st64)?_b(32|64)")
_ATOMIC = re.compile(r"ds_(add|sub|min|max|and|or|xor)_([iub])32")
_CHANGES: Mapping[str, np.ufunc] = {
    "add": np.add, "sub": np.subtract, "min": np.minimum, "max": np.maximum,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
}  # fmt: skip
_BYTES = {"b32": 4, "b64": 8, "b96": 12, "b128": 16, "u8": 1, "i8": 1, "b8": 1, "u16": 2, "i16": 2, "b16": 2}
_TRANSPOSED = re.compile(r"ds_read_b64_tr_b(8|16)")
LOCAL = "local data share"


def build(instruction: Instruction, kernel: str) -> Step | None:
    """How to execute an instruction of the local data share; None where it is not one of these."""
    opcode = instruction.opcode
    if opcode in ("ds_bpermute_b32", "ds_permute_b32"):
        return _permute(instruction)
    if opcode == "ds_swizzle_b32":
        return _swizzle(instruction)
    if found := _TRANSPOSED.fullmatch(opcode):
        return _transposed(instruction, int(found[1]), kernel)
    if found := _PAIR.fullmatch(opcode):
        return _pair(instruction, found[1] == "read", int(found[3]) // 8, bool(found[2]), kernel)
    if found := _ATOMIC.fullmatch(opcode):
        return _atomic(instruction, _CHANGES[found[1]], np.dtype("i4" if found[2] == "i" else "u4"), kernel)
    if (found := _PLAIN.fullmatch(opcode)) and not found[3]:
        place = _offset(instruction, "offset")
        return _access(instruction, found[1] == "read", _BYTES[found[2]], [place], kernel, found[2][0] == "i")
    return None


def _atomic(instruction: Instruction, change: np.ufunc, dtype: np.dtype[Any], kernel: str) -> Step:
    """DS_ADD_U32 and its like without a result: each lane in turn changes what it finds (CDNA3 ISA, 11.3)."""
    admit(instruction, {"offset"})
    address, data = (parse(text).index for text in instruction.operands)
    place = _offset(instruction, "offset")

    def step(wave: Wave) -> None:
        at = wave.v[address].astype(np.int64) + place
        lanes = _inside(wave, at, 4, "oob-write", instruction, kernel)
        if (at[lanes] % 4).any():
            raise Unsupported(f"{instruction.opcode} on a part of two words")
        words = wave.local[: wave.local.size // 4 * 4].view(dtype)
        change.at(words, at[lanes] // 4, wave.v[data][lanes].view(dtype))
        wave.waits.issue("lgkm", frozenset())

    return step


def _pair(instruction: Instruction, reads: bool, size: int, strided: bool, kernel: str) -> Step:
    """Two accesses, whose offsets count elements, or 64 of them (ST64)."""
    unit = size * (LANES if strided else 1)
    places = [_offset(instruction, name) * unit for name in ("offset0", "offset1")]
    return _access(instruction, reads, size, places, kernel)


def _offset(instruction: Instruction, name: str) -> int:
    return whole(instruction.modifiers.get(name, "0"))


def _access(
    instruction: Instruction, reads: bool, size: int, places: list[int], kernel: str, signed: bool = False
) -> Step:
    admit(instruction, {"offset", "offset0", "offset1"})
    operands = [parse(text) for text in instruction.operands]
    data, address = (operands[:1], operands[1]) if reads else (operands[1:], operands[0])
    words = max(1, size // 4)
    starts = [data[0].index + n * words for n in range(len(places))] if reads else [d.index for d in data]
    if reads:
        registers = data[0].registers
        return _reading(instruction, address.index, starts, size, places, kernel, signed, registers)
    return _writing(instruction, address.index, starts, size, places, kernel)


def _reading(
    instruction: Instruction, address: int, starts: list[int], size: int, places: list[int], kernel: str,
    signed: bool, registers: frozenset[int],
) -> Step:  # fmt: skip
    def read(wave: Wave) -> None:
        base = wave.v[address].astype(np.int64)
        # All of it is read before a register is written: the address may be one of them.
        found = [_read(wave, base + place, size, signed, instruction, kernel) for place in places]
        for start, values in zip(starts, found, strict=True):
            for number, word in enumerate(values):
                wave.put(wave.v[start + number], word)
        wave.waits.issue("lgkm", registers)

    return read


def _writing(
    instruction: Instruction, address: int, starts: list[int], size: int, places: list[int], kernel: str
) -> Step:
    def write(wave: Wave) -> None:
        base = wave.v[address].astype(np.int64)
        for start, place in zip(starts, places, strict=True):
            _write(wave, base + place, size, start, instruction, kernel)
        wave.waits.issue("lgkm", frozenset())

    return write


def _inside(
    wave: Wave, at: npt.NDArray[np.int64], size: int, kind: str, instruction: Instruction, kernel: str
) -> npt.NDArray[np.bool_]:
    """The active lanes that stay inside; others read 0 and write nothing (CDNA3 ISA, 11.3), and are told."""
    good = (at >= 0) & (at <= wave.local.size - size)
    if np.count_nonzero(wave.mask & ~good):
        lane = int(np.flatnonzero(wave.mask & ~good)[0])
        where = Place(instruction, wave).of(lane)
        fault = Fault(kind=kind, buffer=LOCAL, kernel=kernel, numel=wave.local.size // size)
        wave.space.stray(fault, at[wave.mask & ~good] // size, where)
    return good & wave.mask


def _read(
    wave: Wave, at: npt.NDArray[np.int64], size: int, signed: bool, instruction: Instruction, kernel: str
) -> list[Words]:
    lanes = _inside(wave, at, size, "oob-read", instruction, kernel)
    if (
        size in (4, 8, 16)
        and np.count_nonzero(lanes) == len(lanes)
        and not np.bitwise_or.reduce(at) & (size - 1)
    ):
        return list(_rows(wave.local, size)[at // size].T)
    octets = np.zeros((len(lanes), max(4, size)), dtype=np.uint8)
    octets[lanes, :size] = wave.local[at[lanes][:, None] + np.arange(size)]
    words = [word.copy() for word in octets.view("<u4").astype(np.uint32).T]
    if signed:
        up = np.uint32(32 - 8 * size)
        words = [((words[0] << up).view(np.int32) >> np.int32(up)).view(np.uint32)]
    return words


def _write(
    wave: Wave, at: npt.NDArray[np.int64], size: int, start: int, instruction: Instruction, kernel: str
) -> None:
    lanes = _inside(wave, at, size, "oob-write", instruction, kernel)
    if (
        size in (4, 8, 16)
        and np.count_nonzero(lanes) == len(lanes)
        and not np.bitwise_or.reduce(at) & (size - 1)
    ):
        _rows(wave.local, size)[at // size] = wave.v[start : start + size // 4].T
        return
    words = wave.v[start : start + max(1, size // 4)].T
    octets = np.ascontiguousarray(words).view(np.uint8)[:, :size]
    wave.local[at[lanes][:, None] + np.arange(size)] = octets[lanes]


def _rows(local: Octets, size: int) -> Words:
    """The local data share as rows of so many bytes, in words."""
    return local[: len(local) // size * size].view(np.uint32).reshape(-1, size // 4)


def _transposed(instruction: Instruction, bits: int, kernel: str) -> Step:
    """DS_READ_B64_TR_B16 and _B8 (CDNA4): 16 lanes read rows of 16 elements, and each keeps a column."""
    admit(instruction, {"offset"})
    target, address = (parse(text) for text in instruction.operands)
    place, registers, size = _offset(instruction, "offset"), target.registers, bits // 8

    def step(wave: Wave) -> None:
        if not wave.full:
            raise Unsupported(f"{instruction.opcode} with lanes switched off")
        at = wave.v[address.index].astype(np.int64) + place
        columns = _columns(_read(wave, at, 8, False, instruction, kernel), size)
        for number, word in enumerate(columns):
            wave.put(wave.v[target.index + number], word)
        wave.waits.issue("lgkm", registers)

    return step


def _columns(words: list[Words], size: int) -> Words:
    """What each lane keeps of the rows that 16 of them read, as words; elements have `size` bytes."""
    per_lane = 8 // size
    rows = np.ascontiguousarray(np.stack(words, axis=1)).view(f"u{size}").reshape(-1, per_lane, 16)
    columns = np.ascontiguousarray(rows.transpose(0, 2, 1)).reshape(-1, per_lane)
    return columns.view(np.uint32).T


def _permute(instruction: Instruction) -> Step:
    """DS_BPERMUTE_B32 pulls from, DS_PERMUTE_B32 pushes to the lane that an address divided by 4 names."""
    admit(instruction, {"offset"})
    target, address, data = (parse(text) for text in instruction.operands)
    offset = np.uint32(_offset(instruction, "offset"))
    move: Callable[[Wave, Any, Words], Words] = _pull if "bpermute" in instruction.opcode else _push
    registers = target.registers

    def step(wave: Wave) -> None:
        lanes = wave.base + ((wave.v[address.index] + offset) >> np.uint32(2) & np.uint32(LANES - 1))
        wave.put(wave.v[target.index], move(wave, lanes, wave.v[data.index]))
        wave.waits.issue("lgkm", registers)

    return step


def _swizzle(instruction: Instruction) -> Step:
    """DS_SWIZZLE_B32 with a pattern of bits: within 32 lanes, or any order of each four (CDNA3 ISA, 11.3)."""
    admit(instruction, {"offset"})
    target, data = (parse(text) for text in instruction.operands)
    source, registers = _swizzled(instruction.modifiers.get("offset", "0")), target.registers

    def step(wave: Wave) -> None:
        lanes = wave.base + np.tile(source, wave.size)
        wave.put(wave.v[target.index], _pull(wave, lanes, wave.v[data.index]))
        wave.waits.issue("lgkm", registers)

    return step


_SWIZZLE = re.compile(r"swizzle\((\w+),([^)]*)\)")


def _swizzled(text: str) -> npt.NDArray[np.int64]:
    """The lane from which each takes its value."""
    lane = np.arange(LANES)
    if not (found := _SWIZZLE.fullmatch(text.replace(" ", ""))):
        return _by_bits(whole(text), lane)
    return _by_name(found[1], found[2].split(","), lane)


def _by_name(name: str, numbers: list[str], lane: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The forms that the assembler has names for."""
    if name == "SWAP":
        return lane ^ int(numbers[0])
    if name == "REVERSE":
        return lane ^ (int(numbers[0]) - 1)
    if name == "BROADCAST":
        size, which = map(int, numbers)
        return lane // size * size + which
    if name == "QUAD_PERM":
        return np.asarray(lane // 4 * 4 + np.array([int(number) for number in numbers])[lane % 4])
    if name == "BITMASK_PERM":
        return _by_mask(numbers[0].strip('"'), lane)
    raise Unsupported(f"ds_swizzle_b32 swizzle({','.join([name, *numbers])})")


def _by_mask(mask: str, lane: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """A mask of five letters from the highest bit on: 0, 1, p as it is, i turned round."""
    source = lane & 0x20
    for place, letter in zip(range(4, -1, -1), mask, strict=True):
        bit = {"0": 0 * lane, "1": 0 * lane + 1, "p": lane >> place & 1, "i": ~lane >> place & 1}[letter]
        source |= bit << place
    return source


def _by_bits(offset: int, lane: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The plain form: three masks of five bits, or, with the highest bit, two bits for each of four lanes."""
    if offset >> 15:
        if offset >> 8 != 0x80:
            raise Unsupported(f"ds_swizzle_b32 offset:{offset:#x}")
        return np.asarray(lane // 4 * 4 + (offset >> 2 * (lane % 4) & 3))
    kept, set_, turned = offset & 31, offset >> 5 & 31, offset >> 10 & 31
    return np.asarray(lane & 0x20 | (lane & 31 & kept | set_) ^ turned)


def _pull(wave: Wave, lanes: Any, values: Words) -> Words:
    """A lane that is switched off gives 0."""
    return np.where(wave.mask[lanes], values[lanes], np.uint32(0))


def _push(wave: Wave, lanes: Any, values: Words) -> Words:
    """The last active lane wins; who is sent nothing reads 0."""
    result = np.zeros(values.shape, dtype=np.uint32)
    result[lanes[wave.mask]] = values[wave.mask]
    return result
