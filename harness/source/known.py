"""Which released trees are known by their content: a tree's own word for its version proves nothing.

`python -m harness.source.known` fetches every release that the index lists and prints the table anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from harness import foreign
from harness.source.releases import Releases
from harness.source.tree import Tree

TABLE = Path(__file__).with_name("known.toml")
OLDEST = "0.5.9"
"""Older releases are no longer asked about."""


def release(tree: Tree) -> str | None:
    """The release whose published content a tree has, whatever it calls itself; None for any other tree."""
    return _releases().get(tree.content_hash)


@cache
def _releases() -> Mapping[str, str]:
    """The release of each content hash."""
    return {str(tree): str(number) for number, tree in foreign.table(TABLE)["sglang"].items()}


def printed(kept: Releases) -> Iterator[str]:
    """The table's lines, from the wheels that pip fetches into a folder. BadInput as `Releases.tree`."""
    yield "# The content hash (Tree.content_hash) of each release's package as its wheel holds it."
    yield "# Printed by `python -m harness.source.known`, from the wheels as pip fetches them."
    yield "[sglang]"
    for number in kept.published(OLDEST):
        yield f'"{number}" = "{kept.tree(number).content_hash}"'


if __name__ == "__main__":
    from harness.machine.workspace import default

    for line in printed(Releases(default().releases)):
        print(line)
