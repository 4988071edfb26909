"""Operands of instructions: which registers they name, and how their values are read.

Values of vectors are arrays of 64, those of scalars and constants are numpy's scalars, which broadcast.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

import numpy as np

from harness.errors import Unsupported
from harness.gcn.wave import ACCUMULATORS, EXEC, LANES, M0, VCC, Scalar, Wave, above, each

_NAMED = {
    "vcc": (VCC, 2), "vcc_lo": (VCC, 1), "vcc_hi": (VCC + 1, 1), "m0": (M0, 1),
    "exec": (EXEC, 2), "exec_lo": (EXEC, 1), "exec_hi": (EXEC + 1, 1),
}  # fmt: skip
_REGISTER = re.compile(r"([sva])(?:(\d+)|\[(\d+):(\d+)\])")
_WRAPPED = re.compile(r"(-?)(?:(\|)(.+)\||(abs|sext|neg)\((.+)\)|(.+))")
_LONG = (1 << 64) - 1
VECTORS = 128
"""Vector registers are numbered from here where both kinds share one numbering."""
_DTYPES: dict[str, Any] = {
    "u32": np.uint32, "i32": np.int32, "f32": np.float32, "u64": np.uint64, "i64": np.int64,
    "f64": np.float64, "f16": np.float16, "u16": np.uint16, "i16": np.int16,
}  # fmt: skip
_PACKED = {"f64": "<d", "f32": "<f", "f16": "<e"}

Read = Callable[[Wave], Any]
Write = Callable[[Wave, Any], None]


@dataclass(frozen=True)
class Operand:
    """A source or destination; `negate`, `absolute` and `sext` are its modifiers."""

    text: str
    kind: Literal["s", "v", "const"]
    index: int = 0
    words: int = 1
    negate: bool = False
    absolute: bool = False
    sext: bool = False

    @cached_property
    def registers(self) -> frozenset[int]:
        """The registers it names, scalars and vectors in one numbering."""
        if self.kind == "const":
            return frozenset()
        start = self.index + (VECTORS if self.kind == "v" else 0)
        return frozenset(range(start, start + self.words))


@cache
def parse(text: str) -> Operand:
    """An operand from its text; Unsupported where it is none that is known."""
    if _is_number(text):
        return Operand(text, "const")
    found = _WRAPPED.fullmatch(text)
    if not found:
        raise Unsupported(f"the operand {text!r}")
    sign, bar, barred, function, inner, plain = found.groups()
    kind, index, words = _register(barred or inner or plain, text)
    return Operand(
        text, kind, index, words,
        negate=bool(sign) or function == "neg",
        absolute=bool(bar) or function == "abs",
        sext=function == "sext",
    )  # fmt: skip


def _register(name: str, text: str) -> tuple[Literal["s", "v"], int, int]:
    if name in _NAMED:
        return "s", *_NAMED[name]
    if not (register := _REGISTER.fullmatch(name)):
        raise Unsupported(f"the operand {text!r}")
    letter, one, first, last = register.groups()
    index = int(one or first)
    words = 1 if one else int(last) - index + 1
    if letter == "s":
        return "s", index, words
    return "v", index + (ACCUMULATORS if letter == "a" else 0), words


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?(0x[0-9a-f]+|\d+(\.\d+)?)", text) is not None


def whole(text: str) -> int:
    """A number of an instruction as an integer."""
    return int(text, 0)


def constant(text: str, dtype: str) -> Any:
    """A constant operand as a value of a type (CDNA3 ISA, section 5.1.3).

    An integer gives its bits. One with a point gives the bits of that float in the operand's size, also
    for integer types; a literal of 32 bits is the upper half of a double.
    """
    size = np.dtype(_DTYPES[dtype]).itemsize
    if "." in text:
        real = {8: "<d", 4: "<f", 2: "<e"}[size]
        bits = int.from_bytes(struct.pack(real, float(text)), "little")
    else:
        bits = whole(text)
        if dtype == "f64" and not -16 <= bits <= 64:
            bits <<= 32
    value = np.array(bits & ((1 << (8 * size)) - 1), dtype=f"u{size}")
    return value.view(_DTYPES[dtype])[()]


def reader(operand: Operand, dtype: str) -> Read:
    """How to read an operand as a type, with its modifiers."""
    raw = _raw(operand, dtype)
    if not (operand.negate or operand.absolute):
        return raw
    if dtype[0] != "f":
        raise Unsupported(f"the modifier of {operand.text!r} on an integer")
    if operand.absolute and operand.negate:
        return lambda wave: -np.abs(raw(wave))
    return (lambda wave: np.abs(raw(wave))) if operand.absolute else (lambda wave: -raw(wave))


def _raw(operand: Operand, dtype: str) -> Read:
    if operand.kind == "const":
        value = constant(operand.text, dtype)
        return lambda wave: value
    if operand.kind == "s":
        return _scalar(operand.index, dtype)
    return _vector(operand.index, dtype)


def _scalar(index: int, dtype: str) -> Read:
    if dtype == "u32":
        return lambda wave: spread(wave.scalars[index], np.uint32)
    kind = np.dtype(_DTYPES[dtype])
    unsigned: Any = np.dtype(f"u{kind.itemsize}").type
    words, low = (2, _LONG) if kind.itemsize == 8 else (1, (1 << 8 * kind.itemsize) - 1)

    def read(wave: Wave) -> Any:
        value = wave.scalars[index] if words == 1 else wave.read(index, words)
        if type(value) is int:
            return unsigned(value & low).view(kind)
        return spread(each(lambda one: one & low, value), unsigned).view(kind)

    return read


def spread(value: Scalar, dtype: Any) -> Any:
    """A scalar value as vector instructions take it: one for all lanes, or one for those of each wave."""
    return dtype(value) if type(value) is int else np.repeat(np.array(value, dtype=dtype), LANES)


def _vector(index: int, dtype: str) -> Read:
    if dtype == "f32":
        return lambda wave: wave.f[index]
    if dtype == "i32":
        return lambda wave: wave.i[index]
    if dtype == "u32":
        return lambda wave: wave.v[index]
    kind = _DTYPES[dtype]
    if dtype in ("f16", "u16", "i16"):
        return lambda wave: wave.v[index].astype(np.uint16).view(kind)
    return lambda wave: wide(wave, index).view(kind)


def wide(wave: Wave, index: int) -> Any:
    """Two vector registers as one of 64 bits."""
    return above(wave.v[index + 1], wave.v[index])


def write(wave: Wave, index: int, value: Any, dtype: str) -> None:
    """Write a vector result in the active lanes. One of 16 bits clears the upper half (CDNA3 ISA, 6.2.1)."""
    writer(index, dtype)(wave, value)


@cache
def writer(index: int, dtype: str) -> Write:
    """How to write results of a type to a vector register, as `write` does."""
    if dtype == "f32":
        return lambda wave, value: wave.put(wave.f[index], value)
    if dtype == "i32":
        return lambda wave, value: wave.put(wave.i[index], value)
    if dtype == "u32":
        return lambda wave, value: wave.put(wave.v[index], value)
    kind = _DTYPES[dtype]
    return lambda wave, value: _write_sized(wave, index, np.asarray(value, dtype=kind))


def _write_sized(wave: Wave, index: int, value: Any) -> None:
    if value.dtype.itemsize == 2:
        wave.put(wave.v[index], value.view(np.uint16).astype(np.uint32))
        return
    halves = np.ascontiguousarray(value).view(np.uint32)  # at least one dimension: a scalar has two halves
    wave.put(wave.v[index], halves[::2])
    wave.put(wave.v[index + 1], halves[1::2])
