"""The parameters that a case is likely to need, read off the edited functions: a draft of its grid."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.draft.functions import Edited

MOST = 6
"""Parameters of a draft: who needs more adds them."""
_SIZES = {
    "page_size": (16, (1, 16)),
    "block_size": (16, (1, 16)),
    "chunk_size": (64, (64, 128)),
    "topk": (4, (1, 4)),
    "num_steps": (3, (1, 3)),
    "speculative_num_steps": (3, (1, 3)),
    "num_draft_tokens": (4, (2, 4)),
    "speculative_num_draft_tokens": (4, (2, 4)),
    "window_size": (32, (32, 128)),
    "sliding_window_size": (32, (32, 128)),
    "bs": (2, (1, 2)),
    "batch_size": (2, (1, 2)),
    "max_bs": (4, (2, 4)),
    "num_tokens": (8, (1, 8)),
    "head_dim": (64, (64,)),
    "num_heads": (4, (4,)),
    "context_len": (64, (64,)),
    "max_context_len": (64, (64,)),
}
"""Sizes by the names that upstream gives them: a small value, and values on both sides of a usual edge."""
_LISTS = ("seq_lens", "extend_seq_lens", "prefix_lens", "kv_lens", "extend_prefix_lens", "accept_lens")
_WHOLE = re.compile(r"\bint\b")
_LISTED = re.compile(r"\b(?:list|List|Sequence)\[int\]")


@dataclass(frozen=True)
class Guess:
    """A parameter: its name, the type that `drive` gives it, its record, and values of the grid."""

    name: str
    type: str
    record: str
    grid: str = ""


FALLBACK = Guess("page_size", "int", "Integer(16)", "[1, 16]")
"""What stands in a draft where no parameter can be read off."""


def guesses(functions: Iterable[Edited]) -> tuple[Guess, ...]:
    """At most MOST parameters, those of signatures first; there is always one."""
    found: dict[str, Guess] = {}
    for function in functions:
        for guess in (*_of_signature(function.node), *_of_body(function.node)):
            found.setdefault(guess.name, guess)
    return tuple(found.values())[:MOST] or (FALLBACK,)


def _of_signature(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Guess]:
    args = function.args
    for one in (*args.posonlyargs, *args.args, *args.kwonlyargs):
        told = ast.unparse(one.annotation) if one.annotation else ""
        if told.rpartition(".")[2] == "constexpr":
            # Block sizes and strides follow from others; a kernel's sizes are written like any name.
            if _named(one.arg) or (one.arg.islower() and "stride" not in one.arg):
                yield _named(one.arg) or Guess(one.arg, "int", "Integer(4)")
            continue
        if guess := _named(one.arg) or _annotated(one.arg, told):
            yield guess


def _of_body(function: ast.AST) -> Iterator[Guess]:
    for node in ast.walk(function):
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
        if guess := _named(str(name)):
            yield guess


def _named(name: str) -> Guess | None:
    if name in _SIZES:
        default, values = _SIZES[name]
        return Guess(name, "int", f"Integer({default})", str(list(values)))
    if name in _LISTS:
        return Guess(name, "tuple[int, ...]", "Integers((15, 17))", "[(15, 17), (16, 1)]")
    return None


def _annotated(name: str, told: str) -> Guess | None:
    if told.removeprefix("Optional[").rstrip("]").startswith("bool"):
        return Guess(name, "bool", "Boolean(False)", "[False, True]")
    if _LISTED.search(told):
        return Guess(name, "tuple[int, ...]", "Integers((15, 17))")
    if _WHOLE.search(told) and "Tensor" not in told and "[" not in told.removeprefix("Optional["):
        return Guess(name, "int", "Integer(4)")
    return None


def tensors(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Parameters that are tensors, each with the dtype that its name or its use tells, if it does."""
    args = function.args
    for one in (*args.posonlyargs, *args.args, *args.kwonlyargs):
        told = ast.unparse(one.annotation) if one.annotation else ""
        if "Tensor" in told or one.arg.endswith(("_ptr", "_buffer")):
            dtype = _dtype(one.arg, function)
            yield f"{one.arg} ({dtype})" if dtype else one.arg


def _dtype(name: str, function: ast.AST) -> str:
    """What the function itself says of a parameter's dtype, else what upstream has under such a name."""
    for node in ast.walk(function):
        if isinstance(node, ast.Compare) and ast.unparse(node.left) == f"{name}.dtype":
            return ast.unparse(node.comparators[0]).removeprefix("torch.")
    plain = name.removesuffix("_ptr")
    if re.search(r"(?:^|_)(?:req_to_token|indptr|page_table|kv_indices|block_table)", plain):
        return "int32"
    if re.search(r"(?:loc|indices|index|pool_indices|positions|ids|slots)$", plain):
        return "int64"
    if re.search(r"(?:lens?|lengths?|offsets?|counts?)$", plain):
        return "int32"
    return ""
