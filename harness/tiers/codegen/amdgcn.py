"""Stores to global memory in AMD's assembly."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.tiers.codegen.machine_store import MachineStore

_STORE = re.compile(r"^\s*(?P<unit>buffer|global|flat)_store_(?P<width>\w+)\s+(?P<operands>.*)$")
_WRITE = re.compile(r"^\s*(?P<op>[a-z]\w+)\s+(?P<target>v\d+|v\[\d+:\d+\]),\s*(?P<sources>.*)$")
_REGISTERS = re.compile(r"\bv(?:\[(\d+):(\d+)\]|(\d+))")
_WIDTHS = {"byte": 8, "short": 16, "dword": 32, "dwordx2": 64, "dwordx3": 96, "dwordx4": 128}
# A load with a default selects between value and default after the value was extended.
_CARRIES = ("v_mov_b32", "v_cndmask_b32")


def stores(assembly: str) -> Iterator[MachineStore]:
    """In order. A value is sign-extended by filling its upper register with the sign: a shift by 31."""
    signs: set[int] = set()
    for line in assembly.splitlines():
        if stored := _STORE.match(line):
            bits = _bits(stored["width"])
            data = stored["operands"].split(", ")[0 if stored["unit"] == "buffer" else 1]
            yield MachineStore(bits, bits == 64 and _registers(data)[-1] in signs)
        elif written := _WRITE.match(line):
            is_sign = _makes_sign(written, signs)  # asked first: the target may be a source too
            targets = set(_registers(written["target"]))
            signs = signs | targets if is_sign else signs - targets


def _makes_sign(written: re.Match[str], signs: set[int]) -> bool:
    """Whether an instruction fills its target with the sign of a 32-bit value."""
    if written["op"].startswith("v_ashrrev_i32"):
        return written["sources"].startswith("31,")
    return written["op"].startswith(_CARRIES) and bool(signs.intersection(_registers(written["sources"])))


def _registers(operands: str) -> list[int]:
    """Numbers of the vector registers named: `v3`, `v[0:1]`."""
    found = _REGISTERS.findall(operands)
    return [number for low, high, one in found for number in range(int(low or one), int(high or one) + 1)]


def _bits(width: str) -> int:
    """The width in bits of a store's mnemonic, as gfx9 (`dwordx2`) or gfx11 (`b64`) spells it."""
    word = width.partition("_")[0]
    return _WIDTHS.get(word) or int(word.removeprefix("b"))
