"""What the goldens here bind: integers exactly, floats within a tolerance and never by a digest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from harness import catalogue

GOLDENS = sorted(catalogue.golden_folder().rglob("*.json"))
INNER = ("read", "wrote")
"""What an argument of a launch keeps of its tensor, whose dtype stands beside it."""


def test_there_are_goldens_to_look_at() -> None:
    assert len(GOLDENS) > 20


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_digest_has_floats_in_it(golden: Any) -> None:
    """The last bits of a float are the machine's; `point.digest` is kept for people, and binds nothing."""
    assert list(float_digests(json.loads(golden.read_text())["arms"])) == []


def test_a_digest_of_floats_would_be_seen() -> None:
    planted = {"args": {"q": {"dtype": "bfloat16", "wrote": {"sha256": "0f"}}}}
    assert list(float_digests([planted, {"dtype": "float8_e4m3fn", "sha256": "0f"}])) == ["q", "1"]
    assert list(float_digests({"k": {"dtype": "int64", "sha256": "0f", "read": {"sha256": "1f"}}})) == []


def float_digests(value: Any, name: str = "") -> Iterator[str]:
    """The names of those tensors of floats that are told by a digest."""
    if isinstance(value, dict) and "float" in str(value.get("dtype", "")):
        held = [value, *(value[inner] for inner in INNER if isinstance(value.get(inner), dict))]
        yield from [name] if any("sha256" in one for one in held) else []
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from float_digests(inner, str(key))
