"""What was undone in a reverted arm, and whether an exception is only of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness.facts import DeclaredKind, ExpectedFault, Raised
from harness.source.attributes import defines
from harness.source.tree import Tree
from harness.verdict.broken import broken


@dataclass(frozen=True)
class Undone:
    """The functions that the revert edits, by qualified name, and the bug that is to show."""

    functions: tuple[str, ...]
    bug: ExpectedFault

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Undone | None:
        """What an arm was given; None in an arm that is not the reverted one."""
        if not (declared := payload.get("reverted")):
            return None
        functions = tuple(name for names in payload["functions"].values() for name in names)
        rest = {name: value for name, value in declared.items() if name != "about"}
        if about := declared.get("about"):
            rest["kind"] = DeclaredKind(rest["kind"], about)
        return cls(functions, ExpectedFault(**rest))

    def broken(self, raised: Raised, package: Path) -> str | None:
        """Why an exception of the code in the folder `package` is the revert's own fault, or None."""
        tree = Tree(package.parent, package.name)
        return broken(raised, self.functions, partial(defines, tree), self.bug)
