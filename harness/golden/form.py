"""The form of a golden's file: every key is known, none may be missing, and its parts fit one another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any

from harness.observation.compare import named_params, one_line, trace_digest
from harness.schema import departure
from harness.schema.parts import (
    ANYTHING,
    LINE,
    SHA256,
    TEXT,
    Schema,
    closed,
    either,
    event,
    fault,
    listed,
)

FORMAT = 2
"""1 had no digest of the file."""
_SOME: Schema = {"minItems": 1}
_BOUND: Schema = {"type": "number", "minimum": 0}


def digest(data: Mapping[str, Any]) -> str:
    """sha256 of what a golden's file holds, its own digest left out."""
    held = {name: value for name, value in data.items() if name != "digest"}
    return hashlib.sha256(one_line(held).encode()).hexdigest()


def check(data: Any) -> None:
    """ValueError, in one line, for a golden that lacks something, knows more, or is not what it was."""
    if problem := departure(data, _schema()):
        raise ValueError(problem)
    if digest(data) != data["digest"]:
        raise ValueError("its content is not that of its digest")
    for name, arm in data["arms"].items():
        _check_points(name, arm["points"])


def _check_points(name: str, points: list[dict[str, Any]]) -> None:
    met = set[str]()
    for index, point in enumerate(points):
        place = f"the {name} arm's point {named_params(point['params'])}"
        if ("trace" in point) is ("trace_sha256" in point):
            raise ValueError(f"{place} needs a trace, or the digest of one, and not both")
        if "trace" in point and index:
            raise ValueError(f"{place} has a trace, which the default point alone keeps")
        if not index and point.get("trace_sha256") not in (None, trace_digest(())):
            raise ValueError(f"{place} lacks its trace, which the default point keeps")
        if (told := one_line(point["params"])) in met:
            raise ValueError(f"{place} is there twice")
        met.add(told)


@cache
def _schema() -> Schema:
    identity = {
        "golden": {"const": FORMAT},
        "digest": SHA256,
        "reproducer": TEXT,
        "tier": TEXT,
        "platform": TEXT,
    }
    tolerance = closed({"absolute": _BOUND, "relative": _BOUND, "reason": TEXT})
    arm = closed({"points": {**listed(_point()), **_SOME}})
    provenance: Schema = {
        "type": "object", "properties": {"tree": SHA256}, "required": ["tree"], "additionalProperties": LINE,
    }  # fmt: skip
    facts = {
        "provenance": provenance,
        "tolerance": tolerance,
        "arms": closed({"fixed": arm}, {"reverted": arm}),
    }
    return {**closed({**identity, **facts}), "$defs": {"fault": fault()}}


def _point() -> Schema:
    faults = listed({"$ref": "#/$defs/fault"})
    shown = {"params": ANYTHING, "results": ANYTHING, "outcome": {"enum": ["clean", "fault"]}}
    rest = {"trace": {**listed(event()), **_SOME}, "trace_sha256": SHA256, "either": either()}
    return closed({**shown, "faults": faults, "findings": faults, "digest": SHA256}, rest)
