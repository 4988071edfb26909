"""What the strings of Python source spell, whichever way they are quoted or split."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

import libcst as cst


def text_parts(node: Any) -> list[object]:
    """What a string spells: its text, joined over quotes and adjacent literals, and its inserted values."""
    parts: list[object] = []
    for part in _raw_parts(node):
        if parts and isinstance(part, str | bytes) and type(parts[-1]) is type(part):
            parts[-1] += part  # type: ignore[operator]
        else:
            parts.append(part)
    return parts or [""]


def _raw_parts(node: Any) -> Iterator[object]:
    if isinstance(node, cst.ConcatenatedString):
        yield from (*_raw_parts(node.left), *_raw_parts(node.right))
    elif isinstance(node, cst.SimpleString):
        yield node.evaluated_value
    elif isinstance(node, cst.FormattedString):
        yield from _formatted_parts(node, node.parts)
    else:
        yield node


def _formatted_parts(string: cst.FormattedString, parts: Sequence[Any]) -> Iterator[object]:
    prefix = string.prefix.lower().replace("f", "")
    for part in parts:
        if isinstance(part, cst.FormattedStringText):
            text = part.value.replace("{{", "{").replace("}}", "}")
            yield ast.literal_eval(f"{prefix}{string.quote}{text}{string.quote}")
        else:  # `{x=}` prints the name, so its sign counts
            yield (part.expression, part.conversion, part.equal is not None)
            yield list(_formatted_parts(string, part.format_spec or ()))
