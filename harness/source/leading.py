"""The imports with which several forms of a module begin alike."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from types import CodeType

from harness import foreign
from harness.errors import BadInput


def alike(files: Sequence[Path]) -> CodeType:
    """Code that does the imports at the top of the first file, as far as all have the same in the same lines.

    Nothing comes of a file that is not there or is no Python: whoever imports it is told why.
    """
    first, *others = map(_imports, files)
    same = takewhile(lambda row: len({_told(one) for one in row}) == 1, zip(first, *others, strict=False))
    module = ast.Module([row[0] for row in same], [])
    code: CodeType = compile(module, str(files[0]), "exec", dont_inherit=True)
    return code


def _imports(file: Path) -> list[ast.stmt]:
    """The statements at the top of a module, up to the first that does more than import."""
    try:
        module = ast.parse(foreign.read(file, largest=foreign.LARGEST_SOURCE), str(file))
    except (BadInput, SyntaxError, ValueError):
        return []
    return list(takewhile(_is_import, module.body))


def _is_import(statement: ast.stmt) -> bool:
    """Whether it imports, or does nothing at all: a docstring, and what only type checkers import."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.If):
        return ast.unparse(statement.test).endswith("TYPE_CHECKING") and not statement.orelse
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _told(statement: ast.stmt) -> str:
    return ast.dump(statement, include_attributes=True)
