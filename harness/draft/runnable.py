"""The edits of a revert with which the reverted code can run, where there are such."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.draft import imported, kept, running
from harness.draft.module import Function
from harness.draft.package import Package
from harness.draft.searched import Searched
from harness.errors import StaleRevert
from harness.facts import Edit, Revert
from harness.source import revert
from harness.source.revert import Plan
from harness.source.symbols import definitions
from harness.source.tree import Tree


@dataclass(frozen=True)
class Tried:
    """Edits, what they make of the tree, and why that would not run; no plan if there are no edits."""

    edits: tuple[Edit, ...]
    plan: Plan | None
    broken: tuple[str, ...]


def applied(tree: Tree, edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """The edits that apply together, which most often are all of them."""
    if not edits or plan(tree, edits):
        return tuple(edits)
    found: list[Edit] = []
    for edit in edits:
        if plan(tree, [*found, edit]):
            found.append(edit)
    return tuple(found)


def plan(tree: Tree, edits: Sequence[Edit]) -> Plan | None:
    """What the edits make of the tree; None if they do not apply, or change nothing."""
    try:
        return revert.plan(tree, Revert(*edits)) if edits else None
    except StaleRevert:
        return None


def running_edits(searched: Searched, edits: tuple[Edit, ...], before: Mapping[str, str]) -> Tried:
    """The edits, each in the way that leaves the least broken; an edit that need not be may be left out.

    `before` are the old texts of the files that the patch changed.
    """
    best = _tried(searched, edits, before)
    for edit in edits:
        if best.broken and edit in best.edits:
            best = _better(best, _others(searched, best, edit, before))
    code = tuple(edit for edit in best.edits if not imported.is_import(edit))
    if best.broken and code and code != best.edits:  # imports may need one another to be left alone
        best = _better(best, [_tried(searched, code, before)])
    return best


def _better(best: Tried, others: Iterable[Tried]) -> Tried:
    """The first of those that break the least and apply; imports may all go, and leave no edit."""
    usable = (
        one for one in others if one.plan or (not one.edits and all(map(imported.is_import, best.edits)))
    )
    return min([best, *usable], key=lambda one: len(one.broken))


def _others(searched: Searched, best: Tried, edit: Edit, before: Mapping[str, str]) -> Iterator[Tried]:
    """What comes of the edit's other ways, up to the first that breaks nothing."""
    at = best.edits.index(edit)
    for way in _ways(searched, best, at):
        changed = [*best.edits[:at], *([way] if way else []), *best.edits[at + 1 :]]
        found = _importing(searched, _tried(searched, tuple(changed), before), before)
        yield found
        if found.plan and not found.broken:
            return


def _ways(searched: Searched, best: Tried, at: int) -> Iterator[Edit | None]:
    """What may stand for one of the edits, where its imports lead nowhere or its callers do not bind."""
    if best.plan is None:
        return
    path = best.plan.sites[at].path.removeprefix(f"{searched.tree.package}/")
    yield from imported.ways(Package(searched, {}), path, best.edits[at])
    yield from kept.ways(best.edits[at], _function(searched, best, at))


def _importing(searched: Searched, tried: Tried, before: Mapping[str, str]) -> Tried:
    """The same without edits of imports that would take away a name that is still needed."""
    needed = [edit for edit in tried.edits if _imported(edit) & _quoted(tried.broken)]
    if not needed:
        return tried
    return _tried(searched, tuple(edit for edit in tried.edits if edit not in needed), before)


def _imported(edit: Edit) -> set[str]:
    """The names that a statement of the fix imports."""
    (statement,) = ast.parse(edit.replace).body
    names = statement.names if isinstance(statement, ast.Import | ast.ImportFrom) else []
    return {(one.asname or one.name).partition(".")[0] for one in names}


def _quoted(told: Sequence[str]) -> set[str]:
    return {name for text in told for name in re.findall(r"'(\w+)'", text)}


def _tried(searched: Searched, edits: tuple[Edit, ...], before: Mapping[str, str]) -> Tried:
    found = plan(searched.tree, edits)
    return Tried(edits, found, running.breaks(found, searched, before) if found else ())


def _function(searched: Searched, tried: Tried, at: int) -> Function | None:
    """The function that an edit is in, as the fix has it."""
    edit = tried.edits[at]
    if not edit.in_function or tried.plan is None:
        return None
    path = tried.plan.sites[at].path.removeprefix(f"{searched.tree.package}/")
    found = (node for name, node in definitions(Package(searched, {}).was(path)) if name == edit.in_function)
    return next((node for node in found if isinstance(node, Function)), None)
