"""Collects what the detectors saw and merges it: one (kind, buffer, kernel) is one fault."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.observation import Fault

Elements = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Where:
    """The place of a stray access in the source: the first one of a fault is kept."""

    line: str
    program: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class _Stray:
    fault: Fault
    elements: Elements
    where: Where | None


class Strays:
    """The faults of one run of a case, in order of first sight."""

    def __init__(self) -> None:
        self._strays: dict[tuple[str, str | None, str | None], _Stray] = {}
        self._plain: list[Fault] = []

    def access(self, fault: Fault, elements: Elements, where: Where | None = None) -> None:
        """Add stray element indices to the fault of the same kind, buffer and kernel."""
        key = (fault.kind, fault.buffer, fault.kernel)
        known = self._strays.get(key)
        if known is None:
            self._strays[key] = _Stray(fault, np.unique(elements), where)
        else:
            self._strays[key] = replace(known, elements=np.union1d(known.elements, elements))

    def add(self, fault: Fault) -> None:
        """Add a fault that is no access; the same one twice is one."""
        if fault not in self._plain:
            self._plain.append(fault)

    def faults(self) -> Iterable[Fault]:
        for stray in self._strays.values():
            yield replace(
                stray.fault,
                first=int(stray.elements[0]),
                last=int(stray.elements[-1]),
                count=int(stray.elements.size),
            )
        yield from self._plain

    def places(self) -> dict[str, Any]:
        """Where each access fault was first seen, by "kind buffer": for people, not for goldens."""
        found = {}
        for (kind, buffer, _), stray in self._strays.items():
            if stray.where:
                program = f", program {stray.where.program}" if stray.where.program else ""
                found[f"{kind} {buffer}"] = f"{stray.where.line}{program}"
        return found
