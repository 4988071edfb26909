"""Matrix multiply and accumulate: which element of which matrix each lane holds (CDNA3 ISA, section 6.7)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from harness.errors import Unsupported
from harness.gcn.assembly import Instruction
from harness.gcn.eight import worth
from harness.gcn.modifiers import admit
from harness.gcn.operands import Operand, Read, parse
from harness.gcn.wave import LANES, Step, Wave

_NAME = re.compile(
    r"v_mfma_(f32|i32)_(16x16|32x32)x(\d+)_?(f32|xf32|f16|bf16|bf16_1k|i8|fp8_fp8|bf8_bf8|fp8_bf8|bf8_fp8)"
)


@dataclass(frozen=True)
class Form:
    """One matrix instruction of a single block: `size` rows and columns, and the types of A and B."""

    size: int
    depth: int
    kinds: tuple[str, str]
    result: str

    @property
    def per_lane(self) -> int:
        """Elements of A, and of B, that a lane holds: consecutive ones along the depth."""
        return self.size * self.depth // LANES


def build(instruction: Instruction, architecture: str) -> Step | None:
    """How to execute a matrix instruction; None where it is not one of these."""
    found = _NAME.fullmatch(instruction.opcode)
    if not found:
        return None
    admit(instruction)
    kinds = found[4].removesuffix("_1k").split("_") * 2
    form = Form(int(found[2].split("x")[0]), int(found[3]), (kinds[0], kinds[1]), found[1])
    target, *sources = map(parse, instruction.operands)
    _check(form, instruction, sources)
    return _multiply(form, architecture, target, sources)


def _check(form: Form, instruction: Instruction, sources: list[Operand]) -> None:
    """Refuse forms of several blocks: their operands have other sizes than those of one."""
    for kind, operand in zip(form.kinds, sources[:2], strict=True):
        bits = form.per_lane * {"f32": 32, "xf32": 32, "f16": 16, "bf16": 16}.get(kind, 8)
        if operand.kind != "v" or bits != 32 * operand.words:
            raise Unsupported(f"{instruction.opcode} on {operand.text}")


def _multiply(form: Form, architecture: str, target: Operand, sources: list[Operand]) -> Step:
    first, second, addend = sources
    rows, columns = _result_places(form.size)
    number = len(rows)
    reads = [
        _reading(form, kind, architecture, at) for kind, at in zip(form.kinds, (first, second), strict=True)
    ]
    view, wide = ("f", np.float64) if form.result == "f32" else ("i", np.int64)
    results = slice(target.index, target.index + number)

    def step(wave: Wave) -> None:
        a, b = (read(wave) for read in reads)
        # [waves, size, size] to [registers, lanes of all waves]
        product = (a @ b.transpose(0, 2, 1))[:, rows, columns].transpose(1, 0, 2).reshape(number, -1)
        registers = getattr(wave, view)
        total = product.astype(wide) + _addend(addend, registers, number)
        registers[results] = total.astype(registers.dtype)

    return step


def _reading(form: Form, kind: str, architecture: str, source: Operand) -> Read:
    """How to read a matrix from the registers of all lanes."""
    decode, words = _decoder(kind, architecture), slice(source.index, source.index + source.words)
    return lambda wave: _matrix(form, decode(wave.v[words]))


def _addend(operand: Operand, registers: Any, number: int) -> Any:
    if operand.kind == "v":
        return registers[operand.index : operand.index + number].copy()
    if operand.kind == "const" and operand.text == "0":
        return 0
    raise Unsupported(f"a matrix addend of {operand.text}")


def _matrix(form: Form, elements: Any) -> Any:
    """[waves, size, depth] from what each lane holds: lanes run along the rows, then along the depth."""
    groups = LANES // form.size
    by_lane = elements.reshape(form.per_lane, -1, groups, form.size)
    return by_lane.transpose(1, 3, 2, 0).reshape(-1, form.size, form.depth)


@cache
def _result_places(size: int) -> tuple[Any, Any]:
    """Row and column of the result in each register and lane: four rows in turn for each group of lanes."""
    lane = np.arange(LANES)
    group, column = lane // size, lane % size
    registers = size * size // LANES
    number = np.arange(registers)[:, None]
    rows = number // 4 * (4 * (LANES // size)) + group * 4 + number % 4
    return rows, np.broadcast_to(column, (registers, LANES))


# --- elements --------------------------------------------------------------------------------

Decode = Callable[[Any], Any]
"""From words [registers, lanes] to elements [elements of a lane, lanes] in float64 or int64."""


def _decoder(kind: str, architecture: str) -> Decode:
    if kind == "f32":
        return lambda words: words.view(np.float32).astype(np.float64)
    if kind == "xf32":
        return lambda words: _short_mantissa(words).view(np.float32).astype(np.float64)
    if kind == "bf16":
        return lambda words: (_parts(words, 16) << np.uint32(16)).view(np.float32).astype(np.float64)
    if kind == "f16":
        return lambda words: _parts(words, 16).astype(np.uint16).view(np.float16).astype(np.float64)
    if kind == "i8":
        return lambda words: _parts(words, 8).astype(np.uint8).view(np.int8).astype(np.int64)
    table = worth(architecture, kind)
    return lambda words: table[_parts(words, 8)]


def _parts(words: Any, bits: int) -> Any:
    """The parts of each word from the lowest on, one row each."""
    rows = [word >> np.uint32(at) & np.uint32((1 << bits) - 1) for word in words for at in range(0, 32, bits)]
    return np.stack(rows)


def _short_mantissa(words: Any) -> Any:
    """XF32 keeps ten bits of the mantissa; here the others are rounded off, ties away from zero."""
    return (words + np.uint32(0x1000)) & np.uint32(0xFFFFE000)
