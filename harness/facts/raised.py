"""An exception as a fault's message tells it: `KeyError in Pool.grow: 'tokens'`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.facts.expect import ExpectedFault

_TOLD = re.compile(r"(?P<type>[\w.]+)(?: in (?P<function>[^\s:]+))?(?:: (?P<message>.*))?", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Raised:
    """An exception: the name of its type, its message, and the functions of the tree on its way.

    `through` has qualified names or, where only a log tells of them, plain ones; the deepest stands last.
    """

    type: str
    message: str
    through: tuple[str, ...] = ()

    @classmethod
    def told(cls, text: str) -> Raised:
        """The exception that a fault's message tells of; one without a type where it tells of none."""
        found = _TOLD.fullmatch(text)
        if found is None:
            return cls(type="", message=text)
        through = (found["function"],) if found["function"] else ()
        return cls(type=found["type"], message=found["message"] or "", through=through)

    @property
    def text(self) -> str:
        where = f" in {self.through[-1]}" if self.through else ""
        return f"{self.type}{where}: {self.message}"

    def is_declared(self, expected: ExpectedFault | None) -> bool:
        return expected is not None and expected.declares(self.type, self.message)
