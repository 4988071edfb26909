"""An expression put where another stood, with the brackets that it needs there."""

from __future__ import annotations

import libcst as cst

from harness.source.match.nodes import Line, pieces_in
from harness.source.match.places import bracketed

Expression = cst.BaseExpression
_ATOMS = (
    cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.BaseList, cst.BaseSet, cst.BaseDict,
    cst.SimpleString, cst.FormattedString, cst.BaseNumber, cst.Ellipsis,
)  # fmt: skip
_NEVER_BARE = (cst.NamedExpr, cst.Tuple, cst.Yield, cst.GeneratorExp)
_FREE = frozenset(
    {
        (cst.Assign, "value"), (cst.AugAssign, "value"), (cst.AnnAssign, "value"), (cst.Return, "value"),
        (cst.Expr, "value"), (cst.Arg, "value"), (cst.Index, "value"), (cst.Element, "value"),
        (cst.Param, "default"), (cst.If, "test"), (cst.While, "test"), (cst.Assert, "test"),
    }
)  # fmt: skip
"""Where an expression needs no brackets of its own, whatever its operators."""


def sole_expression(lines: list[Line]) -> Expression | None:
    """The expression that the lines are, if they are nothing else."""
    pieces = [piece for line in lines for piece in pieces_in(line)]
    return pieces[0].value if len(pieces) == 1 and isinstance(pieces[0], cst.Expr) else None


def fitted(value: Expression, old: Expression, parent: cst.CSTNode, field: str) -> Expression:
    """The value with the old one's brackets, or with its own where its surroundings need them."""
    if old.lpar:
        return value.with_changes(lpar=old.lpar, rpar=old.rpar)
    number = isinstance(value, cst.BaseNumber) and isinstance(parent, cst.Attribute)
    free = (type(parent), field) in _FREE and not isinstance(value, _NEVER_BARE)
    if value.lpar or free or (isinstance(value, _ATOMS) and not number):
        return value
    return bracketed(value)
