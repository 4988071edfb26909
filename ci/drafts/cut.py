"""Patches cut out of two releases: each file's whole difference, or the hunks that a recipe names."""

from __future__ import annotations

import difflib
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import BadInput
from harness.source.tree import Tree

FOLDERS = ("srt/", "kernels/", "lang/", "jit_kernel/")
"""Where upstream's code lies; beside them are benchmarks, tests and tools."""
LARGEST = 14
"""Changed lines of a difference that may well be one fix."""
_HUNK = re.compile(r"(?m)^(?=@@ )")
_NUMBERS = re.compile(r"@@ (-\S+ \+\S+) @@")


@dataclass(frozen=True)
class File:
    """One file of a patch: its path in the package, and its hunks as git writes them."""

    path: str
    hunks: str


@dataclass(frozen=True)
class Case:
    """A patch to draft from, and the release that has it; `expected` is what a recipe says."""

    name: str
    release: str
    files: tuple[File, ...]
    expected: str = ""


def differences(old: Tree, new: Tree, largest: int = LARGEST) -> Iterator[Case]:
    """Every module that both trees have and that differs in at most so many lines."""
    known = frozenset(old.files())
    for path in new.files():
        if path in known and path.endswith(".py") and path.startswith(FOLDERS):
            before, after = old.read(path), new.read(path)
            if before != after and _changed(before, after) <= largest:
                name = f"{old.version}..{new.version}:{path}"
                yield Case(name, str(new.version), (File(path, hunks(old, new, path)),))


def _changed(before: bytes, after: bytes) -> int:
    """How many lines a diff of the two has."""
    old, new = (data.decode("utf-8", errors="surrogateescape").split("\n") for data in (before, after))
    lines = difflib.unified_diff(old, new, n=0, lineterm="")
    return sum(line[:1] in "+-" and not line.startswith(("+++", "---")) for line in lines)


def recipes(told: Mapping[str, Mapping[str, Any]], trees: Mapping[str, Tree]) -> Iterator[Case]:
    """The cases that recipes spell: `old` and `new` releases, and of each file the numbers of its hunks.

    One that names no files is left out. BadInput for a hunk that the two releases do not give.
    """
    for name, recipe in told.items():
        if "files" in recipe:
            old, new = trees[recipe["old"]], trees[recipe["new"]]
            wanted: Mapping[str, Sequence[str]] = recipe["files"]
            files = tuple(_chosen(name, path, hunks(old, new, path), wanted[path]) for path in wanted)
            yield Case(name, recipe["new"], files, str(recipe.get("expected", "")))


def _chosen(name: str, path: str, text: str, wanted: Sequence[str]) -> File:
    """The hunks of one file whose heads have these numbers, such as `-59,6 +59,10`."""
    found = {head[1]: part for part in _HUNK.split(text) if (head := _NUMBERS.match(part))}
    for one in wanted:
        if one not in found:
            raise BadInput(f"{name}: {path} has no hunk {one} between these releases: correct the recipe")
    return File(path, "".join(found[one] for one in wanted))


def hunks(old: Tree, new: Tree, path: str) -> str:
    """What git says of one file of both trees, without the head that names them."""
    sides = [str(tree.folder / path) for tree in (old, new)]
    words = ["git", "diff", "--no-index", "--no-ext-diff", "--no-color", "-U3", *sides]
    text = subprocess.run(words, capture_output=True, check=False).stdout.decode("utf-8", "surrogateescape")
    return "@@ " + text.partition("\n@@ ")[2] if "\n@@ " in text else ""
