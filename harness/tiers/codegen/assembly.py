"""The stores of a kernel's assembly, in whichever language it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from harness.tiers.codegen import amdgcn, ptx
from harness.tiers.codegen.machine_store import MachineStore


def machine_stores(assembly: str, language: str) -> tuple[MachineStore, ...]:
    """Every store to global memory, in order. `language` is `amdgcn` or `ptx`."""
    return tuple((amdgcn if language == "amdgcn" else ptx).stores(assembly))


def counted(stores: Sequence[MachineStore]) -> list[dict[str, Any]]:
    """Stores as a trace keeps them: how many of each width, and whether their values were sign-extended."""
    counts = Counter(stores)
    ordered = sorted(counts, key=lambda store: (store.bits, store.sign_extended))
    return [{"bits": s.bits, "sign_extended": s.sign_extended, "count": counts[s]} for s in ordered]
