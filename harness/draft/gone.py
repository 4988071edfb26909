"""What an import names that a tree has not got, and where the tree has something of that name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache

from harness.draft.module import Module
from harness.draft.package import Package, imports
from harness.source.symbols import definitions

Import = ast.Import | ast.ImportFrom


def gone(package: Package, path: str, node: Import) -> tuple[str, ...]:
    """The names of an import in the file at `path` that the package, as it is now, has not got."""
    if isinstance(node, ast.Import):
        root = package.searched.tree.package
        ours = [one.name for one in node.names if one.name.partition(".")[0] == root]
        return tuple(name for name in ours if not _is_there(package, name))
    module = package.absolute(path, node)
    names = [one.name for one in node.names]
    if module is None:
        return ()
    if package.searched.file(module) is None and not package.searched.is_opaque(module):
        return tuple(names)
    return tuple(name for name in names if not _has(package, module, name))


def _is_there(package: Package, module: str) -> bool:
    return package.searched.file(module) is not None or package.searched.is_opaque(module)


def _has(package: Package, module: str, name: str) -> bool:
    """Whether a module that is there hands out a name; what cannot be read is taken to."""
    home = package.searched.file(module)
    if _is_there(package, f"{module}.{name}"):
        return True
    if home is None:
        return not package.searched.is_folder(module)
    known = _bound(package.text(home))
    return name == "*" or name in known or bool(known & {"*", "__getattr__"})


@lru_cache(maxsize=64)
def _bound(source: bytes) -> frozenset[str]:
    """Every name that a module may hand out."""
    module = ast.parse(source)
    found = {node.id for node in ast.walk(module) if isinstance(node, ast.Name)}
    found |= {name.rpartition(".")[2] for name, _ in definitions(module)}
    aliases = [one for node in ast.walk(module) if isinstance(node, Import) for one in node.names]
    return frozenset(found | {bound(one) for one in aliases})


def bound(alias: ast.alias) -> str:
    """The name that an import gives to what it imports."""
    return alias.asname or alias.name.partition(".")[0]


def needed(module: ast.AST) -> Iterator[Import]:
    """The imports that have to succeed: not those for a type checker, nor those whose failure is caught."""
    for child in ast.iter_child_nodes(module):
        if isinstance(child, Import):
            yield child
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from (one for part in child.orelse for one in needed(ast.Module([part], [])))
        elif isinstance(child, ast.Try) and any(map(_catches, child.handlers)):
            rest = [*child.handlers, *child.orelse, *child.finalbody]
            yield from (one for part in rest for one in needed(part))
        elif not isinstance(child, ast.expr):
            yield from needed(child)


def _catches(handler: ast.ExceptHandler) -> bool:
    """Whether a handler takes the failure of an import."""
    told = ast.unparse(handler.type) if handler.type else "Exception"
    return any(name in told for name in ("ImportError", "ModuleNotFoundError", "Exception"))


def home(package: Package, path: str, alias: ast.alias) -> str | None:
    """The module that has what an import names: where the fix has it from, else the only one to define it."""
    for node in imports(package.was(path)):
        found = package.absolute(path, node)
        if found and any(one.name == alias.name and bound(one) == bound(alias) for one in node.names):
            return found
    places = [at for at in package.searched.mentioning(alias.name) if _defines(package, at, alias.name)]
    return package.name(places[0]) if len(places) == 1 else None


def _defines(package: Package, path: str, name: str) -> bool:
    return any(found == name for found, _ in definitions(package.now(path)))


def replaced(package: Package, path: str, before: str) -> frozenset[str]:
    """Imports that do no harm where they differ from `before`, the file's old text.

    Those of the old text that name what is gone, and those of the fix that bind nothing but the same names.
    What comes from a module that merely has something of the name is for somebody to look at.
    """
    old = [node for node in needed(Module(before).syntax) if gone(package, path, node)]
    names = {bound(one) for node in old for one in node.names}
    new = [node for node in needed(package.was(path)) if {bound(one) for one in node.names} <= names]
    return frozenset(map(ast.unparse, (*old, *new)))
