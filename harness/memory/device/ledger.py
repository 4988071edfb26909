"""Writes which buffer each device address belongs to into a file, which outlives a process that faults."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.observation import Fault


@dataclass(frozen=True)
class Entry:
    """One buffer: its first address, bytes, bytes an element, and what lies around it and is nobody's.

    `low` and `high` are the ends of the memory that only a stray access to this buffer reaches.
    """

    name: str | None
    address: int
    nbytes: int
    itemsize: int
    low: int
    high: int

    def fault(self, kind: str, addresses: Iterable[int], kernel: str | None = None) -> Fault:
        """The fault of having touched these addresses; its numbers are in elements of the buffer."""
        elements = sorted({(address - self.address) // self.itemsize for address in addresses})
        return Fault(
            kind=kind,
            buffer=self.name,
            kernel=kernel,
            numel=self.nbytes // self.itemsize,
            first=elements[0],
            last=elements[-1],
            count=len(elements),
        )


class Ledger:
    """Entries in the order in which buffers were made; a later one at an address stands for it."""

    def __init__(self, file: Path | None = None, entries: Iterable[Entry] = ()) -> None:
        self._file = file
        self._entries = list(entries)

    @classmethod
    def read(cls, file: Path) -> Ledger:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return cls(entries=[Entry(**json.loads(line)) for line in lines])

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(asdict(entry)) + "\n")

    def starting(self, address: int) -> Entry | None:
        """The last buffer whose first byte is at this address, whoever else is near."""
        return next((entry for entry in reversed(self._entries) if entry.address == address), None)

    def at(self, address: int) -> Entry | None:
        """The buffer that an access to this address was meant for, as far as that can be known."""
        for entry in reversed(self._entries):
            if entry.low <= address < entry.high:
                return entry
        return None
