"""Functions of a tree by their qualified name, wherever in the package they live."""

from __future__ import annotations

import ast
import difflib
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness import foreign
from harness.errors import BadInput
from harness.facts.revert import MODULE
from harness.foreign import LARGEST_SOURCE, cause, shown
from harness.source.answers import answers
from harness.source.holding import holding
from harness.source.tree import Tree

_DEFINITION = re.compile(rb"^([ \t]*)(?:async[ \t]+)?(def|class)[ \t]+(\w+)", re.MULTILINE)
Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, order=True)
class Site:
    """One definition of a function: `path` is relative to the tree's root, `line` that of its `def`.

    In `qualname` nested functions follow their outer one after a plain dot: `outer.inner`.
    """

    module: str
    path: str
    qualname: str
    line: int


_Found = tuple[tuple[Site, ...], tuple[str, ...]]
"""The definitions of a name, and why files that may hold more cannot be searched."""


def find_function(tree: Tree, qualname: str) -> tuple[Site, ...]:
    """Every function or method with that qualified name in the package, by module, then line.

    `class Pool` names a class, `<module>` what is in neither, and `sglang.a:Pool.grow` those of one module.
    A file that is no Python for this interpreter holds none: nobody can import it. `unreadable` names it.
    """
    return _find(tree, tree.content_hash, qualname)[0]


def sites(tree: Tree, qualname: str) -> tuple[Site, ...]:
    """The same without a hash of the whole tree, for who asks once and knows that it does not change."""
    in_one = ":" in qualname
    paths = None if in_one else holding(str(tree.folder), _last(qualname.rpartition(" ")[2]).encode())
    if paths is None:
        return _search(tree, qualname)[0]
    sources = ((path, foreign.read(tree.folder / path, largest=LARGEST_SOURCE)) for path in paths)
    return _among(tree, _defining(qualname, sources), qualname)[0]


def unreadable(tree: Tree, qualname: str) -> tuple[str, ...]:
    """Why files that may hold that function cannot be searched: they are no Python, or cannot be read."""
    why = _find(tree, tree.content_hash, qualname)[1]
    return (*why, *(f"{tree.package}/{shown(path)} {told}" for path, told in tree.broken.items()))


def functions_by_module(tree: Tree, qualnames: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The modules in which some of the functions live, each with those it holds."""
    homes: dict[str, tuple[str, ...]] = {}
    for site in (site for name in dict.fromkeys(qualnames) for site in find_function(tree, name)):
        known = homes.get(site.module, ())
        homes[site.module] = known if site.qualname in known else (*known, site.qualname)
    return homes


def nearest(tree: Tree, qualname: str, limit: int = 4) -> tuple[str, ...]:
    """Qualified names close to one that is missing, the closest first."""
    names = _qualnames(tree, tree.content_hash)
    qualname = qualname.rpartition(":")[2].rpartition(" ")[2]
    last = _last(qualname)
    # Last names alone are compared: whole ones are so many that the message would take seconds.
    close = [last, *difflib.get_close_matches(last, {_last(name) for name in names}, n=limit, cutoff=0.7)]
    near = [name for name in names if _last(name) in close]
    return tuple(sorted(near, key=lambda name: -_likeness(name, qualname))[:limit])


def parse(source: bytes, path: Path) -> ast.Module:
    """The syntax tree of a source file. BadInput if it is no Python for this interpreter."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what upstream's style deserves is for upstream to hear
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
        remedy = "use an interpreter it was written for"
        raise BadInput(f"{shown(path)} is no {python} ({_why(error)}): {remedy}") from error


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError | MemoryError):
        return "it is nested too deeply"
    line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
    return f"{cause(error) if not isinstance(error, SyntaxError) else shown(error.msg)}{line}"


def definitions(module: ast.Module) -> Iterator[tuple[str, Scope]]:
    """Every function and class of a module with its qualified name, in source order."""
    yield from _definitions(module, ())


def module_name(tree: Tree, path: str) -> str:
    """The dotted name of a Python file given by its path inside the package."""
    parts = [tree.package, *path.removesuffix(".py").split("/")]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# The content hash is part of the key: a Tree made anew after a change finds anew.
@lru_cache(maxsize=256)
def _find(tree: Tree, content_hash: str, qualname: str) -> _Found:
    question = ("sites", tree.package, content_hash, qualname)
    return answers().of(question, lambda: _search(tree, qualname), _told, _read)


def _told(found: _Found) -> list[list[str | int]] | None:
    """The sites as JSON has them; None where there were problems, which name the place of the tree."""
    places, problems = found
    return None if problems else [list(astuple(site)) for site in places]


def _read(told: list[list[Any]]) -> _Found:
    return tuple(Site(*site) for site in told), ()


def _search(tree: Tree, qualname: str) -> _Found:
    module, _, local = qualname.rpartition(":")
    texts = ((path, tree.read(path)) for path in tree.files() if path.endswith(".py"))
    return _among(tree, _of_module(tree, module) if module else _defining(local, texts), local)


def _among(tree: Tree, sources: Iterable[tuple[str, bytes]], local: str) -> _Found:
    """The definitions of a name in these files."""
    sites: list[Site] = []
    problems: list[str] = []
    for path, source in sources:
        try:
            sites += _sites(tree, path, source, local)
        except BadInput as error:
            problems.append(str(error))
        except RecursionError:
            problems.append(f"{shown(tree.folder / path)} is nested too deeply to be searched")
    return tuple(sorted(sites)), tuple(problems)


def _sites(tree: Tree, path: str, source: bytes, qualname: str) -> Iterator[Site]:
    module, file = module_name(tree, path), f"{tree.package}/{path}"
    syntax = parse(source, tree.folder / path)
    if qualname == MODULE:
        yield Site(module, file, qualname, 1)
    for name, node in definitions(syntax):
        if qualname == (f"class {name}" if isinstance(node, ast.ClassDef) else name):
            yield Site(module, file, qualname, node.lineno)


def _of_module(tree: Tree, module: str) -> Iterator[tuple[str, bytes]]:
    """The file of a module, if the tree has it."""
    _, _, inner = module.partition(".")
    stem = inner.replace(".", "/")
    wanted = {f"{stem}.py", f"{stem}/__init__.py".lstrip("/")}
    yield from ((path, tree.read(path)) for path in tree.files() if path in wanted)


def _defining(qualname: str, sources: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Files whose text defines every part of the name: parsing them all would take a minute."""
    kind, _, name = qualname.rpartition(" ")
    parts = [part.encode() for part in name.split(".")]
    kinds = [rb"(?:def|class)"] * (len(parts) - 1) + [rb"class" if kind else rb"def"]
    wanted = [re.compile(rb"\b%s[\s\\]+%s\b" % pair) for pair in zip(kinds, parts, strict=True)]
    for path, source in sources:
        if all(part in source for part in parts) and all(w.search(source) for w in wanted):
            yield path, source


def _definitions(node: ast.AST, outer: tuple[str, ...]) -> Iterator[tuple[str, Scope]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):  # no expression defines a function with a name
            continue
        inside = outer
        if isinstance(child, Scope):
            inside = (*outer, child.name)
            yield ".".join(inside), child
        yield from _definitions(child, inside)


@lru_cache(maxsize=4)
def _qualnames(tree: Tree, content_hash: str) -> tuple[str, ...]:
    sources = (tree.read(path) for path in tree.files() if path.endswith(".py"))
    return tuple(sorted({name for source in sources for name in _outline(source)}))


def _outline(source: bytes) -> Iterator[str]:
    """Qualified names by indentation alone: good enough for a hint, and fast enough for a package."""
    scopes: list[tuple[int, str]] = []
    for indent, kind, name in _DEFINITION.findall(source):
        while scopes and scopes[-1][0] >= len(indent):
            scopes.pop()
        scopes.append((len(indent), name.decode(errors="replace")))
        if kind == b"def":
            yield ".".join(scope for _, scope in scopes)


def _last(qualname: str) -> str:
    return qualname.rpartition(".")[2]


def _likeness(name: str, wanted: str) -> float:
    return difflib.SequenceMatcher(None, name, wanted).ratio()
