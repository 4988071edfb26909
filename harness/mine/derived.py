"""The patch of one changed function, and whether a revert can be derived from it."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from difflib import unified_diff

from harness.draft import patch
from harness.draft.module import short
from harness.draft.proof import prove
from harness.draft.searched import Searched
from harness.errors import BadInput
from harness.mine.changes import Changed

_LONGEST = 160
"""Characters of a reason."""


@dataclass(frozen=True)
class Derived:
    """What `refault new` would make of a candidate: so many edits, and in words what they do not do."""

    edits: int
    exact: bool
    why: str = ""

    @property
    def word(self) -> str:
        """One line for people."""
        if not self.edits:
            return f"no revert: {self.why}"
        counted = f"{self.edits} edit{'s' * (self.edits != 1)}"
        return f"{counted}, proven" if self.exact and not self.why else f"{counted}, but {self.why}"


def patch_of(change: Changed, text: str, package: str) -> str:
    """The change of this one function as a unified diff; `text` is the later file."""
    lines = list(io.StringIO(text))  # at line feeds alone, as Python counts
    first, last = change.lines
    old = [f"{line}\n" for line in _named(change).split("\n")]
    before = [*lines[: first - 1], *old, *lines[last:]]
    name = f"{package}/{change.path}"
    return "".join(unified_diff(before, lines, f"a/{name}", f"b/{name}"))


def _named(change: Changed) -> str:
    """The earlier text under the later name: what a function is called is no fix."""
    last = change.qualname.rpartition(".")[2]
    return re.sub(rf"\bdef {change.before.name}\b", f"def {last}", change.text, count=1)


def derived(change: Changed, searched: Searched) -> Derived:
    """Derive the revert of this function in the later tree, as `refault new` does."""
    if change.part:
        return Derived(0, False, f"it was taken out of {change.origin}: write it by hand")
    tree = searched.tree
    try:
        text = searched.source(change.path).decode("utf-8")
        parsed = patch.parse(patch_of(change, text, tree.package).encode(), change.qualname)
        proven = prove(searched, parsed)
    except (BadInput, UnicodeDecodeError) as error:
        return Derived(0, False, short(str(error), _LONGEST))
    left = [one.text for one in proven.left if one.todo]
    why = [f"it will not run: {proven.broken[0]}"] if proven.broken else []
    why += [f"{len(left)} difference{'s' * (len(left) != 1)} would stay: {left[0]}"] if left else []
    told = "; ".join(why) or ("" if proven.edits else "no edit could be found")
    return Derived(len(proven.edits), proven.exact, short(told, _LONGEST))
