"""Writes docs/lab.md: what a case is given to work with, from the docstrings of `harness.facts.lab`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from harness.facts import lab

PAGE = Path(__file__).resolve().parent.parent / "docs" / "lab.md"
_HEAD = """# What a case is given

`call(lab, **params)` of a case drives upstream through `lab`. This page is made from `harness/facts/lab.py`
by `python ci/lab_page.py`; a test holds the two together.
"""


def text() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_section(lab.Lab), *_section(lab.KernelLab)])


def _section(protocol: type) -> Iterator[str]:
    yield f"## `{protocol.__name__}`\n\n{inspect.getdoc(protocol)}\n"
    for name, member in vars(protocol).items():
        if not name.startswith("_") and (isinstance(member, property) or inspect.isfunction(member)):
            yield f"### `{_signature(name, member)}`\n\n{inspect.getdoc(member)}\n"


def _signature(name: str, member: object) -> str:
    if isinstance(member, property):
        return f"lab.{name}: {inspect.signature(member.fget).return_annotation}"  # type: ignore[arg-type]
    signature = inspect.signature(member)  # type: ignore[arg-type]
    without_self = list(signature.parameters.values())[1:]
    return f"lab.{name}{signature.replace(parameters=without_self)}".replace("'", "")


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
    print(f"{PAGE} is written")
