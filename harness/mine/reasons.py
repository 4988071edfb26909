"""Why a change looks like a fix of this suite's kind, told by the syntax of what was changed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from enum import StrEnum

from harness.mine.places import Piece
from harness.mine.syntax import syntax


class Reason(StrEnum):
    """What a change is about. The value is the word that is shown."""

    MASK = "mask"
    INT64 = "int64"
    CLAMP = "clamp"
    SLICE = "slice"
    SIZE = "size"
    PADDING = "padding"
    PAGE = "page"
    INDEX = "index"
    STRIDE = "stride"
    GUARD = "guard"
    BOUND = "bound"
    DTYPE = "dtype"
    SCALE = "scale"
    EPSILON = "epsilon"
    MEMORY = "memory"
    RESET = "reset"
    ORDER = "order"
    COPY = "copy"
    ARITHMETIC = "arithmetic"
    SEQUENCE = "sequence"
    CONDITION = "condition"
    CALL = "call"
    ARGUMENT = "argument"


MEANING = {
    Reason.MASK: "the mask of a load or a store, or a choice between values",
    Reason.INT64: "a conversion to 64 bits",
    Reason.CLAMP: "a least or a greatest value",
    Reason.SLICE: "the bounds of a slice",
    Reason.SIZE: "the size of a buffer",
    Reason.PADDING: "rounding up, or padding",
    Reason.PAGE: "a product, quotient or remainder of a page, block or chunk size",
    Reason.INDEX: "an index into a table, or the translation of one",
    Reason.STRIDE: "a stride",
    Reason.GUARD: "a comparison with 0 or -1",
    Reason.BOUND: "a comparison of sizes, or the end of a loop",
    Reason.DTYPE: "a dtype",
    Reason.SCALE: "a scale or a cap",
    Reason.EPSILON: "a guard against a division by 0, or against no number",
    Reason.MEMORY: "what is allocated, freed, locked or evicted",
    Reason.RESET: "what a buffer is filled or overwritten with",
    Reason.ORDER: "an order between streams or programs",
    Reason.COPY: "a copy in the place of a view, or the reverse",
    Reason.ARITHMETIC: "a sum or a product",
    Reason.SEQUENCE: "a statement that stands elsewhere",
    Reason.CONDITION: "the condition of a branch",
    Reason.CALL: "another function in the place of one",
    Reason.ARGUMENT: "one argument of a call",
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ALLOCATORS = _words(
    "empty zeros ones full new_empty new_zeros new_ones new_full empty_strided resize_ arange repeat "
    "repeat_interleave expand narrow as_strided empty_like zeros_like full_like"
)
_CLAMPS = _words("min max clamp clamp_ clip clamp_min clamp_max minimum maximum")
_MASKS = _words("where masked_fill masked_fill_ masked_select logical_and logical_not")
_INDEXERS = _words("gather scatter scatter_ scatter_add_ index_select index_copy_ take index_fill_")
_RESETS = _words("fill_ zero_ copy_ full_like zeros_like")
_ORDERS = _words("record_stream wait_stream synchronize wait_event debug_barrier barrier wait record")
_COPIES = _words("clone copy detach contiguous deepcopy tolist")
_MEMORY = ("alloc", "free", "evict", "inc_lock", "dec_lock", "release", "retract", "reserve")
_PAGES = ("page_size", "block_size", "chunk_size", "page", "block_sz")
_PADS = ("pad", "align", "ceil", "cdiv", "round_up", "next_power_of_2", "div_up")
_SCALES = ("scale", "scaling", "softcap", "logit_cap", "soft_cap")
_TINY = 1e-3
_BITS = ("int64", "long", "uint64")
_DTYPES = ("int32", "int16", "float32", "float16", "bfloat16", "float8", "int8", "uint8", "float64", "dtype")
_ORDERINGS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def called(node: ast.AST) -> str:
    """The last name of what a call calls; a kernel is called through its grid. Empty for another node."""
    if not isinstance(node, ast.Call):
        return ""
    target = node.func.value if isinstance(node.func, ast.Subscript) else node.func
    return last_name(target)


def last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _has(name: str, words: tuple[str, ...]) -> bool:
    lower = name.lower()
    return any(word in lower for word in words)


# --- what a node is about ------------------------------------------------------------------


def _mask(node: ast.AST) -> bool:
    if isinstance(node, ast.keyword):
        return node.arg == "mask"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd):
        return True
    return called(node) in _MASKS


def _int64(node: ast.AST) -> bool:
    if called(node) == "long":
        return True
    return isinstance(node, ast.Attribute) and node.attr in _BITS


def _dtype(node: ast.AST) -> bool:
    if isinstance(node, ast.keyword) and node.arg == "dtype":
        return True
    if called(node) in ("float", "half", "bfloat16", "cast"):
        return True
    return isinstance(node, ast.Attribute) and _has(node.attr, _DTYPES)


def _clamp(node: ast.AST) -> bool:
    return called(node) in _CLAMPS


def _slice(node: ast.AST) -> bool:
    return isinstance(node, ast.Slice) or called(node) == "narrow"


def _padding(node: ast.AST) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return isinstance(node.operand, ast.BinOp) and isinstance(node.operand.op, ast.FloorDiv)
    name = called(node) or last_name(node)
    return bool(name) and _has(name, _PADS)


def _page(node: ast.AST) -> bool:
    wanted = (ast.FloorDiv, ast.Mult, ast.Mod)
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, wanted):
        return isinstance(node, ast.keyword) and node.arg is not None and node.arg.endswith("page_size")
    return any(_has(last_name(one), _PAGES) for one in (node.left, node.right))


def _index(node: ast.AST) -> bool:
    if isinstance(node, ast.Subscript):
        simple = isinstance(node.slice, ast.Constant | ast.Slice | ast.Tuple | ast.JoinedStr)
        return not simple and isinstance(node.ctx, ast.Load | ast.Store) and not _is_grid(node)
    return called(node) in _INDEXERS or "translate" in called(node)


def _is_grid(node: ast.Subscript) -> bool:
    return isinstance(node.slice, ast.Name) and node.slice.id == "grid"


def _stride(node: ast.AST) -> bool:
    name = called(node) or last_name(node)
    return "stride" in name.lower() or name == "contiguous"


def _guard(node: ast.AST) -> bool:
    if not isinstance(node, ast.Compare) or len(node.ops) != 1:
        return False
    return any(_number(one) in (0, -1) for one in (node.left, *node.comparators))


def _number(node: ast.AST) -> int | float | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return None if isinstance(node.value, bool) else node.value
    return None


def _bound(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return any(isinstance(op, _ORDERINGS) for op in node.ops)
    return called(node) == "range"


def _scale(node: ast.AST) -> bool:
    if isinstance(node, ast.keyword):
        return _has(node.arg or "", _SCALES)
    return _has(last_name(node), _SCALES)


def _epsilon(node: ast.AST) -> bool:
    number = _number(node)
    if isinstance(number, float) and 0 < abs(number) < _TINY:
        return True
    name = called(node) or last_name(node)
    return name in ("nan_to_num", "isfinite", "isnan", "isinf") or name.lower() in ("eps", "epsilon")


def _size(node: ast.AST) -> bool:
    return called(node) in _ALLOCATORS


def _memory(node: ast.AST) -> bool:
    return _has(called(node), _MEMORY)


def _reset(node: ast.AST) -> bool:
    if called(node) in _RESETS:
        return True
    return isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)


def _order(node: ast.AST) -> bool:
    return called(node) in _ORDERS


def _copy(node: ast.AST) -> bool:
    return called(node) in _COPIES


def _arithmetic(node: ast.AST) -> bool:
    wanted = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod)
    return isinstance(node, ast.BinOp) and isinstance(node.op, wanted) and not _is_text(node)


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(one, ast.JoinedStr | ast.List)
        or (isinstance(one, ast.Constant) and isinstance(one.value, str))
        for one in sides
    )


_SIGNS: dict[Reason, Callable[[ast.AST], bool]] = {
    Reason.MASK: _mask,
    Reason.INT64: _int64,
    Reason.CLAMP: _clamp,
    Reason.SLICE: _slice,
    Reason.SIZE: _size,
    Reason.PADDING: _padding,
    Reason.PAGE: _page,
    Reason.INDEX: _index,
    Reason.STRIDE: _stride,
    Reason.GUARD: _guard,
    Reason.BOUND: _bound,
    Reason.DTYPE: _dtype,
    Reason.SCALE: _scale,
    Reason.EPSILON: _epsilon,
    Reason.MEMORY: _memory,
    Reason.RESET: _reset,
    Reason.ORDER: _order,
    Reason.COPY: _copy,
    Reason.ARITHMETIC: _arithmetic,
}
_AROUND = (
    Reason.MASK,
    Reason.CLAMP,
    Reason.SLICE,
    Reason.SIZE,
    Reason.PAGE,
    Reason.INDEX,
    Reason.BOUND,
    Reason.SCALE,
    Reason.DTYPE,
    Reason.ARITHMETIC,
)
"""What a piece can be about by where it stands."""
_NEAR = 3
"""How many nodes around a piece say what it is about."""


def reasons(piece: Piece) -> frozenset[Reason]:
    """What a piece is about: by the nodes that only one side has, and by where it stands."""
    own = list(_own(piece))
    found = {reason for reason, test in _SIGNS.items() if any(map(test, own))}
    near = [node for node in piece.around[-_NEAR:] if not isinstance(node, ast.stmt)]
    found |= {reason for reason in _AROUND if any(_SIGNS[reason](node) for node in near)}
    found |= {reason for reason, test in _SHAPES.items() if test(piece)}
    return frozenset(found)


def _own(piece: Piece) -> Iterator[ast.AST]:
    """The nodes that only one side has."""
    if piece.before is None or piece.after is None:
        yield from ast.walk(piece.before or piece.after or ast.Pass())
        return
    sides = [list(ast.walk(one)) for one in (piece.before, piece.after)]
    for these, those in (sides, sides[::-1]):
        known = {syntax(node) for node in those}
        yield from (node for node in these if syntax(node) not in known)


def _is_argument(piece: Piece) -> bool:
    """Whether one argument of a call was exchanged, added or taken away."""
    if isinstance(piece.before, ast.keyword) or isinstance(piece.after, ast.keyword):
        return True
    last = piece.around[-1] if piece.around else None
    return isinstance(last, ast.Call | ast.keyword) and isinstance(piece.before, ast.expr)


def _is_sequence(piece: Piece) -> bool:
    """Whether a statement is what it was, in another place."""
    return piece.before is not None and piece.after is not None and piece.same


def _is_condition(piece: Piece) -> bool:
    """Whether a branch came, went, or is taken in other cases."""
    if any(isinstance(one, ast.If | ast.IfExp) for one in (piece.before, piece.after)):
        return True
    headed = [one for one in piece.around if isinstance(one, ast.If | ast.IfExp | ast.While)]
    if not headed:
        return False
    inside = {id(node) for node in ast.walk(headed[-1].test)}
    return id(piece.after) in inside or id(piece.around[-1]) in inside


def _is_call(piece: Piece) -> bool:
    """Whether another function is called in the place of one."""
    before, after = piece.before, piece.after
    return isinstance(before, ast.Call) and isinstance(after, ast.Call) and called(before) != called(after)


_SHAPES: dict[Reason, Callable[[Piece], bool]] = {
    Reason.ARGUMENT: _is_argument,
    Reason.SEQUENCE: _is_sequence,
    Reason.CONDITION: _is_condition,
    Reason.CALL: _is_call,
}
