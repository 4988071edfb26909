"""How a fix is undone: edits named by symbol, in the forms that releases spell it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from harness.facts.checks import require

MODULE = "<module>"
"""What Python calls the code of a module that is in no function and in no class."""


@dataclass(frozen=True)
class Edit:
    """Replace one statement or expression in one function, class or module; `by` empty removes a statement.

    In `replace`, the name `ANY` stands for any expression, `ANY(...)`'s dots for any arguments,
    and a body of `...` for any body; dots in `by` stand for the same code: see docs/reverts.md.
    """

    in_function: str = ""
    """The function's qualified name, without its module: `Pool.grow`."""
    replace: str = ""
    """The statement or expression as the fix has it; it must be there exactly once."""
    by: str = ""
    """What was there before; empty to remove a statement."""
    in_class: str = ""
    """Instead of a function: the qualified name of a class, of which all is meant but its methods' code."""
    in_module: str = ""
    """The module, where several have a function or class of the name; alone, what is in no function and in
    no class of that module is meant."""

    def __post_init__(self) -> None:
        require(self.in_function or self.in_class or self.in_module, "in_function", "'' is no qualified name")
        require(not (self.in_function and self.in_class), "in_class", "give a function or a class, not both")
        for name in ("in_function", "in_class", "in_module"):
            told = getattr(self, name)
            require(not told or re.fullmatch(r"\w+(\.\w+)*", told), name, f"{told!r} is no qualified name")
        require(self.replace.strip(), "replace", f"nothing to look for in {self.scope}")
        for name in ("replace", "by"):
            try:
                ast.parse(getattr(self, name))
            except SyntaxError as error:
                require(False, name, f"{getattr(self, name)!r} is no Python: {error.msg}")

    @property
    def local(self) -> str:
        """What is edited, as its module calls it: `Pool.grow`, `class Pool`, or `<module>`."""
        return self.in_function or (f"class {self.in_class}" if self.in_class else MODULE)

    @property
    def scope(self) -> str:
        """The same, behind `module:` where the edit names one."""
        return f"{self.in_module}:{self.local}" if self.in_module else self.local


def edit(
    *,
    in_function: str = "",
    in_class: str = "",
    in_module: str = "",
    replace: str = "",
    by: str = "",
    remove: str = "",
) -> Edit:
    """An edit; `remove=` says plainly what `replace=` with an empty `by=` would."""
    where = in_function or in_class or in_module
    require(bool(replace) != bool(remove), "edit", f"{where}: give replace= and by=, or remove=")
    require(bool(by) == bool(replace), "edit", f"{where}: replace= needs by=")
    return Edit(in_function, replace or remove, by, in_class, in_module)


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
        return tuple(dict.fromkeys(e.in_function for e in self._edits if e.in_function))

    @property
    def scopes(self) -> tuple[str, ...]:
        """What an arm must be seen to run some of: the edited functions, else the edited classes and modules.

        The code of a class and of a module runs as soon as it is imported, so that beside a function it
        would prove nothing.
        """
        functions = [e.scope for e in self._edits if e.in_function]
        return tuple(dict.fromkeys(functions or [e.scope for e in self._edits]))

    @property
    def _edits(self) -> tuple[Edit, ...]:
        return tuple(e for f in self.forms for e in f.edits)
