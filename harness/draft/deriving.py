"""A revert derived in the tree that has the fix, and tried on every release at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.draft.fitting import fitting
from harness.draft.left import Left
from harness.draft.patch import Patch
from harness.draft.proof import Proven, prove
from harness.draft.searched import Searched
from harness.draft.undo import NotApplied, undo
from harness.errors import BadInput
from harness.source.releases import Releases, order, parse
from harness.source.tree import Tree


def derived(releases: Releases, tree: Tree, patch: Patch, only: Sequence[str] = ()) -> Proven:
    """The revert of a patch, proven in the tree, else in the release at hand that is nearest and has it.

    `only` names the functions of which alone the change is undone.
    A tree may have the fix in a later form, or not yet: then the draft says what it has. Nothing is fetched.
    NotApplied if no release at hand has the patch, either; BadInput as `prove`.
    """
    try:
        found = prove(Searched(tree), patch, only)
    except NotApplied as error:
        home = next(_having(releases, tree, patch), None)
        if home is None:
            raise
        proven = prove(Searched(home), patch, only)
        why = Left(f"{error}; the revert was derived in {home.version}", todo=False)
        found = replace(proven, left=(why, *proven.left))
    return replace(found, fitting=fitting(releases, found.tree, found.edits, found.paths, tree))


def _having(releases: Releases, tree: Tree, patch: Patch) -> Iterator[Tree]:
    """Releases at hand that have the patch: those before the tree first, the latest of them first."""
    own = order(parse(tree.version or "") or "0")
    known = [one for one in releases.cached() if parse(one) == one]
    before = [one for one in known if order(one) < own]
    for one in [*reversed(before), *(one for one in known if order(one) > own)]:
        if _has(releases.entry(one), patch):
            yield releases.tree(one)


def _has(tree: Tree, patch: Patch) -> bool:
    try:
        undo(tree, patch)
    except BadInput:
        return False
    return True
