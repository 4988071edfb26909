"""Packed instructions: two operations at once, and products of mixed sizes (CDNA3 ISA, 12.10)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from harness.errors import Unsupported
from harness.gcn.arithmetic import F32, U32, Function, fma, half_of, limited
from harness.gcn.assembly import Instruction
from harness.gcn.modifiers import admit
from harness.gcn.operands import Operand, Read, constant, parse, reader, write
from harness.gcn.wave import Step, Wave

_SELECTS = frozenset({"op_sel", "op_sel_hi"})
_SIGNS = frozenset({"neg_lo", "neg_hi"})
_HALF_WORDS: Mapping[str, tuple[str, Function]] = {
    "v_pk_add_f16": ("f16", lambda a, b: a + b),
    "v_pk_mul_f16": ("f16", lambda a, b: a * b),
    "v_pk_fma_f16": ("f16", partial(fma, dtype=np.float16)),
    "v_pk_max_f16": ("f16", np.fmax),
    "v_pk_min_f16": ("f16", np.fmin),
    "v_pk_add_u16": ("u16", lambda a, b: a + b),
    "v_pk_add_i16": ("i16", lambda a, b: a + b),
    "v_pk_sub_u16": ("u16", lambda a, b: a - b),
    "v_pk_sub_i16": ("i16", lambda a, b: a - b),
    "v_pk_mul_lo_u16": ("u16", lambda a, b: a * b),
    "v_pk_mad_u16": ("u16", lambda a, b, c: a * b + c),
    "v_pk_mad_i16": ("i16", lambda a, b, c: a * b + c),
    "v_pk_max_u16": ("u16", np.maximum),
    "v_pk_max_i16": ("i16", np.maximum),
    "v_pk_min_u16": ("u16", np.minimum),
    "v_pk_min_i16": ("i16", np.minimum),
    "v_pk_lshlrev_b16": ("u16", lambda a, b: b << (a & np.uint16(15))),
    "v_pk_lshrrev_b16": ("u16", lambda a, b: b >> (a & np.uint16(15))),
    "v_pk_ashrrev_i16": ("i16", lambda a, b: b >> (a & np.int16(15))),
}
_WORDS: Mapping[str, Function] = {
    "v_pk_mul_f32": lambda a, b: a * b,
    "v_pk_add_f32": lambda a, b: a + b,
    "v_pk_fma_f32": fma,
}
_MIXED = frozenset({"v_fma_mix_f32", "v_fma_mixlo_f16", "v_fma_mixhi_f16"})


def build(instruction: Instruction) -> Step | None:
    """How to execute a packed instruction; None where it is not one of these."""
    if instruction.opcode in _HALF_WORDS:
        return _half_words(instruction, *_HALF_WORDS[instruction.opcode])
    if instruction.opcode in _WORDS:
        return _words(instruction, _WORDS[instruction.opcode])
    if instruction.opcode == "v_pk_mov_b32":
        return _moved(instruction)
    return _mixed(instruction) if instruction.opcode in _MIXED else None


def _choices(instruction: Instruction, name: str, default: int, count: int) -> list[int]:
    """A modifier such as op_sel:[0,1], which has a bit for each source."""
    found = [int(digit) for digit in re.findall(r"\d", instruction.modifiers.get(name, ""))]
    if found and len(found) < count:
        raise Unsupported(f"{instruction.text}: {name} for {len(found)} of {count} sources")
    return found or [default] * count


def _plain(operand: Operand) -> Operand:
    if operand.negate or operand.absolute or operand.sext:
        raise Unsupported(f"a packed operation with {operand.text}")
    return operand


# --- halves of a word ------------------------------------------------------------------------


def _half_words(instruction: Instruction, kind: str, function: Function) -> Step:
    """Two operations on 16 bits; `op_sel` and `op_sel_hi` name the halves that each takes."""
    admit(instruction, _SELECTS | (_SIGNS if kind == "f16" else frozenset()))
    target, *operands = map(parse, instruction.operands)
    low, high = (_side(instruction, operands, kind, side) for side in (0, 1))

    def step(wave: Wave) -> None:
        lower, upper = (_computed(wave, kind, function, reads) for reads in (low, high))
        wave.put(wave.v[target.index], lower | upper << U32(16))

    return step


def _computed(wave: Wave, kind: str, function: Function, reads: list[Read]) -> Any:
    values = [read(wave) for read in reads]
    result = function(*values)
    return half_of(limited(result, *values) if kind == "f16" and wave.limits_halves else result)


def _side(instruction: Instruction, operands: list[Operand], kind: str, side: int) -> list[Read]:
    """How to read the sources of the low (0) or the high (1) operation."""
    count = len(operands)
    halves = _choices(instruction, ("op_sel", "op_sel_hi")[side], side, count)
    signs = _choices(instruction, ("neg_lo", "neg_hi")[side], 0, count)
    return [_half(*given, kind) for given in zip(operands, halves, signs, strict=True)]


def _half(operand: Operand, half: int, negative: int, kind: str) -> Read:
    read = _half_of_word(_plain(operand), half, kind)
    return (lambda wave: -read(wave)) if negative else read


def _half_of_word(operand: Operand, half: int, kind: str) -> Read:
    if operand.kind == "const":
        if half and operand.text != "0":
            raise Unsupported(f"the upper half of the constant {operand.text}")
        value = constant(operand.text, kind)
        return lambda wave: value
    shift, dtype = U32(16 * half), np.dtype(kind[0] + "2")
    word = reader(replace(operand, negate=False, absolute=False), "u32")
    return lambda wave: (word(wave) >> shift).astype(np.uint16).view(dtype)


# --- words -----------------------------------------------------------------------------------


def _words(instruction: Instruction, function: Function) -> Step:
    """Two operations on floats of 32 bits; `op_sel` and `op_sel_hi` name the words that each takes."""
    admit(instruction, _SELECTS | _SIGNS)
    target, *operands = map(parse, instruction.operands)
    count, sides = len(operands), []
    for side, (select, sign) in enumerate((("op_sel", "neg_lo"), ("op_sel_hi", "neg_hi"))):
        chosen = _choices(instruction, select, side, count), _choices(instruction, sign, 0, count)
        sides.append([_word(*given) for given in zip(operands, *chosen, strict=True)])
    return _pair(target, lambda wave: [function(*(read(wave) for read in reads)) for reads in sides])


def _moved(instruction: Instruction) -> Step:
    """V_PK_MOV_B32: the low result is the first source's, the high one the second's."""
    admit(instruction, _SELECTS)
    target, *operands = map(parse, instruction.operands)
    halves = _choices(instruction, "op_sel", 0, len(operands))
    reads = [_word(*given, 0) for given in zip(operands, halves, strict=True)]
    return _pair(target, lambda wave: [np.array(read(wave)) for read in reads])


def _pair(target: Operand, results: Read) -> Step:
    """Write both results once both are known: a source may be the destination."""

    def step(wave: Wave) -> None:
        for number, result in enumerate(results(wave)):
            write(wave, target.index + number, result, "f32")

    return step


def _word(operand: Operand, half: int, negative: int) -> Read:
    if operand.kind == "const" and half:
        raise Unsupported(f"the upper half of the constant {operand.text}")
    read = reader(Operand(operand.text, _plain(operand).kind, operand.index + half), "f32")
    return (lambda wave: -read(wave)) if negative else read


# --- mixed sizes -----------------------------------------------------------------------------


def _mixed(instruction: Instruction) -> Step:
    """V_FMA_MIX_F32 and its like: a source is a float of 32 bits, or with `op_sel_hi` one half of a word.

    The sum is rounded to 32 bits, and for a half once more; the other half of the destination stays.
    """
    admit(instruction, _SELECTS, {"clamp"})
    target, *operands = map(parse, instruction.operands)
    halves, short = (_choices(instruction, name, 0, 3) for name in ("op_sel", "op_sel_hi"))
    reads = [_of_any_size(*given) for given in zip(operands, halves, short, strict=True)]
    half = {"v_fma_mix_f32": None, "v_fma_mixlo_f16": 0, "v_fma_mixhi_f16": 16}[instruction.opcode]
    clamps = "clamp" in instruction.flags

    def step(wave: Wave) -> None:
        value = fma(*(read(wave) for read in reads))
        _write_half(wave, target.index, np.clip(value, F32(0), F32(1)) if clamps else value, half)

    return step


def _of_any_size(operand: Operand, half: int, short: int) -> Read:
    plain = replace(operand, negate=False, absolute=False)
    if not short and half:
        raise Unsupported(f"the upper half of the float {operand.text}")
    read = _half_of_word(plain, half, "f16") if short else reader(plain, "f32")
    wider: Read = lambda wave: np.asarray(read(wave)).astype(F32)  # noqa: E731
    size: Read = (lambda wave: np.abs(wider(wave))) if operand.absolute else wider
    return (lambda wave: -size(wave)) if operand.negate else size


def _write_half(wave: Wave, index: int, value: Any, half: int | None) -> None:
    if half is None:
        write(wave, index, value, "f32")
        return
    kept = wave.v[index] & U32(0xFFFF0000 >> half)
    short = np.asarray(value).astype(np.float16)
    word = half_of(limited(short, value) if wave.limits_halves else short)
    wave.put(wave.v[index], kept | word << U32(half))
