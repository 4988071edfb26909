"""Floats of eight bits: what they are worth, and conversions (CDNA3 ISA, 12.9 and 12.11; CDNA4 ISA likewise).

gfx942 has types with one NaN and no infinity (`fnuz`), gfx950 those of the Open Compute Project.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from harness.errors import Unsupported
from harness.gcn.arithmetic import F32, F64, U32, Values
from harness.gcn.assembly import Instruction
from harness.gcn.modifiers import admit
from harness.gcn.operands import Operand, Read, parse, reader, write
from harness.gcn.permute import part
from harness.gcn.wave import Step, Wave

_TYPES: Mapping[str, Mapping[str, torch.dtype]] = {
    "gfx942": {"fp8": torch.float8_e4m3fnuz, "bf8": torch.float8_e5m2fnuz},
    "gfx950": {"fp8": torch.float8_e4m3fn, "bf8": torch.float8_e5m2},
}
_NAME = re.compile(
    r"v_cvt_(?P<scaled>scalef32_)?(?:pk_(?P<to>fp8|bf8)_f32|(?P<pair>pk_)?f32_(?P<of>fp8|bf8))"
)
_SIGN = 0x80


def build(instruction: Instruction, architecture: str) -> Step | None:
    """How to execute a conversion to or from floats of eight bits; None where it is not one of these."""
    found = _NAME.fullmatch(instruction.opcode)
    if not found or architecture not in _TYPES:
        return None
    if found["scaled"] and architecture == "gfx942":
        return None  # of CDNA4
    if found["to"]:
        return _packing(instruction, architecture, found["to"], bool(found["scaled"]))
    return _unpacking(
        instruction, worth(architecture, found["of"]), bool(found["pair"]), bool(found["scaled"])
    )


@cache
def worth(architecture: str, kind: str) -> npt.NDArray[np.float64]:
    """What each of the 256 values is worth on a chip; `kind` is fp8 or bf8."""
    dtype = _TYPES[architecture][kind]
    return torch.arange(256, dtype=torch.uint8).view(dtype).to(torch.float64).numpy()


def bits(value: Values, architecture: str, kind: str, limits: bool) -> Values:
    """Floats rounded to the nearest value, of two as near to the even one.

    What is past the largest is an infinity or NaN, as the type has it; with `limits` (FP16_OVFL) a finite one
    becomes the largest.
    """
    known, ends, largest = _steps(architecture, kind)
    wide = np.asarray(value, dtype=F64)
    size = np.abs(wide)
    if limits:
        size = np.where(np.isfinite(size), np.minimum(size, known[largest]), size)
    below = np.searchsorted(ends, size, side="left")
    # A value in the middle belongs to the even one of its neighbours.
    tied = (below < len(ends)) & (ends[np.minimum(below, len(ends) - 1)] == size)
    code = np.where(tied & (below % 2 == 1), below + 1, below)
    if architecture == "gfx942":
        return _of_one_nan(code, wide, largest)
    nan = np.isnan(wide)
    infinite = np.isinf(wide)
    code = np.where(nan | (infinite & (kind == "fp8")), 0x7F, np.where(infinite, largest + 1, code))
    return (code | np.where(np.signbit(wide), _SIGN, 0)).astype(U32)


def _of_one_nan(code: Values, wide: Values, largest: int) -> Values:
    """The types without an infinity and a negative zero: all that does not fit is the one NaN."""
    lost = ~np.isfinite(wide) | (code > largest)
    signed = np.where(np.signbit(wide) & (code > 0), code | _SIGN, code)
    return np.where(lost, _SIGN, signed).astype(U32)


@cache
def _steps(architecture: str, kind: str) -> tuple[Any, Any, int]:
    """The finite values from 0 up, what lies in the middle of each and the next, and the largest's place.

    Behind the largest lies what would be next, if the type had it.
    """
    positive = worth(architecture, kind)[:_SIGN]
    finite = positive[np.isfinite(positive)]
    values = np.append(finite, 2 * finite[-1] - finite[-2])
    return values, (values[:-1] + values[1:]) / 2, len(finite) - 1


# --- instructions ----------------------------------------------------------------------------


def _packing(instruction: Instruction, architecture: str, kind: str, scaled: bool) -> Step:
    """V_CVT_PK_FP8_F32 and its like: two floats in one half of a word, of which the other half stays."""
    admit(instruction, {"op_sel"})
    target, *operands = map(parse, instruction.operands)
    reads = [reader(operand, "f32") for operand in operands[:2]]
    scale = _scale(operands[2:], scaled)
    shift = U32(16 * _selected(instruction, len(operands)))

    def step(wave: Wave) -> None:
        low, high = (
            bits(np.asarray(read(wave), dtype=F64) / scale(wave), architecture, kind, wave.limits_halves)
            for read in reads
        )
        kept = wave.v[target.index] & ~(U32(0xFFFF) << shift)
        wave.put(wave.v[target.index], kept | (low | high << U32(8)) << shift)

    return step


def _unpacking(instruction: Instruction, table: npt.NDArray[np.float64], pair: bool, scaled: bool) -> Step:
    """V_CVT_F32_FP8 and its like: one byte of a word, or both of one half, as floats of 32 bits."""
    admit(instruction, {"op_sel"} if scaled else set(), encoded=True)
    target, source, *rest = map(parse, instruction.operands)
    word, scale = reader(source, "u32"), _scale(rest, scaled)
    first = _first_bit(instruction, pair, scaled)
    shifts = [U32(first + 8 * number) for number in range(2 if pair else 1)]

    def step(wave: Wave) -> None:
        found = [table[word(wave) >> shift & U32(0xFF)] * scale(wave) for shift in shifts]
        for number, value in enumerate(found):
            write(wave, target.index + number, value.astype(F32), "f32")

    return step


def _first_bit(instruction: Instruction, pair: bool, scaled: bool) -> int:
    """Where in its word the source begins."""
    if scaled:
        if not pair:
            raise Unsupported(instruction.text)
        return 16 * _selected(instruction, 0)
    if instruction.encoding == "dpp":
        raise Unsupported(f"{instruction.opcode} with dpp")
    name = instruction.modifiers.get("src0_sel", "WORD_0" if pair else "BYTE_0")
    shift, width = part(name)
    if width != (16 if pair else 8):
        raise Unsupported(f"{instruction.opcode} of {name}")
    return shift


def _selected(instruction: Instruction, place: int) -> int:
    """One bit of op_sel:[0,1], by its place; 0 where it says nothing."""
    found = re.findall(r"\d", instruction.modifiers.get("op_sel", ""))
    return int(found[place]) if place < len(found) else 0


def _scale(operands: list[Operand], scaled: bool) -> Callable[[Wave], Any]:
    """The power of two that a value of eight bits stands for as 1; only its exponent counts (CDNA4)."""
    if not scaled:
        return lambda wave: 1.0
    (operand,) = operands
    read: Read = reader(operand, "u32")

    def scale(wave: Wave) -> Any:
        exponent = np.asarray(read(wave)) >> U32(23) & U32(0xFF)
        if (exponent == 0xFF).any() or (exponent == 0).any():
            raise Unsupported(f"a scale of {operand.text} that is no normal number")
        return np.ldexp(1.0, exponent.astype(np.int64) - 127)

    return scale
