"""A revert derived from a patch, and the proof that it undoes the patch in a tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import libcst as cst

from harness.draft import running
from harness.draft.left import Left
from harness.draft.module import Module
from harness.draft.patch import Patch
from harness.draft.residue import residue
from harness.draft.searched import Searched
from harness.draft.undo import Undone, undo
from harness.draft.writer import Writer
from harness.errors import BadInput, StaleRevert
from harness.facts import Edit, Revert
from harness.foreign import cause, shown
from harness.source import revert
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


@dataclass(frozen=True)
class _Tried:
    """Edits, and what they make of the tree."""

    edits: tuple[Edit, ...]
    plan: Plan | None
    broken: tuple[str, ...]


def prove(tree: Tree, patch: Patch, searched: Searched | None = None) -> Proven:
    """Derive the edits from a patch that the tree has, apply them, and compare what comes of it.

    NotApplied if the tree does not have the patch; BadInput if it changes no module, or is no Python.
    """
    undone, searched = undo(tree, patch), searched or Searched(tree)
    before = {path: text for path, text in undone.before.items() if text is not None}
    edits: list[Edit] = []
    for path, text in before.items():
        edits += _written(searched, path, undone.after[path], text)
    found = _running(searched, _applied(tree, edits), before)
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
    )


def _written(searched: Searched, path: str, after: str, before: str) -> list[Edit]:
    tree = searched.tree
    try:
        old, new = Module(after), Module(before)
        writer = Writer(module_name(tree, path), old, new, lambda edit: searched.unique(edit, path))
        return writer.edits()
    except (SyntaxError, ValueError, RecursionError, MemoryError, cst.ParserSyntaxError) as error:
        problem = f"{tree.package}/{shown(path)} is no Python without the patch, or with it"
        raise BadInput(f"{problem} ({cause(error)}): check the patch and the tree") from error


def _applied(tree: Tree, edits: list[Edit]) -> tuple[Edit, ...]:
    """The edits that apply together, which most often are all of them."""
    if not edits or _plan(tree, edits):
        return tuple(edits)
    kept: list[Edit] = []
    for edit in edits:
        if _plan(tree, [*kept, edit]):
            kept.append(edit)
    return tuple(kept)


def _plan(tree: Tree, edits: list[Edit] | tuple[Edit, ...]) -> Plan | None:
    """What the edits make of the tree; None if they do not apply, or change nothing."""
    try:
        return revert.plan(tree, Revert(*edits)) if edits else None
    except StaleRevert:
        return None


# --- keeping what callers need -------------------------------------------------------------


def _running(searched: Searched, edits: tuple[Edit, ...], before: Mapping[str, str]) -> _Tried:
    """The edits without those of heads, imports and whole definitions that would keep it from running."""
    best = _tried(searched, edits, before)
    for edit in [edit for edit in edits if _is_optional(edit)]:
        if not best.broken:
            break
        fewer = tuple(one for one in best.edits if one != edit)
        trial = _tried(searched, fewer, before)
        if fewer and trial.plan and len(trial.broken) < len(best.broken):
            best = trial
    return best


def _tried(searched: Searched, edits: tuple[Edit, ...], before: Mapping[str, str]) -> _Tried:
    plan = _plan(searched.tree, edits)
    return _Tried(edits, plan, running.breaks(plan, searched, before) if plan else ())


def _is_optional(edit: Edit) -> bool:
    """Whether the bug does not need an edit: it takes away, adds or turns what others may want as it is."""
    return not edit.in_function or "(ANY)" in edit.replace or edit.replace.lstrip("@").startswith("def ")


# --- what is left --------------------------------------------------------------------------


def _left(tree: Tree, plan: Plan | None, after: Mapping[str, str], before: Mapping[str, str]) -> list[Left]:
    found: list[Left] = []
    for path, text in before.items():
        data = plan.files.get(f"{tree.package}/{path}") if plan else None
        now = data.decode("utf-8") if data is not None else after[path]
        found += residue(f"{tree.package}/{path}", now, text)
    return found
