"""Before or after which release a tree is of, by what it holds: its own word for its version proves nothing.

Of each release the table names files that came with it and that every later one has kept. A tree that has
none of those of a release, nor of any later one, is older; one that has all is of that release or later.
`python -m harness.source.age` makes the table anew from the releases that the index lists.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness import foreign
from harness.source import known
from harness.source.releases import Releases, order
from harness.source.tree import Tree

TABLE = Path(__file__).with_name("landmarks.toml")
_EACH = 8
"""Files per release: enough that a tree between two releases seldom has all, or none, of them."""

Landmarks = Mapping[str, frozenset[str]]


@dataclass(frozen=True, kw_only=True)
class Age:
    """`release` is the published one whose content a tree has. Else `has` is the newest one of which it has
    what came with it, and `lacks` the oldest one from which on it has nothing of what came; None if neither.
    """

    release: str | None = None
    has: str | None = None
    lacks: str | None = None

    def is_before(self, release: str) -> bool:
        """Whether the tree is shown to be older than this release."""
        if self.release:
            return order(self.release) < order(release)
        return bool(self.has and self.lacks) and order(self.lacks or "0") <= order(release)

    def is_since(self, release: str) -> bool:
        """Whether the tree is shown to be of this release, or later."""
        newest = self.release or self.has
        return newest is not None and order(newest) >= order(release)

    @property
    def told(self) -> str:
        """How it shows, as the end of a sentence about a tree."""
        if self.release:
            return f"is {self.release} as published"
        parts = [f"has what came with {self.has}"] if self.has else []
        parts += [f"nothing of what came with {self.lacks}"] if self.lacks else []
        return " and ".join(parts) or "is of no known release"


def of(tree: Tree) -> Age:
    """What the files of a tree say of its age. BadInput for a tree that cannot be read."""
    if release := known.release(tree):
        return Age(release=release)
    files, table = frozenset(tree.files()), _table()
    none = [release for release, marks in table.items() if not marks & files]
    whole = [release for release, marks in table.items() if marks <= files]
    newest = max((order(release) for release in table if release not in none), default=None)
    later = [release for release in none if newest is None or order(release) > newest]
    return Age(has=max(whole, key=order, default=None), lacks=min(later, key=order, default=None))


@cache
def _table() -> Landmarks:
    """The files that came with each release."""
    found = foreign.table(TABLE)["sglang"].items()
    return {str(release): frozenset(map(str, marks)) for release, marks in found}


def landmarks(files: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, Sequence[str]]]:
    """Of each release, oldest first, some files that it has first and that all later ones have kept.

    `files` are the paths of each release's sources. A release that brought none is left out.
    """
    releases = sorted(files, key=order)
    for number, release in enumerate(releases):
        earlier = frozenset[str]().union(*(files[one] for one in releases[:number]))
        kept = frozenset.intersection(*(files[one] for one in releases[number:])) - earlier
        # Spread over the package, whatever order its folders have.
        if some := sorted(kept, key=lambda path: hashlib.sha256(path.encode()).digest())[:_EACH]:
            yield release, sorted(some)


def printed(kept: Releases) -> Iterator[str]:
    """The table's lines, from the wheels that pip fetches into a folder. BadInput as `Releases.tree`."""
    yield "# Files that came with each release and that every later one has kept (harness/source/age.py)."
    yield "# Printed by `python -m harness.source.age`."
    yield "[sglang]"
    trees = {release: kept.tree(release) for release in kept.published(known.OLDEST)}
    for release, paths in landmarks({one: _sources(tree) for one, tree in trees.items()}):
        yield f'"{release}" = ['
        yield from (f'    "{path}",' for path in paths)
        yield "]"


def _sources(tree: Tree) -> frozenset[str]:
    """Upstream's runtime alone: what lies beside it, such as tests, a build may leave out."""
    return frozenset(path for path in tree.files() if path.startswith("srt/") and path.endswith(".py"))


if __name__ == "__main__":
    from harness.machine.workspace import default

    for line in printed(Releases(default().releases)):
        print(line)
