"""Facts about memory accesses in a compiled Triton kernel, in words that Triton 3.4 to 3.9 share.

Read are Triton's own IR (TTIR), which is the same for every target, and the assembly of AMD (AMDGCN)
and of NVIDIA (PTX). Names of registers, values, layouts and lines are left out: they differ from
release to release. What each fact means is told in docs/codegen.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CONVERSIONS: Mapping[str, str] = {
    "arith.extsi": "sign-extended",
    "arith.extui": "zero-extended",
    "arith.trunci": "truncated",
}
"""The changes of an integer's width, by operation of the IR."""

_VALUE = r"%[\w$.-]+(?:#\d+)?"
_LINE = re.compile(
    rf"^\s*(?:(?P<results>{_VALUE}(?::\d+)?(?:, {_VALUE})*) = )?\"?(?P<op>[a-z_]+\.[\w.]+)\"?(?P<rest>.*)$"
)
_LOCATION = re.compile(r"\s+loc\(.*$")
_ITERATED = re.compile(rf"({_VALUE}) = ({_VALUE})")
_PARAMETER = re.compile(rf"({_VALUE}): ")
_POINTEE = re.compile(r"!tt\.ptr<([\w!.]+)")
_ELEMENT = re.compile(r"(?:tensor<(?:\d+x)*)?([a-z]\w*)")
# The value goes on as it is: the access has the same source.
_KEEPS_POINTER = frozenset(
    {"tt.addptr", "tt.advance", "tt.make_tensor_ptr", "tt.splat", "tt.broadcast", "tt.expand_dims",
     "tt.reshape", "tt.trans", "tt.bitcast", "ttg.convert_layout", "iterated"}
)  # fmt: skip
_KEEPS_VALUE = _KEEPS_POINTER - {"tt.addptr", "tt.advance", "tt.make_tensor_ptr", "tt.bitcast", "iterated"}
_DEPTH = 64


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


@dataclass(frozen=True)
class _Operation:
    name: str
    operands: tuple[str, ...]
    types: str


@dataclass
class _Function:
    """One function of the IR: what each value is made by, and its accesses in order."""

    parameters: list[str]
    made_by: dict[str, _Operation] = field(default_factory=dict)
    accesses: list[_Operation] = field(default_factory=list)


# --- Triton's IR -----------------------------------------------------------------------------


def accesses(ttir: str, arguments: Sequence[str]) -> tuple[Access, ...]:
    """Every load and store of a kernel's TTIR, in order; `arguments` are its run-time arguments."""
    return tuple(
        _access(operation, function, arguments)
        for function in _functions(ttir)
        for operation in function.accesses
    )


def _functions(ttir: str) -> Iterator[_Function]:
    """The module's functions as the lines tell them; regions of loops belong to their function."""
    function: _Function | None = None
    for line in ttir.splitlines():
        found = _LINE.match(_LOCATION.sub("", line))
        if found and found["op"] == "tt.func":
            if function:
                yield function
            function = _Function(_PARAMETER.findall(line) if " public " in line else [])
        elif found and function:
            _note(function, found)
    if function:
        yield function


def _note(function: _Function, line: re.Match[str]) -> None:
    body, _, types = line["rest"].rpartition(" : ")
    operation = _Operation(line["op"], tuple(re.findall(_VALUE, body)), types)
    if operation.name == "scf.for":
        iterated = line["rest"].partition("iter_args(")[2].partition(") ->")[0]
        for inner, initial in _ITERATED.findall(iterated):
            function.made_by[inner] = _Operation("iterated", (initial,), "")
    if operation.name in ("tt.load", "tt.store"):
        function.accesses.append(operation)
    for result in re.findall(_VALUE, line["results"] or ""):
        function.made_by[result] = operation


def _access(operation: _Operation, function: _Function, arguments: Sequence[str]) -> Access:
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


def _argument(function: _Function, pointer: str, arguments: Sequence[str]) -> str | None:
    """The kernel argument a pointer was derived from."""
    for _ in range(_DEPTH):
        if pointer in function.parameters:
            place = function.parameters.index(pointer)
            return arguments[place] if place < len(arguments) else None
        maker = function.made_by.get(pointer)
        if maker is None or maker.name not in _KEEPS_POINTER:
            return None
        pointer = maker.operands[0]
    return None


def _last(function: _Function, value: str, wanted: str) -> _Operation | None:
    """The last operation of that name that a pointer went through."""
    for _ in range(_DEPTH):
        maker = function.made_by.get(value)
        if maker is None or maker.name == wanted:
            return maker
        if maker.name not in _KEEPS_POINTER:
            return None
        value = maker.operands[0]
    return None


def _converted(function: _Function, value: str) -> _Operation | None:
    """The change of width that a stored value went through last, past changes of mere shape."""
    for _ in range(_DEPTH):
        maker = function.made_by.get(value)
        if maker is None:
            return None
        if maker.name in CONVERSIONS:
            return maker
        if maker.name not in _KEEPS_VALUE:
            return None
        value = maker.operands[0]
    return None


def _products(function: _Function, value: str, seen: frozenset[str]) -> Iterator[str]:
    """Integer types that an index was multiplied in. What was loaded is not looked behind."""
    maker = function.made_by.get(value)
    if maker is None or value in seen or maker.name in ("tt.load", "iterated"):
        return
    if maker.name == "arith.muli" and any(_varies(function, operand) for operand in maker.operands):
        yield _element(maker.types)
    for operand in maker.operands:
        yield from _products(function, operand, seen | {value})


def _varies(function: _Function, value: str) -> bool:
    """Whether a factor comes from memory: a product of launch facts alone cannot depend on the data."""
    for _ in range(_DEPTH):
        maker = function.made_by.get(value)
        if maker is None:
            return False
        if maker.name == "tt.load":
            return True
        if maker.name not in _KEEPS_VALUE and maker.name not in CONVERSIONS:
            return False
        value = maker.operands[0]
    return False


def _pointee(types: str) -> str:
    found = _POINTEE.search(types)
    return found[1] if found else _element(types)


def _element(types: str) -> str:
    found = _ELEMENT.match(types.strip())
    return found[1] if found else types.strip()


# --- assembly --------------------------------------------------------------------------------


@dataclass(frozen=True)
class MachineStore:
    """One store instruction to global memory: its width, and whether its value was sign-extended."""

    bits: int
    sign_extended: bool


_AMD_STORE = re.compile(r"^\s*(?P<unit>buffer|global|flat)_store_(?P<width>\w+)\s+(?P<operands>.*)$")
_AMD_WRITE = re.compile(r"^\s*(?P<op>[a-z]\w+)\s+(?P<target>v\d+|v\[\d+:\d+\]),\s*(?P<sources>.*)$")
_AMD_REGISTERS = re.compile(r"\bv(?:\[(\d+):(\d+)\]|(\d+))")
_AMD_WIDTHS = {"byte": 8, "short": 16, "dword": 32, "dwordx2": 64, "dwordx3": 96, "dwordx4": 128}
# A load with a default selects between value and default after the value was extended.
_AMD_CARRIES = ("v_mov_b32", "v_cndmask_b32")
_PTX_STORE = re.compile(
    r"^\s*(?:@!?%\w+ )?st(?:\.\w+)*?\.global(?:\.[\w:]+)*?(?:\.v(?P<lanes>\d))?\.[bsuf](?P<bits>\d+)"
    r"\s*\[[^\]]*\],\s*\{?\s*(?P<value>%\w+)"
)
_PTX_EXTENDS = re.compile(r"^\s*cvt\.s64\.s(?:8|16|32)\s+(%\w+),")


def machine_stores(assembly: str, language: str) -> tuple[MachineStore, ...]:
    """Every store to global memory, in order. `language` is `amdgcn` or `ptx`."""
    return tuple(_amd_stores(assembly) if language == "amdgcn" else _ptx_stores(assembly))


def counted(stores: Sequence[MachineStore]) -> list[dict[str, Any]]:
    """Stores as a trace keeps them: how many of each width, and whether their values were sign-extended."""
    counts = Counter(stores)
    ordered = sorted(counts, key=lambda store: (store.bits, store.sign_extended))
    return [{"bits": s.bits, "sign_extended": s.sign_extended, "count": counts[s]} for s in ordered]


def _amd_stores(assembly: str) -> Iterator[MachineStore]:
    """A value is sign-extended to 64 bits by filling its upper register with the sign: a shift by 31."""
    signs: set[int] = set()
    for line in assembly.splitlines():
        if stored := _AMD_STORE.match(line):
            bits = _amd_bits(stored["width"])
            data = stored["operands"].split(", ")[0 if stored["unit"] == "buffer" else 1]
            yield MachineStore(bits, bits == 64 and _amd_registers(data)[-1] in signs)
        elif written := _AMD_WRITE.match(line):
            is_sign = _makes_sign(written, signs)  # asked first: the target may be a source too
            targets = set(_amd_registers(written["target"]))
            signs = signs | targets if is_sign else signs - targets


def _makes_sign(written: re.Match[str], signs: set[int]) -> bool:
    """Whether an instruction fills its target with the sign of a 32-bit value."""
    if written["op"].startswith("v_ashrrev_i32"):
        return written["sources"].startswith("31,")
    return written["op"].startswith(_AMD_CARRIES) and bool(
        signs.intersection(_amd_registers(written["sources"]))
    )


def _amd_registers(operands: str) -> list[int]:
    """Numbers of the vector registers named: `v3`, `v[0:1]`."""
    found = _AMD_REGISTERS.findall(operands)
    return [number for low, high, one in found for number in range(int(low or one), int(high or one) + 1)]


def _amd_bits(width: str) -> int:
    """The width in bits of a store's mnemonic, as gfx9 (`dwordx2`) or gfx11 (`b64`) spells it."""
    word = width.partition("_")[0]
    return _AMD_WIDTHS.get(word) or int(word.removeprefix("b"))


def _ptx_stores(assembly: str) -> Iterator[MachineStore]:
    extended: set[str] = set()
    for line in assembly.splitlines():
        if widened := _PTX_EXTENDS.match(line):
            extended.add(widened[1])
        elif stored := _PTX_STORE.match(line):
            bits = int(stored["bits"]) * int(stored["lanes"] or 1)
            yield MachineStore(bits, stored["value"] in extended)
