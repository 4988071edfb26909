"""A revert derived from a patch, and the proof that it undoes the patch in a tree."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache

import libcst as cst

from harness.draft import patch
from harness.draft.derive import Derived, derive
from harness.draft.patch import Change
from harness.errors import BadInput, StaleRevert
from harness.facts import Edit, Revert
from harness.foreign import cause, shown
from harness.source import match, revert
from harness.source.symbols import find_function, module_name
from harness.source.tree import Tree


@dataclass(frozen=True)
class Proven:
    """Edits that were seen to undo a patch; `modules` are those that it changes.

    `exact` says that the modules' syntax was then what it was before the patch. Otherwise `left`
    says in what it differs, which is all outside of what the edits can reach.
    """

    tree: Tree
    edits: tuple[Edit, ...]
    modules: tuple[str, ...]
    left: tuple[str, ...]
    exact: bool


def prove(tree: Tree, changes: tuple[Change, ...]) -> Proven:
    """Derive the edits from a patch that the tree has, apply them, and compare what comes of it.

    BadInput if the tree does not have the patch, or if nothing of it can be undone by edits.
    """
    code = [change for change in changes if change.path.endswith(".py") and not change.added]
    texts = {change.path: _text(tree, change.path) for change in code}
    before = {change.path: patch.undone(change, texts[change.path], tree.package) for change in code}
    found = {path: _derived(tree, path, text, before[path]) for path, text in texts.items()}
    edits = tuple(edit for one in found.values() for edit in one.edits)
    told = (f"{path}: {left.text}" for path, one in found.items() for left in one.left)
    left = (*_not_code(changes, tree), *told)
    if not edits:
        why = "; ".join(left) or "it changes no code"
        raise BadInput(
            f"the patch holds nothing that edits of functions can undo ({why}): write the revert by hand"
        )
    after = _reverted(tree, edits, texts)
    for path, text in after.items():
        _check(path, text, before[path], found[path])
    exact = not left and all(_dump(after[path]) == _dump(before[path]) for path in texts)
    modules = tuple(module_name(tree, path) for path in texts)
    return Proven(tree, edits, modules, left, exact)


def _text(tree: Tree, path: str) -> str:
    if path not in set(tree.files()):
        raise BadInput(f"{tree.package}/{path} is not in this tree: give --sglang a tree that has the fix")
    try:
        return tree.read(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{tree.package}/{path} is no UTF-8: write the revert by hand") from error


def _derived(tree: Tree, path: str, after: str, before: str) -> Derived:
    try:
        return derive(after, before, _uniqueness(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError, cst.ParserSyntaxError) as error:
        problem = f"{tree.package}/{shown(path)} is no Python without the patch, or with it"
        raise BadInput(f"{problem} ({cause(error)}): check the patch and the tree") from error


@cache
def _uniqueness(tree: Tree) -> _Uniqueness:
    return _Uniqueness(tree)


class _Uniqueness:
    """Counts what edits look for, over every function of their name in the package."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._modules: dict[str, cst.Module] = {}

    def __call__(self, edit: Edit) -> bool:
        return self._hits(edit) == 1

    def _hits(self, edit: Edit) -> int:
        wanted = match.pattern(edit.replace)
        paths = dict.fromkeys(site.path for site in find_function(self._tree, edit.in_function))
        functions = (one for path in paths for one in match.functions(self._parsed(path), edit.in_function))
        return sum(len(match.find(function, wanted)) for function in functions)

    def _parsed(self, path: str) -> cst.Module:
        if path not in self._modules:
            self._modules[path] = cst.parse_module(self._tree.source(path))
        return self._modules[path]


def _reverted(tree: Tree, edits: tuple[Edit, ...], texts: dict[str, str]) -> dict[str, str]:
    """The patched files with the edits applied."""
    try:
        planned = revert.plan(tree, Revert(*edits))
    except StaleRevert as error:
        raise BadInput(f"the edits do not apply together ({error}): write the revert by hand") from error
    return {
        path: planned.files[name].decode("utf-8")
        if (name := f"{tree.package}/{path}") in planned.files
        else text
        for path, text in texts.items()
    }


def _check(path: str, reverted: str, before: str, found: Derived) -> None:
    """BadInput unless the reverted file differs from what it was in nothing but what is told."""
    again = derive(reverted, before, lambda edit: True)
    known = {left.function for left in found.left}
    untold = [left.text for left in again.left if left not in found.left]
    untold += [
        f"`{edit.replace}` in {edit.in_function}" for edit in again.edits if edit.in_function not in known
    ]
    if untold:
        problem = f"{path}: undone, it still differs from before the patch ({untold[0]})"
        raise BadInput(f"{problem}: write the revert by hand")


def _not_code(changes: tuple[Change, ...], tree: Tree) -> list[str]:
    added = [f"{tree.package}/{one.path} came with the fix: it stays" for one in changes if one.added]
    other = [one for one in changes if not one.added and not one.path.endswith(".py")]
    return [
        *added,
        *(f"{tree.package}/{one.path} is no Python: it stays as the fix made it" for one in other),
    ]


def _dump(text: str) -> str:
    return ast.dump(ast.parse(text))
