"""How a fix is undone: edits named by symbol, in the forms that releases spell it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from harness.facts.checks import require


@dataclass(frozen=True)
class Edit:
    """Replace one statement or expression in one function; `by` empty removes a statement.

    In `replace`, the name `ANY` stands for any expression, `ANY(...)`'s dots for any arguments,
    and a body of `...` for any body: see docs/reverts.md.
    """

    in_function: str
    """The function's qualified name, without its module: `Pool.grow`."""
    replace: str
    """The statement or expression as the fix has it; it must be there exactly once."""
    by: str = ""
    """What was there before; empty to remove a statement."""

    def __post_init__(self) -> None:
        require(
            re.fullmatch(r"\w+(\.\w+)*", self.in_function),
            "in_function",
            f"{self.in_function!r} is no qualified name",
        )
        require(self.replace.strip(), "replace", f"nothing to look for in {self.in_function}")
        for name in ("replace", "by"):
            try:
                ast.parse(getattr(self, name))
            except SyntaxError as error:
                require(False, name, f"{getattr(self, name)!r} is no Python: {error.msg}")


def edit(*, in_function: str, replace: str = "", by: str = "", remove: str = "") -> Edit:
    """An edit; `remove=` says plainly what `replace=` with an empty `by=` would."""
    require(bool(replace) != bool(remove), "edit", f"{in_function}: give replace= and by=, or remove=")
    require(bool(by) == bool(replace), "edit", f"{in_function}: replace= needs by=")
    return Edit(in_function, replace or remove, by)


@dataclass(frozen=True)
class Form:
    """The edits that undo the fix as some releases spell it; each must match exactly once."""

    edits: tuple[Edit, ...]
    """All of them are applied."""

    def __post_init__(self) -> None:
        require(self.edits, "revert", "a form without edits undoes nothing")


def form(*edits: Edit) -> Form:
    """A `Form`, where a `Revert` has several: `Revert(form(edit(…)), form(edit(…), edit(…)))`."""
    return Form(edits)


@dataclass(frozen=True, init=False)
class Revert:
    """Alternative forms of one undoing, of which exactly one must match a tree, or it is STALE.

    `Revert(edit(…), edit(…))` has one form; give edits or forms, not both.
    """

    forms: tuple[Form, ...]
    """In the order in which they are tried."""

    def __init__(self, *parts: Edit | Form) -> None:
        require(parts, "revert", "a revert without edits undoes nothing")
        plain = [part for part in parts if isinstance(part, Edit)]
        require(not plain or len(plain) == len(parts), "revert", "give edits or forms, not both")
        forms = (Form(tuple(plain)),) if plain else tuple(p for p in parts if isinstance(p, Form))
        object.__setattr__(self, "forms", forms)

    @property
    def functions(self) -> tuple[str, ...]:
        """Qualified names of every function that some form edits, in order of first mention."""
        return tuple(dict.fromkeys(e.in_function for f in self.forms for e in f.edits))
