"""Other ways to write an edit that brings back imports of what the tree has not got any more.

Such an import is left out; where the reverted code needs what it named, it comes from where that is now.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from harness.draft.gone import Import, bound, gone, home, needed
from harness.draft.package import Package
from harness.facts import Edit

_Elsewhere = Callable[[ast.alias], str | None]
"""The module that an alias is imported from instead; None to leave it out."""


def ways(package: Package, path: str, edit: Edit) -> Iterator[Edit | None]:
    """What may stand for an edit of the file at `path`, the closest to it first; None is to leave it out."""
    lost = _lost(package, path, ast.parse(edit.by))
    if not lost:
        return
    for elsewhere in (_nowhere, lambda alias: home(package, path, alias)):
        yield _settled(edit, _rewritten(edit.by, lost, elsewhere))
    if is_import(edit):
        yield None


def _nowhere(_: ast.alias) -> None:
    return None


def _lost(package: Package, path: str, body: ast.Module) -> list[tuple[Import, tuple[str, ...]]]:
    """The imports with names that the package has not got, the last first."""
    found = [(node, names) for node in needed(body) if (names := gone(package, path, node))]
    return sorted(found, key=lambda one: one[0].lineno, reverse=True)


def _settled(edit: Edit, by: str) -> Edit | None:
    """The edit with another text; None where that is what the fix has."""
    if ast.dump(ast.parse(by)) == ast.dump(ast.parse(edit.replace)):
        return None
    return replace(edit, by=by)


def _rewritten(text: str, lost: Sequence[tuple[Import, tuple[str, ...]]], elsewhere: _Elsewhere) -> str:
    lines = text.split("\n")
    for node, names in lost:
        indent = lines[node.lineno - 1][: node.col_offset]
        if indent.strip():
            continue  # it shares its line with another statement
        stay = [one for one in node.names if one.name not in names]
        new = [f"{indent}{one}" for one in _instead(node, stay, names, elsewhere)]
        lines[node.lineno - 1 : node.end_lineno] = new or ([f"{indent}pass"] if indent else [])
    return "\n".join(lines)


def _instead(
    node: Import, stay: Sequence[ast.alias], names: Sequence[str], elsewhere: _Elsewhere
) -> Iterator[str]:
    """The statements that stand for one import."""
    if stay:
        kept = ast.Import(list(stay)) if isinstance(node, ast.Import) else _from(node, stay)
        yield ast.unparse(kept)
    if isinstance(node, ast.ImportFrom):
        for alias in (one for one in node.names if one.name in names):
            if (module := elsewhere(alias)) is not None:
                told = alias.name if alias.asname is None else f"{alias.name} as {bound(alias)}"
                yield f"from {module} import {told}"


def _from(node: ast.ImportFrom, names: Sequence[ast.alias]) -> ast.ImportFrom:
    return ast.ImportFrom(node.module, list(names), node.level)


def is_import(edit: Edit) -> bool:
    """Whether an edit exchanges nothing but imports."""
    return all(isinstance(one, Import) for text in (edit.replace, edit.by) for one in ast.parse(text).body)
