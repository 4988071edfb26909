"""A revert derived from a patch, and the proof that it undoes the patch in a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import libcst as cst

from harness.draft.chosen import chosen
from harness.draft.fitting import Fitting
from harness.draft.gone import replaced
from harness.draft.left import Left
from harness.draft.module import Module, same
from harness.draft.package import Package
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


class Proof(Enum):
    """How far edits undo a patch."""

    EXACT = "exact"
    """The syntax of every module is what it was before the patch."""
    BUT_IMPORTS = "but imports"
    """It is, but for imports of what the tree has not got any more, which no revert can bring back."""
    PARTLY = "partly"
    """Something differs that somebody has to look at, or there are no edits."""


@dataclass(frozen=True)
class Proven:
    """Edits that were seen to undo a patch; `modules` are those that it changes.

    What differs from before the patch is told in `left`. There may be no edits at all. `broken` says why the
    code would not run so.
    """

    searched: Searched
    edits: tuple[Edit, ...]
    modules: tuple[str, ...]
    left: tuple[Left, ...]
    proof: Proof
    broken: tuple[str, ...] = ()
    message: str = ""
    undone: Undone | None = None
    paths: tuple[str, ...] = ()
    """The file of each edit, in the package."""
    fitting: Fitting | None = None
    """What other releases at hand say of it, where they were asked."""
    only: tuple[str, ...] = ()
    """The functions of which alone the change was undone; none if all of the patch was."""

    @property
    def tree(self) -> Tree:
        """The tree in which the edits were derived."""
        return self.searched.tree

    @property
    def exact(self) -> bool:
        """Whether nothing at all differs."""
        return self.proof is Proof.EXACT


def prove(searched: Searched, patch: Patch, only: Sequence[str] = ()) -> Proven:
    """Derive the edits from a patch that the tree has, apply them, and compare what comes of it.

    `only` names functions of which alone the change is undone. NotApplied if the tree does not have the
    patch; BadInput if it changes no module, is no Python, or changes nothing of a name.
    """
    tree = searched.tree
    undone = chosen(undo(tree, patch), only)
    before = {path: text.removeprefix("\ufeff") for path, text in undone.before.items() if text is not None}
    edits = [one for path in before for one in _written(searched, path, undone.after[path], before[path])]
    found = running_edits(searched, applied(tree, edits), before)
    differing = _differing(searched, found.plan, undone.after, before)
    left = (*undone.left, *differing)
    return Proven(
        searched=searched,
        only=tuple(only),
        edits=found.edits,
        modules=tuple(module_name(tree, path) for path in undone.after),
        left=left,
        proof=_proof(found.edits, left, differing),
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


def _differing(
    searched: Searched, plan: Plan | None, after: Mapping[str, str], before: Mapping[str, str]
) -> list[Left]:
    """What is not as it was; imports of what is gone are nothing to do, if anything else is undone."""
    root = f"{searched.tree.package}/"
    reverted = (
        {path.removeprefix(root): data.decode("utf-8") for path, data in plan.files.items()} if plan else {}
    )
    package, found = Package(searched, reverted), list[Left]()
    for path, text in before.items():
        now = reverted.get(path, after[path])
        if not same(Module(now).syntax, Module(text).syntax):
            harmless = replaced(package, path, text) if plan else frozenset[str]()
            found += residue(f"{root}{path}", now, text, harmless)
    return found


def _proof(edits: Sequence[Edit], left: Sequence[Left], differing: Sequence[Left]) -> Proof:
    if not edits or any(one.todo for one in left):
        return Proof.PARTLY
    return Proof.BUT_IMPORTS if differing else Proof.EXACT
