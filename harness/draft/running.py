"""What keeps the code without the fix from running, told before a draft is written.

Beside what any revert is held to (undefined names and calls that do not bind, in the edited modules) this
looks at the rest of the package: what it imports from them, calls of them, and passes to them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from harness.draft import callers, missed
from harness.draft.package import Package, imports
from harness.draft.searched import Searched
from harness.source import soundness
from harness.source.revert import Plan
from harness.source.symbols import definitions


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
        known = {ast.dump(node) for node in imports(package.was(path))}
        for node in imports(package.now(path)):
            if ast.dump(node) not in known and (module := package.absolute(path, node)):
                yield from _lost(package, module, node, path)


def _lost(package: Package, module: str, node: ast.ImportFrom, at: str) -> Iterator[str]:
    where = f"in {package.name(at)}"
    home = package.searched.file(module)
    if home is None:
        if not package.searched.is_folder(module):
            yield f"`{ast.unparse(node)}` {where} comes back, and the tree has no {module}"
        return
    names = _bound(package.now(home))
    for one in node.names:
        inner = package.searched.file(f"{module}.{one.name}")
        if one.name not in names and not names & {"*", "__getattr__"} and not inner:
            yield f"`{one.name}` is imported again {where}, and {module} has it no more"


def _bound(module: ast.Module) -> set[str]:
    """Every name that a module may hand out."""
    found = {node.id for node in ast.walk(module) if isinstance(node, ast.Name)}
    found |= {name.rpartition(".")[2] for name, _ in definitions(module)}
    kinds = ast.Import | ast.ImportFrom
    aliases = [one for node in ast.walk(module) if isinstance(node, kinds) for one in node.names]
    return found | {(one.asname or one.name).partition(".")[0] for one in aliases}
