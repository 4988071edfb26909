"""Names that a revert takes away and others use, and names that it uses and does not bring back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from harness.draft.package import Package, imports
from harness.source.symbols import definitions


def names(package: Package, before: Mapping[str, str]) -> Iterator[str]:
    """What is missed without the fix; `before` are the old texts of the files that the patch changed."""
    for path in package.reverted:
        for name in sorted(_given(package.was(path)) - _given(package.now(path))):
            yield from _missed(package, path, name)
    yield from _not_back(package, before)


def _not_back(package: Package, before: Mapping[str, str]) -> Iterator[str]:
    """Uses that come back of what was defined before the fix, and is not now."""
    again = set[str]().union(*(_methods(package.now(path)) for path in package.reverted), set())
    wanted = set[str]().union(*(_methods(ast.parse(text)) for text in before.values()), set()) - again
    for name in sorted(name for name in wanted if not package.searched.mentioning(name)):
        use = f".{name}".encode()
        for path in package.reverted:
            if use in package.text(path) and use not in package.searched.source(path):
                yield f"a use of `{name}` comes back in {package.name(path)}, and its definition does not"


def _given(module: ast.Module) -> set[str]:
    """The names that a module defines for others: its own, and those of its classes' methods."""
    found = {name for name, _ in definitions(module)}
    for node in module.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            found |= {one.asname or one.name for one in node.names}
        elif isinstance(node, ast.ClassDef):
            found |= _attributes(node)
    return found


def _attributes(node: ast.ClassDef) -> set[str]:
    """What a class's body assigns, by the class's name: `f = g` gives `C.f`."""
    assigned = (target for one in node.body if isinstance(one, ast.Assign) for target in one.targets)
    return {f"{node.name}.{target.id}" for target in assigned if isinstance(target, ast.Name)}


def _methods(module: ast.Module) -> set[str]:
    return {name.rpartition(".")[2] for name in _given(module)}


def _missed(package: Package, path: str, name: str) -> Iterator[str]:
    """The first other module that uses a name which is taken away."""
    module, last, searched = package.name(path), name.rpartition(".")[2], package.searched
    method = "." in name
    if method and len(searched.mentioning(last)) != 1:
        return  # what another class has under this name may be meant
    for other in searched.containing(last):
        if other == path and not method:
            continue  # undefined names of the module itself are told already
        if _uses(package, other, last) if method else _imports(package, other, last, module):
            yield f"{package.name(other)} needs `{name}` of {module}, which the revert takes away"
            return


def _uses(package: Package, path: str, name: str) -> bool:
    """Whether a file has an attribute of this name."""
    if not re.search(rb"\.%s\b" % name.encode(), package.text(path)):
        return False
    nodes = ast.walk(package.now(path))
    return any(isinstance(node, ast.Attribute) and node.attr == name for node in nodes)


def _imports(package: Package, path: str, name: str, module: str) -> bool:
    """Whether a file imports a name from a module; it is parsed only if its text seems to say so."""
    if not _spelt_import(module, name).search(package.text(path)):
        return False
    return any(
        package.absolute(path, node) == module and any(one.name == name for one in node.names)
        for node in imports(package.now(path))
    )


@lru_cache(maxsize=256)
def _spelt_import(module: str, name: str) -> re.Pattern[bytes]:
    """What an import of a name from a module looks like, by its whole name or from a folder near it."""
    whole, last = (re.escape(one).encode() for one in (module, module.rpartition(".")[2]))
    home = rb"(?:%s|\.+(?:[\w.]*\b%s)?)" % (whole, last)
    names = rb"[ \t]*(?:\([^)]*|(?:[^\n\\]|\\\n?)*)"
    return re.compile(rb"\bfrom[ \t]+%s[ \t]+import\b(?=%s\b%s\b)" % (home, names, re.escape(name).encode()))
