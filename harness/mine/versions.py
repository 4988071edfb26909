"""The files that differ between two trees, or that a line of commits changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.bisect.commits import Commits
from harness.mine.changes import Versions
from harness.source.tree import Tree

FOLDERS = ("srt", "kernels", "jit_kernel", "lang")
"""Folders of the package where the code of this suite's bugs lives: no tests, no benchmarks, no diffusion."""


def of_trees(before: Tree, after: Tree, folders: Sequence[str]) -> Iterator[Versions]:
    """Python files of these folders that differ, by their path in the package."""
    ours, theirs = (frozenset(_wanted(tree.files(), folders)) for tree in (before, after))
    for path in sorted(ours | theirs):
        old = before.read(path) if path in ours else None
        new = after.read(path) if path in theirs else None
        if old != new:
            yield Versions(path, old, new)


def of_commit(commits: Commits, commit: str, folders: Sequence[str]) -> Iterator[Versions]:
    """The same of what one commit changed against its first parent."""
    changed = commits.changed(commit)
    for path in _wanted(sorted(changed), folders):
        yield Versions(path, *changed[path](), commit)


def _wanted(paths: Iterable[str], folders: Sequence[str]) -> Iterator[str]:
    inside = tuple(f"{folder.strip('/')}/" for folder in folders)
    return (path for path in paths if path.endswith(".py") and path.startswith(inside))
