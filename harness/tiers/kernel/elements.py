"""One argument of one launch by its elements: where machine code left something else than the interpreter."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import torch

from harness.facts import Tolerance
from harness.memory.journal import Journal
from harness.observation import Element
from harness.verdict.disagreement import APART


def asked(payload: Mapping[str, Any]) -> Journal | None:
    """What is to be kept of a launch: `elements` in the payload, of which most arms have none."""
    wanted = payload.get("elements")
    return Journal(wanted["launch"], wanted["argument"]) if wanted else None


def told(journal: Journal | None, payload: Mapping[str, Any]) -> dict[str, Any]:
    """What the arm's result says of it: the content, or the first element that differs from `beside`."""
    if journal is None or journal.content is None:
        return {}
    beside = payload["elements"].get("beside")
    if beside is None:
        return {"elements": base64.b64encode(journal.content).decode("ascii")}
    found = first_apart(journal, base64.b64decode(beside), APART)
    return {"elements": found.to_json() if found else None}


def first_apart(journal: Journal, interpreted: bytes, tolerance: Tolerance) -> Element | None:
    """The first element that is not the interpreter's; None where all are, or where sizes differ."""
    assert journal.content is not None
    if len(interpreted) != len(journal.content) or not interpreted:
        return None
    seen, expected = (
        torch.frombuffer(bytearray(one), dtype=journal.dtype) for one in (journal.content, interpreted)
    )
    places = torch.nonzero(~_near(seen, expected, tolerance)).flatten().tolist()
    if not places:
        return None
    first = places[0]
    return Element(
        element=first, apart=len(places),
        seen=str(seen[first].item()), interpreted=str(expected[first].item()),
        store=journal.stored(first) if journal.stored else None,
    )  # fmt: skip


def _near(seen: torch.Tensor, expected: torch.Tensor, tolerance: Tolerance) -> torch.Tensor:
    if not seen.is_floating_point():
        return seen == expected
    seen, expected = seen.double(), expected.double()
    most = tolerance.absolute + tolerance.relative * expected.abs()
    return ((seen - expected).abs() <= most) | (seen == expected) | (seen.isnan() & expected.isnan())
