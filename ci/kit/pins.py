"""Requirement lists: what is pinned, and what a machine has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from harness import foreign
from harness.errors import BadInput
from harness.foreign import shown

Pins = Mapping[str, str]
"""Per canonical name the one version."""
Installed = Mapping[str, str | None]
"""Per canonical name the version that is there; None where the list leaves it open."""

_PIN = re.compile(r"([\w.-]+)==([\w.+!-]+)")
# pip freeze writes what came from a file or a checkout with an @, or as an editable.
_ELSEWHERE = re.compile(r"([\w.-]+) @ .*")
_BARE = re.compile(r"[\w.-]+")


def read(files: Iterable[Path]) -> dict[str, str]:
    """The pins of several requirement files. BadInput for a line that is no exact pin."""
    pins: dict[str, str] = {}
    for file in files:
        for number, line in _lines(file):
            found = _PIN.fullmatch(line)
            if not found:
                raise BadInput(
                    f"{shown(file)}:{number}: '{shown(line, 80)}' is no exact pin: write name==version"
                )
            pins[canonicalize_name(found[1])] = found[2]
    return pins


def installed(file: Path) -> dict[str, str | None]:
    """What a target has, as `pip freeze` lists it. BadInput for a line that is not of that form.

    A bare name stands for a package of a version that is not known, which is taken to do.
    """
    there: dict[str, str | None] = {}
    for number, line in _lines(file):
        if line.startswith("-e "):
            continue
        if found := _PIN.fullmatch(line):
            there[canonicalize_name(found[1])] = found[2]
        elif found := _ELSEWHERE.fullmatch(line) or _BARE.fullmatch(line):
            there[canonicalize_name(found[found.re.groups])] = None
        else:
            raise BadInput(
                f"{shown(file)}:{number}: '{shown(line, 80)}' is no line of `pip freeze`: write name==version"
            )
    if not there:
        raise BadInput(f"{shown(file)} lists no package: write there what `pip freeze` says on the target")
    return there


def _lines(file: Path) -> list[tuple[int, str]]:
    try:
        text = foreign.text(file, largest=foreign.LARGEST_TABLE)
    except BadInput as error:
        raise BadInput(f"{error}: give a list of packages") from error
    lines = ((number, line.partition("#")[0].strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in lines if line]
