"""A revert derived from a patch, and the proof that it undoes the patch in a tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import libcst as cst

from harness.draft.fitting import Fitting
from harness.draft.left import Left
from harness.draft.module import Module
from harness.draft.patch import Patch
from harness.draft.residue import residue
from harness.draft.runnable import applied, running_edits
from harness.draft.searched import Searched
from harness.draft.undo import Undone, undo
from harness.draft.writer import Writer
from harness.errors import BadInput
from harness.facts import Edit
from harness.foreign import cause, shown
from harness.source.revert import Plan
from harness.source.symbols import module_name
from harness.source.tree import Tree


@dataclass(frozen=True)
class Proven:
    """Edits that were seen to undo a patch; `modules` are those that it changes.

    `exact` says that the syntax of every module was then what it was before the patch; what differs otherwise
    is told in `left`. There may be no edits at all. `broken` says why the code would not run so.
    """

    tree: Tree
    edits: tuple[Edit, ...]
    modules: tuple[str, ...]
    left: tuple[Left, ...]
    exact: bool
    broken: tuple[str, ...] = ()
    message: str = ""
    undone: Undone | None = None
    paths: tuple[str, ...] = ()
    """The file of each edit, in the package."""
    fitting: Fitting | None = None
    """What other releases at hand say of it, where they were asked."""


def prove(tree: Tree, patch: Patch, searched: Searched | None = None) -> Proven:
    """Derive the edits from a patch that the tree has, apply them, and compare what comes of it.

    NotApplied if the tree does not have the patch; BadInput if it changes no module, or is no Python.
    """
    undone, searched = undo(tree, patch), searched or Searched(tree)
    before = {path: text.removeprefix("\ufeff") for path, text in undone.before.items() if text is not None}
    edits = [one for path in before for one in _written(searched, path, undone.after[path], before[path])]
    found = running_edits(searched, applied(tree, edits), before)
    left = [*undone.left, *_left(tree, found.plan, undone.after, before)]
    return Proven(
        tree=tree,
        edits=found.edits,
        modules=tuple(module_name(tree, path) for path in undone.after),
        left=tuple(left),
        exact=not any(one.todo for one in left) and bool(found.edits),
        broken=found.broken,
        message=patch.message,
        undone=undone,
        paths=_paths(found.plan),
    )


def _paths(plan: Plan | None) -> tuple[str, ...]:
    return tuple(site.path.partition("/")[2] for site in plan.sites) if plan else ()


def _written(searched: Searched, path: str, after: str, before: str) -> list[Edit]:
    tree = searched.tree
    try:
        old, new = Module(after), Module(before)
        writer = Writer(module_name(tree, path), old, new, lambda edit: searched.unique(edit, path))
        return writer.edits()
    except (SyntaxError, ValueError, RecursionError, MemoryError, cst.ParserSyntaxError) as error:
        problem = f"{tree.package}/{shown(path)} is no Python without the patch, or with it"
        raise BadInput(f"{problem} ({cause(error)}): check the patch and the tree") from error


# --- what is left --------------------------------------------------------------------------


def _left(tree: Tree, plan: Plan | None, after: Mapping[str, str], before: Mapping[str, str]) -> list[Left]:
    found: list[Left] = []
    for path, text in before.items():
        data = plan.files.get(f"{tree.package}/{path}") if plan else None
        now = data.decode("utf-8") if data is not None else after[path]
        found += residue(f"{tree.package}/{path}", now, text)
    return found
