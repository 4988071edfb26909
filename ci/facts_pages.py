"""Writes docs/lab.md and docs/facts.md: what a case is given, and what a module is written in.

Both come from the docstrings of `harness.facts`: those of classes, of functions, and those below fields.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from enum import EnumType
from pathlib import Path

from harness import facts
from harness.facts.server import Model

DOCS = Path(__file__).resolve().parent.parent / "docs"
_WIDTH = 120
_MADE = "by `python ci/facts_pages.py`; a test holds the two together."
_LAB_HEAD = f"""# What a case is given

`call(lab, **params)` of a case drives upstream through `lab`. This page is made from `harness/facts/lab.py`
{_MADE}
"""
_FACTS_HEAD = f"""# What a module is written in

A reproducer is one module that assigns a `Reproducer` to `REPRODUCER`, made of the records below; its
docstring says what the bug was. It imports `harness.facts`, `harness.errors.BadInput` for its `check`, and
rigs; torch and upstream are imported inside functions. Records check themselves when they are made: a
mistake is one line that names the module and the field. A field without a default is needed.

What the call is given stands in [lab.md](lab.md), how a fix is undone in [reverts.md](reverts.md), and a
whole module in [extending.md](extending.md). This page is made from `harness/facts`
{_MADE}
"""
CHAPTERS: Mapping[str, tuple[object, ...]] = {
    "The bug": (facts.Reproducer, facts.Subject, facts.Bug, facts.Configuration),
    "The revert": (
        facts.Revert, facts.edit, facts.form, facts.Edit, facts.Form, facts.Released, facts.Retired,
    ),
    "Cases": (
        facts.KernelCase, facts.CodegenCase, facts.Case, facts.ServerCase, facts.Traffic, facts.Sampling,
        facts.Fences, facts.CpuGraphs, Model,
    ),
    "Parameters": (facts.Integer, facts.Integers, facts.Lists, facts.Choice, facts.Boolean, facts.Grid),
    "What is judged": (
        facts.watch, facts.Watch, facts.Tolerance, facts.Expect, facts.faults, facts.ExpectedFault,
        facts.FaultKind, facts.DeclaredKind,
    ),
    "Where it runs": (facts.Feature, facts.Tier),
    "The report": (facts.ReportedServer, facts.Launch),
}  # fmt: skip
"""The chapters of docs/facts.md, in the order in which a module is read, each with its records."""


def lab_page() -> str:
    """The whole of docs/lab.md."""
    protocols = (facts.Lab, facts.KernelLab)
    return "\n".join([_LAB_HEAD, *(line for one in protocols for line in _protocol(one))])


def facts_page() -> str:
    """The whole of docs/facts.md."""
    lines = (line for title, records in CHAPTERS.items() for line in _chapter(title, records))
    return "\n".join([_FACTS_HEAD, *lines])


PAGES: Mapping[Path, Callable[[], str]] = {DOCS / "lab.md": lab_page, DOCS / "facts.md": facts_page}


def _chapter(title: str, records: tuple[object, ...]) -> Iterator[str]:
    yield f"## {title}\n"
    for record in records:
        yield from _record(record)


# --- a record of facts.md ------------------------------------------------------------------------


def _record(record: object) -> Iterator[str]:
    """The heading of a record or a function, its docstring, and a line for each field or word."""
    shown = _unquoted(inspect.signature(record)) if inspect.isfunction(record) else ""
    name = getattr(record, "__name__")  # noqa: B009  # what all of these have and `object` does not
    yield f"### `{name}{shown}`\n\n{inspect.getdoc(record)}\n"
    if isinstance(record, type):
        yield from (f"Also takes what [`{base}`](#{base.lower()}) does.\n" for base in _bases(record))
        if items := list(_items(record)):
            yield "\n".join(items) + "\n"


def _unquoted(signature: inspect.Signature) -> str:
    """A signature whose annotations are texts, as the code spells it."""
    return str(signature).replace("''", '""').replace("'", "")


def _bases(record: type) -> Iterator[str]:
    """The records that it extends, as far as this page has them."""
    told = {one for records in CHAPTERS.values() for one in records}
    yield from (base.__name__ for base in record.__bases__ if base in told)


def _items(record: type) -> Iterator[str]:
    for name, text in members(record).items():
        yield textwrap.fill(
            f"- `{_spelt(record, name)}`: {text}", _WIDTH, subsequent_indent="  ", break_on_hyphens=False
        )


def members(record: type) -> dict[str, str]:
    """The fields or words of a record by their names, with the docstring below each, or nothing.

    A base that is on no page of its own lends its fields to the record.
    """
    own = {name: text for part in _parts(record) for name, text in below(part).items()}
    if isinstance(record, EnumType):
        return {name: own.get(name, "") for name in record.__members__}
    fields = dataclasses.fields(record) if dataclasses.is_dataclass(record) else ()
    named = [one.name for one in fields] or list(own)
    theirs = {name for base in record.__bases__ if base.__name__ in _bases(record) for name in members(base)}
    return {name: own.get(name, "") for name in named if name not in theirs}


def _parts(record: type) -> Iterator[type]:
    """The record and the classes of this project behind it, the furthest first."""
    yield from (part for part in reversed(record.__mro__) if part.__module__.startswith("harness."))


def below(record: type) -> dict[str, str]:
    """The docstrings that stand below the assignments in a class, each as one line."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(record))).body
    assert isinstance(body, ast.ClassDef)  # what the source of a class holds
    found: dict[str, str] = {}
    for statement, behind in zip(body.body, body.body[1:], strict=False):
        if isinstance(behind, ast.Expr) and isinstance(behind.value, ast.Constant):
            found |= dict.fromkeys(_assigned(statement), " ".join(str(behind.value.value).split()))
    return found


def _assigned(statement: ast.stmt) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _spelt(record: type, name: str) -> str:
    """A field with its type and default, or the word of a closed set."""
    if isinstance(record, EnumType):
        return str(record[name].value)
    known = {one.name: one for one in dataclasses.fields(record)} if dataclasses.is_dataclass(record) else {}
    if name not in known:
        return name
    typed = f"{name}: {known[name].type}"
    return f"{typed} = {default}" if (default := _default(known[name])) else typed


def _default(field: dataclasses.Field[object]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return repr(field.default_factory())
    if field.default is dataclasses.MISSING:
        return ""
    return repr(field.default)


# --- a protocol of lab.md ------------------------------------------------------------------------


def _protocol(protocol: type) -> Iterator[str]:
    yield f"## `{protocol.__name__}`\n\n{inspect.getdoc(protocol)}\n"
    for name, member in vars(protocol).items():
        if not name.startswith("_") and (isinstance(member, property) or inspect.isfunction(member)):
            yield f"### `{_signature(name, member)}`\n\n{inspect.getdoc(member)}\n"


def _signature(name: str, member: object) -> str:
    if isinstance(member, property):
        return f"lab.{name}: {inspect.signature(member.fget).return_annotation}"  # type: ignore[arg-type]
    signature = inspect.signature(member)  # type: ignore[arg-type]
    without_self = list(signature.parameters.values())[1:]
    return f"lab.{name}{_unquoted(signature.replace(parameters=without_self))}"


if __name__ == "__main__":
    for page, text in PAGES.items():
        page.write_text(text(), encoding="utf-8")
        print(f"{page} is written")
