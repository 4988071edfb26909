"""Stores to global memory in NVIDIA's assembly."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.tiers.codegen.machine_store import MachineStore

_STORE = re.compile(
    r"^\s*(?:@!?%\w+ )?st(?:\.\w+)*?\.global(?:\.[\w:]+)*?(?:\.v(?P<lanes>\d))?\.[bsuf](?P<bits>\d+)"
    r"\s*\[[^\]]*\],\s*\{?\s*(?P<value>%\w+)"
)
_EXTENDS = re.compile(r"^\s*cvt\.s64\.s(?:8|16|32)\s+(%\w+),")


def stores(assembly: str) -> Iterator[MachineStore]:
    """In order. A value is sign-extended by a conversion from a narrower signed type."""
    extended: set[str] = set()
    for line in assembly.splitlines():
        if widened := _EXTENDS.match(line):
            extended.add(widened[1])
        elif stored := _STORE.match(line):
            bits = int(stored["bits"]) * int(stored["lanes"] or 1)
            yield MachineStore(bits, stored["value"] in extended)
