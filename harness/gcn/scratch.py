"""Scratch memory: each lane has its own, as large as its kernel declares (CDNA3 ISA, section 10.2)."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from harness.gcn.access import SHAPES, Shape, placed
from harness.gcn.assembly import Instruction
from harness.gcn.modifiers import admit
from harness.gcn.operands import Read, parse, reader, spread, whole
from harness.gcn.scalar import value
from harness.gcn.space import Place
from harness.gcn.wave import Step, Wave
from harness.observation import Fault

_NAME = re.compile(r"scratch_(load|store)_(\w+)")
_NEVER_WRITTEN = 0xA5
SCRATCH = "scratch memory"
Offsets = npt.NDArray[np.int64]


def build(instruction: Instruction, size: int) -> Step | None:
    """How to execute a scratch instruction of a kernel with so many bytes for a lane; None for another."""
    found = _NAME.fullmatch(instruction.opcode)
    if not found or found[2] not in SHAPES:
        return None
    admit(instruction, {"offset"}, {"sc0", "sc1", "nt"})
    return (_load if found[1] == "load" else _store)(instruction, SHAPES[found[2]], size)


def _load(instruction: Instruction, shape: Shape, size: int) -> Step:
    target, *address = instruction.operands
    data, offsets = parse(target), _offsets(instruction, *address)

    def step(wave: Wave) -> None:
        at = offsets(wave)
        lanes = _inside(wave, at, shape.width, size, "oob-read", instruction)
        octets = np.zeros((len(lanes), -(-shape.width // 4) * 4), dtype=np.uint8)
        octets[lanes, : shape.width] = _own(wave, size)[_places(at, lanes, shape.width)]
        for number, word in enumerate(octets.view("<u4").T):
            register = wave.v[data.index + number]
            wave.put(register, placed(shape, word, register))
        wave.waits.issue("vm", data.registers)

    return step


def _store(instruction: Instruction, shape: Shape, size: int) -> Step:
    lane, source, base = instruction.operands
    data, offsets, start = parse(source), _offsets(instruction, lane, base), (shape.half or 0) // 8
    words = -(-shape.width // 4)

    def step(wave: Wave) -> None:
        at = offsets(wave)
        lanes = _inside(wave, at, shape.width, size, "oob-write", instruction)
        octets = np.ascontiguousarray(wave.v[data.index : data.index + words].T).view(np.uint8)
        _own(wave, size)[_places(at, lanes, shape.width)] = octets[lanes, start : start + shape.width]
        wave.waits.issue("vm", frozenset())

    return step


def _offsets(instruction: Instruction, lane: str, base: str) -> Read:
    """Where each lane's access is in its own memory: a register of it, a scalar, and a constant."""
    known = whole(instruction.modifiers.get("offset", "0"))
    by_lane: Read = reader(parse(lane), "i32") if lane != "off" else lambda wave: np.int32(0)
    by_wave = value(parse(base), 1) if base != "off" else lambda wave: 0

    def offsets(wave: Wave) -> Offsets:
        at = np.asarray(by_lane(wave)).astype(np.int64) + spread(by_wave(wave), np.int64) + known
        return np.broadcast_to(at, wave.mask.shape)

    return offsets


def _own(wave: Wave, size: int) -> npt.NDArray[np.uint8]:
    """The memory of each lane, [lanes, bytes]."""
    if wave.scratch is None:
        wave.scratch = fresh(wave.mask.size, size)
    return wave.scratch


def fresh(lanes: int, size: int) -> npt.NDArray[np.uint8]:
    """Scratch memory that nobody has written."""
    return np.full((lanes, size), _NEVER_WRITTEN, dtype=np.uint8)


def _places(at: Offsets, lanes: npt.NDArray[np.bool_], width: int) -> tuple[Offsets, Offsets]:
    return np.flatnonzero(lanes)[:, None], at[lanes][:, None] + np.arange(width)


def _inside(
    wave: Wave, at: Offsets, width: int, size: int, kind: str, instruction: Instruction
) -> npt.NDArray[np.bool_]:
    """The active lanes that stay inside of their own memory; others are told, and do nothing."""
    good = (at >= 0) & (at + width <= size)
    if (stray := wave.mask & ~good).any():
        fault = Fault(kind=kind, buffer=SCRATCH, kernel=wave.space.kernel, numel=size // width)
        place = Place(instruction, wave).of(int(np.flatnonzero(stray)[0]))
        wave.space.stray(fault, at[stray] // width, place)
    return good & wave.mask
