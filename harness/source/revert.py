"""Undo one fix: find the form of a revert that fits a tree, and make a cheap copy with it applied."""

from __future__ import annotations

import difflib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from harness.errors import BadInput, StaleRevert
from harness.facts import Edit, Revert
from harness.foreign import shown
from harness.source.answers import answers
from harness.source.stale import called, unsearched
from harness.source.symbols import (
    Site,
    find_function,
    functions_by_module,
    nearest,
)
from harness.source.tree import Tree

_UNFINISHED = ".unfinished-"


@dataclass(frozen=True)
class Plan:
    """What a revert changes in a tree: the form that fits (counted from 1) and the files it rewrites.

    `sites` are the edited functions, one per edit; `files` maps paths relative to the tree's root
    to their new bytes.
    """

    tree: Tree
    form: int
    edits: tuple[Edit, ...]
    sites: tuple[Site, ...]
    files: Mapping[str, bytes]

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of the modules the revert edits."""
        return tuple(dict.fromkeys(site.module for site in self.sites))

    @property
    def functions(self) -> tuple[str, ...]:
        """Qualified names of the functions the revert edits."""
        return tuple(dict.fromkeys(site.qualname for site in self.sites))


@dataclass(frozen=True)
class Reverted:
    """A tree with one fix undone, and the plan it was made by."""

    tree: Tree
    plan: Plan


# --- planning ------------------------------------------------------------------------------


def plan(tree: Tree, revert: Revert) -> Plan:
    """The one form of which every edit matches exactly once in the tree, and what it makes of it.

    StaleRevert if no form fits, if several do, or if the form changes nothing or cannot be applied; of that
    FixAbsent where the fix is not there: nothing of some edit in each form, or a form that changes nothing.
    BadInput if a pattern is not one expression or statement.
    """
    try:
        return _plan(tree, tree.content_hash, revert)
    except RecursionError:
        raise StaleRevert(f"in {called(tree)}: a file to be edited is nested too deeply") from None


@lru_cache(maxsize=32)
def _plan(tree: Tree, content_hash: str, revert: Revert) -> Plan:
    forms = [[astuple(edit) for edit in form.edits] for form in revert.forms]
    question = ("plan", tree.package, content_hash, forms)
    return answers().of(question, lambda: _planned(tree, revert), _told, partial(_read, tree, revert))


def _told(plan: Plan) -> dict[str, Any]:
    """A plan as JSON has it: each byte of a file is a character."""
    files = {path: data.decode("latin-1") for path, data in plan.files.items()}
    return {"form": plan.form, "sites": [astuple(site) for site in plan.sites], "files": files}


def _read(tree: Tree, revert: Revert, told: Mapping[str, Any]) -> Plan:
    sites = tuple(Site(*site) for site in told["sites"])
    files = {path: data.encode("latin-1") for path, data in told["files"].items()}
    return Plan(tree, told["form"], revert.forms[told["form"] - 1].edits, sites, files)


def _planned(tree: Tree, revert: Revert) -> Plan:
    # libcst takes a tenth of a second to be imported, and most plans were made before.
    from harness.source import fitting

    found = fitting.fit(tree, revert)
    edits = revert.forms[found.form - 1].edits
    return Plan(tree, found.form, edits, found.sites, found.files)


def expected(tree: Tree, functions: Sequence[str]) -> dict[str, str]:
    """sha256 of every module file in which some of the functions live, by module name.

    StaleRevert if the tree has none of them.
    """
    homes = functions_by_module(tree, tuple(functions))
    if not homes:
        missing = f"{called(tree)} has no function {' or '.join(functions)}"
        raise StaleRevert(f"{missing}{unsearched(tree, functions)}", nearest(tree, functions[0]))
    sites = (site for name in functions for site in find_function(tree, name))
    return {site.module: hashlib.sha256(tree.source(site.path)).hexdigest() for site in sites}


def diff(plan: Plan) -> str:
    """What the revert changes, as a unified diff."""
    return "".join(line for path, new in plan.files.items() for line in _file_diff(plan.tree, path, new))


def _file_diff(tree: Tree, path: str, new: bytes) -> Iterator[str]:
    both = (tree.source(path), new)
    before, after = ([_line(one) for one in data.decode(errors="replace").split("\n")] for data in both)
    yield from difflib.unified_diff(before, after, f"fixed/{shown(path)}", f"reverted/{shown(path)}")


def _line(text: str) -> str:
    """A line of source as a terminal may have it."""
    return shown(text.expandtabs(), 1000) + "\n"


# --- the copy ------------------------------------------------------------------------------


def apply(tree: Tree, revert: Revert, cache: Path) -> Reverted:
    """A copy of the tree under `cache` with the revert applied: links, and only edited files rewritten.

    One already there is taken if it is intact and made anew if not; the original is never written.
    StaleRevert and BadInput as `plan`; BadInput if the cache cannot be written.
    """
    planned = plan(tree, revert)
    root = Path(os.path.abspath(cache)) / _name(planned)
    wanted = _layout(planned)
    try:
        with _locked(root.parent):
            if not _intact(root, wanted):
                _install(root, planned, wanted)
    except OSError as error:
        problem = f"{cache} cannot hold a reverted tree ({error.strerror})"
        raise BadInput(f"{problem}: name a folder that can be written") from error
    return Reverted(replace(tree, root=root, origin="reverted"), planned)


def _name(plan: Plan) -> str:
    """Everything the copy depends on, so that equal names mean equal copies."""
    edits = [(edit.scope, edit.replace, edit.by) for edit in plan.edits]
    key = json.dumps([str(plan.tree.root), plan.tree.package, plan.tree.content_hash, edits])
    return f"{plan.tree.package}-{hashlib.sha256(key.encode()).hexdigest()[:24]}"


def _layout(plan: Plan) -> dict[str, Path | bytes]:
    """Every entry of the copy: the new bytes of edited files, and links to the original for the rest."""
    layout: dict[str, Path | bytes] = dict(plan.files)
    folders = _folders(plan)
    for folder in folders:
        for entry in os.scandir(plan.tree.root / folder):
            path = f"{folder}/{entry.name}"
            if path not in plan.files and path not in folders and entry.name != "__pycache__":
                layout[path] = Path(entry.path)
    # Its metadata holds the version that upstream may ask for.
    for beside in plan.tree.root.glob(f"{plan.tree.package}-*.dist-info"):
        layout[beside.name] = beside
    return layout


def _folders(plan: Plan) -> set[str]:
    """The folders on the way to edited files; only these are real in the copy."""
    return {str(parent) for path in plan.files for parent in Path(path).parents if str(parent) != "."}


def _intact(root: Path, layout: Mapping[str, Path | bytes]) -> bool:
    folders = {"", *(os.path.dirname(path) for path in layout)}
    entries = (entry for folder in folders for entry in (root / folder).glob("*"))
    present = {str(entry.relative_to(root)) for entry in entries}
    extra = {path for path in present if os.path.basename(path) != "__pycache__"} - set(layout) - folders
    return not extra and all(_entry_intact(root / path, content) for path, content in layout.items())


def _entry_intact(path: Path, content: Path | bytes) -> bool:
    if isinstance(content, bytes):
        return path.is_file() and not path.is_symlink() and path.read_bytes() == content
    # One that dangles in the original dangles in the copy.
    return path.is_symlink() and path.readlink() == content and path.exists() == content.exists()


def _install(root: Path, plan: Plan, layout: Mapping[str, Path | bytes]) -> None:
    """Build aside and move in, so that whoever looks sees the whole copy or none."""
    making = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=root.parent))
    for path, content in layout.items():
        _place(making / path, content)
    if root.exists():  # damaged: out of the way first, since a rename cannot replace a full folder
        os.rename(root, tempfile.mkdtemp(prefix=_UNFINISHED, dir=root.parent))
    os.rename(making, root)


def _place(path: Path, content: Path | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.symlink_to(content)


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """Hold the cache alone; what a killed run left half-made in it is cleared away."""
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in cache.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(leftover)
        yield
