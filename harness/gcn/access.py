"""Scalar loads, and global and buffer accesses of vectors (CDNA3 ISA, sections 7 to 9)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.errors import Unsupported
from harness.gcn.assembly import Instruction
from harness.gcn.modifiers import admit
from harness.gcn.operands import Operand, parse, reader, spread, whole, wide
from harness.gcn.scalar import value
from harness.gcn.space import Place
from harness.gcn.wave import Step, Wave, Words, uniform

_SCALAR = re.compile(r"s_(buffer_)?load_dword(x(2|4|8|16))?")
_VECTOR = re.compile(r"(global|buffer|flat)_(load|store)_(\w+)")
_CACHE = frozenset({"sc0", "sc1", "nt"})
"""Hints to the caches: they change when others see a value, never which value."""


@dataclass(frozen=True)
class Shape:
    """What one lane moves: `width` bytes; a part of a word is filled by its sign where it is `signed`.

    `half` is where a 16-bit value goes in a register of which the rest stays: 0 or 16; None for whole words.
    """

    width: int
    signed: bool = False
    half: int | None = None


SHAPES: Mapping[str, Shape] = {
    "ubyte": Shape(1), "sbyte": Shape(1, True), "byte": Shape(1), "ushort": Shape(2),
    "sshort": Shape(2, True), "short": Shape(2),
    "dword": Shape(4), "dwordx2": Shape(8), "dwordx3": Shape(12), "dwordx4": Shape(16),
    "short_d16": Shape(2, half=0), "short_d16_hi": Shape(2, half=16), "ubyte_d16": Shape(1, half=0),
    "ubyte_d16_hi": Shape(1, half=16), "byte_d16_hi": Shape(1, half=16),
}  # fmt: skip


def build(instruction: Instruction) -> Step | None:
    """How to execute a memory instruction; None where it is not one of these."""
    if _SCALAR.fullmatch(instruction.opcode):
        return _scalar_load(instruction)
    if (found := _VECTOR.fullmatch(instruction.opcode)) and found[3] in SHAPES:
        return (_load if found[2] == "load" else _store)(instruction, found[1], SHAPES[found[3]])
    return None


def of_caches(instruction: Instruction) -> Step:
    """BUFFER_WBL2 and BUFFER_INV: what caches hold back is nowhere seen here, but both are waited for."""
    if strange := {*instruction.operands, *instruction.flags, *instruction.modifiers} - _CACHE:
        raise Unsupported(f"{instruction.opcode} with {', '.join(sorted(strange))}")
    return lambda wave: wave.waits.issue("vm", frozenset())


def issue(wave: Wave, space: str, registers: frozenset[int]) -> None:
    """A memory operation begins; one on flat memory may be of the local data share, and so counts twice."""
    wave.waits.issue("vm", registers)
    if space == "flat":
        wave.waits.issue("lgkm", registers, ordered=False)


# --- scalar loads ----------------------------------------------------------------------------


def _scalar_load(instruction: Instruction) -> Step:
    if instruction.opcode.startswith("s_buffer"):
        raise Unsupported(instruction.opcode)
    admit(instruction, {"offset"}, {"glc"})
    target, base, offset = map(parse, instruction.operands)
    words, more = target.words, whole(instruction.modifiers.get("offset", "0"))
    read_base, read_offset, registers = value(base, 2), value(offset, 1), target.registers

    def step(wave: Wave) -> None:
        # The two lowest bits of an address do not count (CDNA3 ISA, section 7.2).
        address = (uniform(read_base(wave)) + uniform(read_offset(wave)) + more) & ~3 & ((1 << 64) - 1)
        found = wave.space.read(address, 4 * words, Place(instruction, wave))
        for number, word in enumerate(found):
            wave.write(target.index + number, word, 1)
        wave.waits.issue("lgkm", registers, ordered=False)

    return step


# --- vector memory ---------------------------------------------------------------------------

Find = Callable[[Wave, int], tuple[Any, Any, Any]]
"""Finds each lane's address, the lanes that access at all, and those whose access the hardware drops."""
Addressed = tuple[Operand, Find]
"""The register of the data, and how to find the addresses."""
_MASKED = np.uint32(0x80000000)
"""The offset that Triton gives to lanes that are masked off (its BufferOpsEmitter)."""


def addressed(instruction: Instruction) -> Addressed:
    """How an access of global, buffer or flat memory finds its addresses."""
    if instruction.opcode.startswith("buffer"):
        return _buffer(instruction)
    if instruction.opcode.startswith("flat"):
        return _global(replace(instruction, operands=(*instruction.operands, "off")))
    return _global(instruction)


def reaching(wave: Wave, find: Find, width: int, writes: bool, place: Place) -> tuple[Any, Any]:
    """The addresses and the lanes that reach them; told are those that the hardware drops, and ought not."""
    addresses, mask, dropped = find(wave, width)
    if dropped is not None and np.count_nonzero(dropped):
        wave.space.dropped(addresses, dropped, width, writes, place)
    return addresses, mask


def _global(instruction: Instruction) -> Addressed:
    """Global memory: a pair of registers, or a scalar base and a 32-bit offset, and an immediate."""
    admit(instruction, {"offset"}, _CACHE)
    texts = list(instruction.operands)
    if "_load_" in instruction.opcode:
        data, address, base = texts
    else:
        address, data, base = texts
    offset = np.uint64(whole(instruction.modifiers.get("offset", "0")) % (1 << 64))
    lanes = parse(address).index
    if base == "off":
        return parse(data), lambda wave, width: (wide(wave, lanes) + offset, wave.mask, None)
    read = value(parse(base), 2)

    def find(wave: Wave, width: int) -> tuple[Any, Any, Any]:
        above = spread(read(wave), np.uint64) + offset
        return wave.v[lanes].astype(np.uint64) + above, wave.mask, None

    return parse(data), find


def _buffer(instruction: Instruction) -> Addressed:
    """A raw buffer: base, offset of the lane, of a scalar and of the instruction (CDNA3 ISA, section 9.1.5).

    A lane beyond the buffer's records reads 0 and writes nothing. Triton masks lanes so, by one offset that
    it keeps for that; a lane with another such offset is astray, though the hardware drops it.
    """
    admit(instruction, {"offset"}, {"offen", *_CACHE})
    data, lane, resource, scalar = map(parse, _with_lane(instruction))
    offset = whole(instruction.modifiers.get("offset", "0"))
    read_scalar = value(scalar, 1)
    by_lane = reader(lane, "u32") if "offen" in instruction.flags else (lambda wave: np.uint32(0))

    def find(wave: Wave, width: int) -> tuple[Any, Any, Any]:
        base, records = _resource(wave, resource.index, instruction)
        given = by_lane(wave)
        if given.shape != wave.mask.shape:
            given = np.broadcast_to(given, wave.mask.shape)
        places = given.view(np.int32).astype(np.int64)
        places += base + uniform(read_scalar(wave)) + offset
        outside = _beyond(given, records - offset - width)
        if not np.count_nonzero(outside):
            return places.view(np.uint64), wave.mask, None
        return places.view(np.uint64), ~outside & wave.mask, outside & (given != _MASKED) & wave.mask

    return data, find


def _beyond(offsets: Any, last: int) -> Any:
    """Which offsets are past the last one whose access lies inside the records."""
    return offsets > np.uint32(last) if last >= 0 else np.ones(offsets.shape, dtype=bool)


def _with_lane(instruction: Instruction) -> tuple[str, ...]:
    texts = instruction.operands
    return (texts[0], "0", *texts[2:]) if texts[1] == "off" else texts


def _resource(wave: Wave, index: int, instruction: Instruction) -> tuple[int, int]:
    """The base address and the number of records, in bytes, of a buffer resource (CDNA3 ISA, table 41)."""
    words = [uniform(word) for word in wave.scalars[index : index + 4]]
    stride, swizzles = words[1] >> 16 & 0x3FFF, words[1] >> 31
    if stride or swizzles:
        raise Unsupported(f"{instruction.opcode} from a buffer with a stride")
    return words[0] | (words[1] & 0xFFFF) << 32, words[2]


def _load(instruction: Instruction, space: str, shape: Shape) -> Step:
    data, find = addressed(instruction)
    width, index, registers = shape.width, data.index, data.registers

    def load(wave: Wave) -> None:
        place = Place(instruction, wave)
        addresses, mask = reaching(wave, find, width, False, place)
        for number, word in enumerate(wave.space.load(addresses, mask, width, place)):
            register = wave.v[index + number]
            wave.put(register, placed(shape, word, register))
        issue(wave, space, registers)

    return load


def _store(instruction: Instruction, space: str, shape: Shape) -> Step:
    data, find = addressed(instruction)
    index, words = data.index, -(-shape.width // 4)

    def store(wave: Wave) -> None:
        place = Place(instruction, wave)
        addresses, mask = reaching(wave, find, shape.width, True, place)
        values = [wave.v[index + number] for number in range(words)]
        if shape.half:
            values = [values[0] >> np.uint32(shape.half)]
        wave.space.store(addresses, mask, shape.width, values, place)
        issue(wave, space, frozenset())

    return store


def placed(shape: Shape, word: Words, before: Words) -> Words:
    """A loaded part of a word as it lies in its register."""
    if shape.signed:
        up = np.uint32(32 - 8 * shape.width)
        return ((word << up).view(np.int32) >> np.int32(up)).view(np.uint32)
    if shape.half is None:
        return word
    field = np.uint32(0xFFFF << shape.half)
    return before & ~field | word << np.uint32(shape.half)
