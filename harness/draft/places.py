"""How often a release has what edits look for, in the file that has the function, the class or the module.

Releases share most of their files, and most functions of the others: each text is searched once.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain

import libcst as cst

from harness.draft.module import Definition, Function
from harness.draft.searched import Searched
from harness.facts import Edit
from harness.facts.revert import MODULE
from harness.source import match
from harness.source.match import Scope
from harness.source.symbols import definitions
from harness.source.tree import Tree

_SCOPES = 4
"""How many syntax trees are kept: one edit's pieces are looked for in one text after another."""


class Texts:
    """What was found in each text, for every release that has it."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str], int] = {}
        self._scope = lru_cache(maxsize=_SCOPES)(_scope)
        self._defined: dict[str, tuple[_Lines, ...]] = {}
        self.moved: dict[tuple[str, str], list[str]] = {}
        """Files in which some release has what an edit is in."""

    def count(self, part: str, local: str, pattern: str) -> int:
        """How often a pattern is found in the text of one function, class or module."""
        key = (_digest(part), local, pattern)
        if key not in self._counts:
            self._counts[key] = len(match.find(self._scope(part, local), match.pattern(pattern)))
        return self._counts[key]

    def parts(self, source: bytes, local: str) -> tuple[str, ...]:
        """The texts of all functions or classes of a name in a file; its own for `<module>`."""
        text = source.decode("utf-8-sig")
        if local == MODULE:
            return (text,)
        key = hashlib.sha256(source).hexdigest()
        if key not in self._defined:
            self._defined[key] = tuple(_defined(text))
        lines = text.split("\n")
        return tuple(
            "\n".join(lines[one.first : one.end]) for one in self._defined[key] if one.local == local
        )


@dataclass(frozen=True)
class _Lines:
    """Where a function or class stands, named as edits do: its first line from 0, and the one after it."""

    local: str
    first: int
    end: int


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", errors="surrogateescape")).hexdigest()


def _defined(text: str) -> Iterator[_Lines]:
    for name, node in definitions(ast.parse(text)):
        local = f"class {name}" if isinstance(node, ast.ClassDef) else name
        yield _Lines(local, _first(node), node.end_lineno or node.lineno)


def _first(node: Definition) -> int:
    return min([node.lineno, *(one.lineno for one in node.decorator_list)]) - 1


def _segment(lines: list[str], node: Definition) -> str:
    return "\n".join(lines[_first(node) : node.end_lineno])


def functions_with(source: bytes, pattern: str) -> Iterator[str]:
    """The innermost functions of a file that hold what a pattern without anything left open spells."""
    text, wanted = source.decode("utf-8-sig", errors="replace"), match.pattern(pattern)
    lines, told = text.split("\n"), list[str]()
    for name, node in reversed(list(definitions(ast.parse(text)))):
        inner = any(one.startswith(f"{name}.") for one in told)
        if inner or not isinstance(node, Function) or not spells(part := _segment(lines, node), pattern):
            continue
        if match.find(_scope(part, name), wanted):
            told.append(name)
    yield from reversed(told)


def spells(text: str, pattern: str) -> bool:
    """Whether a text may hold a pattern: it does so letter by letter, white space left out."""
    return "".join(pattern.split()) in "".join(text.split())


def _scope(part: str, local: str) -> Scope:
    """The syntax of one definition, or of a whole module. An indented one keeps its indentation."""
    if local == MODULE:
        return cst.parse_module(part)
    indented = part[:1] in (" ", "\t")
    inner = cst.parse_module(f"if True:\n{part}\n" if indented else f"{part}\n").body[0]
    if isinstance(inner, cst.If):
        inner = inner.body.body[0]  # type: ignore[assignment]
    assert isinstance(inner, cst.FunctionDef | cst.ClassDef)
    return inner


class Release:
    """A release's tree, in which the homes of edits are looked up."""

    def __init__(self, tree: Tree, texts: Texts) -> None:
        self.tree, self._texts = tree, texts
        self._homes: dict[tuple[str, str], str] = {}

    @property
    def name(self) -> str:
        """The release's number."""
        return str(self.tree.version)

    @cached_property
    def searched(self) -> Searched:
        """The tree to search as a whole, which reads all of it."""
        return Searched(self.tree)

    def parts(self, edit: Edit, path: str) -> tuple[str, ...]:
        """The texts of what an edit is in, here or where it has moved to; nothing if it is gone."""
        return self._in_file(edit, self.home(edit, path))

    def count(self, edit: Edit, path: str, pattern: str) -> int:
        """How often a pattern is found there."""
        return sum(self._texts.count(part, edit.local, pattern) for part in self.parts(edit, path))

    def home(self, edit: Edit, path: str) -> str:
        """The file that has the function or the class of an edit which was in `path`; that if none has it.

        Modules that others name do not move, and a release may have several that have it: then the first.
        """
        key = (edit.scope, path)
        if key not in self._homes:
            known = [path, *self._texts.moved.get(key, ())]
            fixed = bool(edit.in_module)
            places = known[:1] if fixed else chain(known, self._defining(edit))
            self._homes[key] = next((one for one in places if self._in_file(edit, one)), path)
            self._texts.moved.setdefault(key, []).append(self._homes[key])
        return self._homes[key]

    def functions_with(self, path: str, pattern: str) -> frozenset[str]:
        """The innermost functions of a file that hold what a pattern spells; none if the file is not here."""
        return frozenset(functions_with(self.tree.read(path), pattern)) if self._has(path) else frozenset()

    def _has(self, path: str) -> bool:
        # To list all files of every release takes seconds.
        return (self.tree.folder / path).is_file()

    def _in_file(self, edit: Edit, path: str) -> tuple[str, ...]:
        if not self._has(path):
            return ()
        try:
            return self._texts.parts(self.tree.read(path), edit.local)
        except (SyntaxError, ValueError, RecursionError):
            return ()  # what is no Python defines nothing

    def _defining(self, edit: Edit) -> Iterator[str]:
        """Files that define the outermost name of what an edit is in, and its last one."""
        outer, _, rest = (edit.in_function or edit.in_class).partition(".")
        inner = rest.rpartition(".")[2].encode()
        yield from (path for path in self.searched.mentioning(outer) if inner in self.searched.source(path))
