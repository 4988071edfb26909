"""Undo one fix: find the form of a revert that fits a tree, and make a cheap copy with it applied."""

from __future__ import annotations

import ast
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

import libcst as cst

from harness.errors import BadInput, FixAbsent, StaleRevert
from harness.facts import Edit, Revert
from harness.facts.revert import MODULE
from harness.foreign import shown
from harness.source import match
from harness.source.answers import answers
from harness.source.symbols import (
    Site,
    definitions,
    find_function,
    functions_by_module,
    nearest,
    parse,
    unreadable,
)
from harness.source.tree import Tree

_UNFINISHED = ".unfinished-"
_Modules = dict[str, cst.Module]


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


@dataclass(frozen=True)
class _Search:
    """Where one edit's pattern was found, over every function of that name."""

    edit: Edit
    sites: tuple[Site, ...]
    hits: tuple[tuple[Site, match.Piece], ...]

    @property
    def change(self) -> match.Change:
        """The one hit, as it is to be rewritten."""
        return match.Change(self.hits[0][1], match.pattern(self.edit.replace), self.edit.by)

    @property
    def told(self) -> str:
        if not self.sites:
            return f"no {_kind(self.edit)} {self.edit.in_function or self.edit.in_class}".rstrip() + _of(
                self.edit
            )
        return f"{_worded(self.edit)}: `{_short(self.edit.replace)}` found {len(self.hits)} times"


def _kind(edit: Edit) -> str:
    return "function" if edit.in_function else "class" if edit.in_class else f"module {edit.in_module}"


def _of(edit: Edit) -> str:
    return f" in {edit.in_module}" if edit.in_module and edit.local != MODULE else ""


def _worded(edit: Edit) -> str:
    """Where an edit is, in the words of a message."""
    return (edit.local if edit.local != MODULE else edit.in_module) + _of(edit)


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
        raise StaleRevert(f"in {_called(tree)}: a file to be edited is nested too deeply") from None


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
    modules: _Modules = {}
    found = [[_search(tree, edit, modules) for edit in form.edits] for form in revert.forms]
    fitting = [number for number, searches in enumerate(found, 1) if all(len(s.hits) == 1 for s in searches)]
    if len(fitting) != 1:
        raise _stale(tree, found, fitting)
    searches = found[fitting[0] - 1]
    files = _rewritten(tree, searches, modules)
    sites = tuple(search.hits[0][0] for search in searches)
    return Plan(tree, fitting[0], tuple(search.edit for search in searches), sites, files)


def expected(tree: Tree, functions: Sequence[str]) -> dict[str, str]:
    """sha256 of every module file in which some of the functions live, by module name.

    StaleRevert if the tree has none of them.
    """
    homes = functions_by_module(tree, tuple(functions))
    if not homes:
        missing = f"{_called(tree)} has no function {' or '.join(functions)}"
        raise StaleRevert(f"{missing}{_unsearched(tree, functions)}", nearest(tree, functions[0]))
    sites = (site for name in functions for site in find_function(tree, name))
    return {site.module: hashlib.sha256(tree.source(site.path)).hexdigest() for site in sites}


def diff(plan: Plan) -> str:
    """What the revert changes, as a unified diff."""
    return "".join(line for path, new in plan.files.items() for line in _file_diff(plan.tree, path, new))


def _search(tree: Tree, edit: Edit, modules: _Modules) -> _Search:
    wanted = match.pattern(edit.replace)
    sites = find_function(tree, edit.scope)
    hits: list[tuple[Site, match.Piece]] = []
    for path in dict.fromkeys(site.path for site in sites):
        here = [site for site in sites if site.path == path]
        functions = match.functions(_module(tree, path, modules), edit.local)
        for site, function in zip(here, functions, strict=True):
            hits += [(site, piece) for piece in match.find(function, wanted)]
    return _Search(edit, sites, tuple(hits))


def _module(tree: Tree, path: str, modules: _Modules) -> cst.Module:
    """One parse per file and plan: pieces of a file are only comparable within one parse."""
    if path not in modules:
        try:
            modules[path] = cst.parse_module(tree.source(path))
        except (cst.ParserSyntaxError, RecursionError, MemoryError, UnicodeError) as error:
            deep = isinstance(error, RecursionError | MemoryError)
            why = "it is nested too deeply" if deep else shown(getattr(error, "message", error), 200)
            problem = f"{shown(tree.root / path)} cannot be parsed ({why})"
            raise StaleRevert(f"{problem}: repair it, or upgrade libcst") from error
    return modules[path]


def _rewritten(tree: Tree, searches: Sequence[_Search], modules: _Modules) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for path in dict.fromkeys(search.hits[0][0].path for search in searches):
        changes = [search.change for search in searches if search.hits[0][0].path == path]
        files[path] = match.rewrite(modules[path], changes).bytes
    unchanged = [_same_code(tree, path, new) for path, new in files.items()]
    if all(unchanged):
        raise FixAbsent(f"the revert changes nothing in {_called(tree)}: the fix is not in it")
    return files


def _same_code(tree: Tree, path: str, new: bytes) -> bool:
    """Whether the edits made no difference. StaleRevert if what they made is no Python."""
    place = tree.root / path
    try:
        syntax = parse(new, place)
        edited = ast.dump(syntax)
        compile(syntax, str(place), "exec", dont_inherit=True)
    except (BadInput, SyntaxError) as error:
        raise StaleRevert(f"the edits make no Python of {place.name}: {error}") from error
    return edited == ast.dump(parse(tree.source(path), place))


def _file_diff(tree: Tree, path: str, new: bytes) -> Iterator[str]:
    both = (tree.source(path), new)
    before, after = ([_line(one) for one in data.decode(errors="replace").split("\n")] for data in both)
    yield from difflib.unified_diff(before, after, f"fixed/{shown(path)}", f"reverted/{shown(path)}")


def _line(text: str) -> str:
    """A line of source as a terminal may have it."""
    return shown(text.expandtabs(), 1000) + "\n"


# --- saying why a revert is stale ----------------------------------------------------------


def _stale(tree: Tree, found: Sequence[Sequence[_Search]], fitting: Sequence[int]) -> StaleRevert:
    if fitting:
        forms = " and ".join(map(str, fitting))
        return StaleRevert(f"in {_called(tree)} forms {forms} of {len(found)} all match: exactly one must")
    failed = [[search for search in form if len(search.hits) != 1] for form in found]
    told = [", ".join(search.told for search in form) for form in failed]
    if len(found) > 1:
        told = [f"form {number}: {text}" for number, text in enumerate(told, 1)]
    near = [candidate for form in failed for search in form for candidate in _near(tree, search)]
    lost = _unsearched(tree, [search.edit.scope for form in failed for search in form])
    absent = not lost and all(any(not search.hits for search in form) for form in failed)
    kind = FixAbsent if absent else StaleRevert
    return kind(f"in {_called(tree)}: {'; '.join(told)}{lost}", tuple(dict.fromkeys(near))[:6])


def _unsearched(tree: Tree, functions: Sequence[str]) -> str:
    """The first file that might hold one of these functions and could not be searched, if there is one."""
    found = dict.fromkeys(why for name in functions for why in unreadable(tree, name))
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"; {next(iter(found))}{more}" if found else ""


def _near(tree: Tree, search: _Search) -> Sequence[str]:
    if not search.sites:
        return nearest(tree, search.edit.in_function) if search.edit.in_function else ()
    wanted = _short(search.edit.replace, 200)
    texts = [text for site in search.sites for text in _statements(tree, site)]
    closest = sorted(texts, key=lambda found: -_likeness(found[1], wanted))[:3]
    return [f"{where} `{_short(text)}`" for where, text in closest]


def _statements(tree: Tree, site: Site) -> Iterator[tuple[str, str]]:
    """Every statement of a function as (file:line, its first line of code)."""
    path = tree.root / site.path
    for name, node in definitions(parse(tree.source(site.path), path)):
        if name == site.qualname and node.lineno == site.line:
            inner = (child for child in ast.walk(node) if isinstance(child, ast.stmt) and child is not node)
            for child in inner:
                yield f"{path.name}:{child.lineno}", ast.unparse(child).partition("\n")[0]


def _likeness(text: str, wanted: str) -> float:
    return difflib.SequenceMatcher(None, text, wanted).ratio()


def _short(text: str, limit: int = 70) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _called(tree: Tree) -> str:
    return f"{tree.package} {tree.version}" if tree.version else f"{tree.package} at {tree.root}"


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
