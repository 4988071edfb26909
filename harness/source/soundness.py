"""What a revert breaks that can be told without running it: names that are gone, and calls that do not bind.

Only what the edits brought in counts, and only what is certain.
"""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path

from pyflakes import messages
from pyflakes.checker import Checker

from harness.errors import StaleRevert
from harness.source.answers import answers
from harness.source.bindings import unbound_calls
from harness.source.revert import Plan
from harness.source.symbols import definitions, module_name, parse


@dataclass(frozen=True)
class Break:
    """One thing that would raise: the exception's type and message, what is wrong, and where."""

    type: str
    message: str
    what: str
    place: str

    def __str__(self) -> str:
        return f"{self.what} in {self.place}"


def breaks(plan: Plan) -> tuple[Break, ...]:
    """What the edited files of a revert lack that they did not lack before it.

    StaleRevert if they are nested too deeply for that to be told.
    """
    made = {path: hashlib.sha256(new).hexdigest() for path, new in sorted(plan.files.items())}
    question = ("breaks", plan.tree.package, plan.tree.content_hash, made)
    try:
        return answers().of(question, lambda: tuple(_breaks(plan)), _told, _read)
    except RecursionError:
        raise StaleRevert(f"{' and '.join(plan.files)} are nested too deeply to be checked") from None


def _told(found: tuple[Break, ...]) -> list[list[str]]:
    return [list(astuple(one)) for one in found]


def _read(told: list[list[str]]) -> tuple[Break, ...]:
    return tuple(Break(*one) for one in told)


def _breaks(plan: Plan) -> list[Break]:
    found: list[Break] = []
    for path, new in plan.files.items():
        old, place = plan.tree.source(path), plan.tree.root / path
        module = module_name(plan.tree, path.removeprefix(f"{plan.tree.package}/"))
        before = Counter(_found(old, module, place))
        found += (Counter(_found(new, module, place)) - before).elements()
    return found


@lru_cache(maxsize=64)
def _found(source: bytes, module: str, path: Path) -> tuple[Break, ...]:
    syntax = parse(source, path)
    return (*_names(syntax, module), *_calls(syntax, module))


def _names(syntax: ast.Module, module: str) -> Iterator[Break]:
    for one in Checker(syntax, filename=module).messages:
        if isinstance(one, messages.UndefinedName):
            (name,) = one.message_args
            place = f"{module}:{_function_at(syntax, one.lineno)}"
            yield Break("NameError", f"name '{name}' is not defined", f"undefined name '{name}'", place)
        elif isinstance(one, messages.UndefinedLocal):
            name = one.message_args[0]
            text = f"cannot access local variable '{name}'"
            place = f"{module}:{_function_at(syntax, one.lineno)}"
            yield Break("UnboundLocalError", text, f"local variable '{name}' is used before it is set", place)


def _calls(syntax: ast.Module, module: str) -> Iterator[Break]:
    for call in unbound_calls(syntax):
        place = f"{module}:{_function_at(syntax, call.line)}"
        yield Break("TypeError", call.problem, f"a call that does not bind, {call.problem},", place)


def _function_at(syntax: ast.Module, line: int) -> str:
    """The innermost function or class that holds a line."""
    holders = [name for name, node in definitions(syntax) if node.lineno <= line <= (node.end_lineno or 0)]
    return holders[-1] if holders else "<module>"
