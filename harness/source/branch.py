"""Which branch of a clone a tree is."""

from __future__ import annotations

import contextlib
from pathlib import Path

from harness import foreign
from harness.errors import BadInput
from harness.foreign import shown
from harness.source.tree import Tree

_BRANCH = "ref: refs/heads/"
_LARGEST = 4096


def branch(tree: Tree) -> str | None:
    """The branch that is checked out where the tree lies; None for no clone, or for no branch.

    Upstream's package lies in `python/` of its repository, so that is looked at too. Read without git,
    which may not be there.
    """
    if tree.origin != "path":
        return None
    for folder in (tree.root, tree.root.parent):
        with contextlib.suppress(BadInput):  # it is none, or not to be read
            head = foreign.text(_folder(folder / ".git") / "HEAD", largest=_LARGEST).strip()
            return shown(head.removeprefix(_BRANCH)) if head.startswith(_BRANCH) else None
    return None


def _folder(git: Path) -> Path:
    """The repository's own folder; in a second work tree, `.git` is a file that names it."""
    if not git.is_file():
        return git
    return git.parent / foreign.text(git, largest=_LARGEST).strip().removeprefix("gitdir: ")
