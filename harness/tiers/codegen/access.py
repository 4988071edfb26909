"""Loads and stores of Triton's IR: where their pointers come from, and how wide their values are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.tiers.codegen.ttir import Function, Operation, functions

CONVERSIONS: Mapping[str, str] = {
    "arith.extsi": "sign-extended",
    "arith.extui": "zero-extended",
    "arith.trunci": "truncated",
}
"""The changes of an integer's width, by operation of the IR."""
_POINTEE = re.compile(r"!tt\.ptr<([\w!.]+)")
_ELEMENT = re.compile(r"(?:tensor<(?:\d+x)*)?([a-z]\w*)")
# The value goes on as it is: the access has the same source.
_KEEPS_POINTER = frozenset(
    {"tt.addptr", "tt.advance", "tt.make_tensor_ptr", "tt.splat", "tt.broadcast", "tt.expand_dims",
     "tt.reshape", "tt.trans", "tt.bitcast", "ttg.convert_layout", "iterated"}
)  # fmt: skip
_KEEPS_VALUE = _KEEPS_POINTER - {"tt.addptr", "tt.advance", "tt.make_tensor_ptr", "tt.bitcast", "iterated"}
_DEPTH = 64
"""How many steps back from an access are looked at."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """One load or store of the IR.

    `argument` is the kernel argument its pointer comes from (None if that cannot be told),
    `element` the type behind the pointer. A store whose value had another integer type just
    before has that as `value`, and how it was changed as `conversion`. `offset` is the type of the
    index that was added to the pointer, `products` the types that were multiplied to make it.
    """

    kind: str
    argument: str | None
    element: str
    value: str | None = None
    conversion: str | None = None
    offset: str | None = None
    products: tuple[str, ...] = ()

    @property
    def mixed_width(self) -> bool:
        """Whether an integer is stored in another width than it was computed in; flags (i1) are none."""
        return self.conversion is not None and self.value != "i1"

    def to_json(self) -> dict[str, Any]:
        """The facts that are known, as a trace keeps them."""
        known = {
            "argument": self.argument,
            "element": self.element,
            "offset": self.offset,
            "value": self.value,
        }
        present = {name: value for name, value in known.items() if value is not None}
        if self.conversion:
            present["conversion"] = self.conversion
        return present | ({"products": list(self.products)} if self.products else {})


def accesses(ttir: str, arguments: Sequence[str]) -> tuple[Access, ...]:
    """Every load and store of a kernel's TTIR, in order; `arguments` are its run-time arguments."""
    return tuple(
        _access(operation, function, arguments)
        for function in functions(ttir)
        for operation in function.accesses
    )


def _access(operation: Operation, function: Function, arguments: Sequence[str]) -> Access:
    kind = operation.name.removeprefix("tt.")
    pointer = operation.operands[0]
    shift = _last(function, pointer, "tt.addptr")
    conversion = _converted(function, operation.operands[1]) if kind == "store" else None
    return Access(
        kind=kind,
        argument=_argument(function, pointer, arguments),
        element=_pointee(operation.types),
        value=_element(conversion.types.partition(" to ")[0]) if conversion else None,
        conversion=CONVERSIONS[conversion.name] if conversion else None,
        offset=_element(shift.types.rpartition(", ")[2]) if shift else None,
        products=tuple(sorted(set(_products(function, shift.operands[1], frozenset())))) if shift else (),
    )


def _back(function: Function, value: str) -> Iterator[tuple[str, Operation | None]]:
    """A value and what it came from, step by step along first operands, each with what makes it."""
    for _ in range(_DEPTH):
        maker = function.made_by.get(value)
        yield value, maker
        if maker is None:
            return
        value = maker.operands[0]


def _argument(function: Function, pointer: str, arguments: Sequence[str]) -> str | None:
    """The kernel argument a pointer was derived from."""
    for value, maker in _back(function, pointer):
        if value in function.parameters:
            place = function.parameters.index(value)
            return arguments[place] if place < len(arguments) else None
        if maker is None or maker.name not in _KEEPS_POINTER:
            return None
    return None


def _last(function: Function, pointer: str, wanted: str) -> Operation | None:
    """The last operation of that name that a pointer went through."""
    for _, maker in _back(function, pointer):
        if maker is None or maker.name == wanted:
            return maker
        if maker.name not in _KEEPS_POINTER:
            return None
    return None


def _converted(function: Function, value: str) -> Operation | None:
    """The change of width that a stored value went through last, past changes of mere shape."""
    for _, maker in _back(function, value):
        if maker is None or maker.name in CONVERSIONS:
            return maker
        if maker.name not in _KEEPS_VALUE:
            return None
    return None


def _products(function: Function, value: str, seen: frozenset[str]) -> Iterator[str]:
    """Integer types that an index was multiplied in. What was loaded is not looked behind."""
    maker = function.made_by.get(value)
    if maker is None or value in seen or maker.name in ("tt.load", "iterated"):
        return
    if maker.name == "arith.muli" and any(_varies(function, operand) for operand in maker.operands):
        yield _element(maker.types)
    for operand in maker.operands:
        yield from _products(function, operand, seen | {value})


def _varies(function: Function, value: str) -> bool:
    """Whether a factor comes from memory: a product of launch facts alone cannot depend on the data."""
    for _, maker in _back(function, value):
        if maker is None:
            return False
        if maker.name == "tt.load":
            return True
        if maker.name not in _KEEPS_VALUE and maker.name not in CONVERSIONS:
            return False
    return False


def _pointee(types: str) -> str:
    found = _POINTEE.search(types)
    return found[1] if found else _element(types)


def _element(types: str) -> str:
    found = _ELEMENT.match(types.strip())
    return found[1] if found else types.strip()
