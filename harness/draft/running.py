"""What keeps the code without the fix from running, told before a draft is written.

Beside what any revert is held to (undefined names and calls that do not bind, in the edited modules) this
looks at the rest of the package: what it imports from them, calls of them, and passes to them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from harness.draft import callers, missed
from harness.draft.gone import Import, gone, needed
from harness.draft.package import Package
from harness.draft.searched import Searched
from harness.source import soundness
from harness.source.revert import Plan


def breaks(plan: Plan, searched: Searched, before: Mapping[str, str]) -> tuple[str, ...]:
    """Why the reverted code would not run, as far as is certain; `before` are the files' old texts."""
    root = f"{plan.tree.package}/"
    reverted = {path.removeprefix(root): data.decode("utf-8") for path, data in plan.files.items()}
    package = Package(searched, reverted)
    found = (
        *map(str, soundness.breaks(plan)),
        *_imports(package),
        *missed.names(package, before),
        *callers.unbound(package),
    )
    return tuple(dict.fromkeys(found))


# --- what the reverted modules import ------------------------------------------------------


def _imports(package: Package) -> Iterator[str]:
    """Imports that come back, of what the tree has not got any more."""
    for path in package.reverted:
        known = {ast.dump(node) for node in needed(package.was(path))}
        for node in needed(package.now(path)):
            if ast.dump(node) not in known and (names := gone(package, path, node)):
                yield _told(package, path, node, names)


def _told(package: Package, path: str, node: Import, names: Sequence[str]) -> str:
    where = f"in {package.name(path)}"
    module = package.absolute(path, node) if isinstance(node, ast.ImportFrom) else None
    if module and package.searched.file(module):
        some = " and ".join(f"`{name}`" for name in names)
        verb, them = ("is", "it") if len(names) == 1 else ("are", "them")
        return f"{some} {verb} imported again {where}, and {module} has {them} no more"
    return f"`{ast.unparse(node)}` {where} comes back, and the tree has no {module or names[0]}"
