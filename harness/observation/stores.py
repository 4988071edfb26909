"""Elements that machine code stored otherwise than its interpreter, and which lane stored them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Store:
    """One lane of one store: `opcode` stands at `line` of the source of `kernel`."""

    kernel: str
    opcode: str
    line: str
    lane: int
    wave: int
    program: tuple[int, int, int]

    def __str__(self) -> str:
        where = f"lane {self.lane} of wave {self.wave}, program {self.program}"
        return f"{self.line}, {self.opcode} of {self.kernel}, {where}"

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Store:
        x, y, z = data["program"]
        return cls(**{**data, "program": (x, y, z)})


@dataclass(frozen=True, kw_only=True)
class Element:
    """The first element of an argument that differs, `apart` being how many do.

    `seen` is what the machine code left there, `interpreted` what its interpreter did, both as text: a NaN
    and an infinity are no JSON. `store` was the last to write there; None where none did.
    """

    element: int
    apart: int
    seen: str
    interpreted: str
    store: Store | None = None

    def __str__(self) -> str:
        by = f"stored last at {self.store}" if self.store else "no instruction stored it"
        more = f", the first of {self.apart} that differ" if self.apart > 1 else ""
        return f"element {self.element}{more}: {self.seen}, and {self.interpreted} in the interpreter; {by}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Element:
        store = Store.from_json(data["store"]) if data.get("store") else None
        return cls(**{**data, "store": store})
