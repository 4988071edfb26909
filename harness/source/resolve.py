"""From what a user calls a tree to the tree."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import BadInput
from harness.foreign import shown
from harness.source import releases, tree
from harness.source.releases import Releases
from harness.source.tree import Tree


def resolve(spec: str, cache: Path, package: str = "sglang") -> Tree:
    """The tree of `installed`, a path, a wheel file or a release number; releases are kept in `cache`.

    BadInput for anything else, and for a release that cannot be had.
    """
    if spec == "installed":
        return tree.installed(package)
    if spec.endswith(".whl"):
        return Releases(cache, package).unpacked(Path(spec).absolute())
    if spec and os.path.lexists(spec):
        return tree.at(spec, package)
    if release := releases.parse(spec):
        return Releases(cache, package).tree(release)
    raise BadInput(
        f"'{shown(spec)}' is no such path: give 'installed', a release such as 0.5.15, a wheel, "
        f"or the folder that contains {package}/"
    )
