"""Finds the one form of a revert that fits a tree, and rewrites the files that it edits."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import libcst as cst

from harness.errors import BadInput, FixAbsent, StaleRevert
from harness.facts import Edit, Revert
from harness.facts.revert import MODULE
from harness.foreign import shown
from harness.source import match
from harness.source.stale import called, unsearched
from harness.source.symbols import Site, definitions, find_function, nearest, parse
from harness.source.tree import Tree

_Modules = dict[str, cst.Module]


@dataclass(frozen=True)
class Fit:
    """The form that fits, counted from 1, the function of each edit, and the files with all of them."""

    form: int
    sites: tuple[Site, ...]
    files: Mapping[str, bytes]


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


def fit(tree: Tree, revert: Revert) -> Fit:
    """The one form of which every edit matches exactly once. StaleRevert, FixAbsent, BadInput without one."""
    modules: _Modules = {}
    found = [[_search(tree, edit, modules) for edit in form.edits] for form in revert.forms]
    fitting = [number for number, searches in enumerate(found, 1) if all(len(s.hits) == 1 for s in searches)]
    if len(fitting) != 1:
        raise _stale(tree, found, fitting)
    searches = found[fitting[0] - 1]
    sites = tuple(search.hits[0][0] for search in searches)
    return Fit(fitting[0], sites, _rewritten(tree, searches, modules))


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
        raise FixAbsent(f"the revert changes nothing in {called(tree)}: the fix is not in it")
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


# --- saying why a revert is stale ----------------------------------------------------------


def _stale(tree: Tree, found: Sequence[Sequence[_Search]], fitting: Sequence[int]) -> StaleRevert:
    if fitting:
        forms = " and ".join(map(str, fitting))
        return StaleRevert(f"in {called(tree)} forms {forms} of {len(found)} all match: exactly one must")
    failed = [[search for search in form if len(search.hits) != 1] for form in found]
    told = [", ".join(search.told for search in form) for form in failed]
    if len(found) > 1:
        told = [f"form {number}: {text}" for number, text in enumerate(told, 1)]
    near = [candidate for form in failed for search in form for candidate in _near(tree, search)]
    lost = unsearched(tree, [search.edit.scope for form in failed for search in form])
    absent = not lost and all(any(not search.hits for search in form) for form in failed)
    kind = FixAbsent if absent else StaleRevert
    return kind(f"in {called(tree)}: {'; '.join(told)}{lost}", tuple(dict.fromkeys(near))[:6])


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
