"""The rows of a document as results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.observation import Attestation, Exit, Observation, Point
from harness.verdict import EvidenceClass, Result, Verdict


def result(row: Mapping[str, Any]) -> Result:
    """One row of `results`. Raises ValueError where its parts contradict each other."""
    arms = {name: observation(name, arm, row["params"]) for name, arm in row["arms"].items()}
    return Result(
        reproducer=row["reproducer"], pr=row["pr"], issue=row["issue"], tier=row["tier"],
        platform=row["platform"], params=dict(row["params"]), verdict=_verdict(row["verdict"]),
        evidence=EvidenceClass(row["evidence"]), reason=row["reason"], drift=tuple(row["drift"]),
        seconds=float(row["seconds"]), configuration=bool(row.get("configuration", False)),
        rates=dict(row.get("rates", {})),
        fixed=arms.get("fixed"), reverted=arms.get("reverted"),
    )  # fmt: skip


def observation(name: str, arm: Mapping[str, Any], params: Mapping[str, Any]) -> Observation:
    """What `Observation.to_json` wrote for the arm `name`, whose default point has `params`."""
    main = _point({**arm, "params": dict(params)})
    # The JSON has the default point's fields even where no point was reached.
    seen = (main,) if main.faults or main.results or main.trace or not arm["unresolved"] else ()
    attested = arm["attestation"]
    return Observation(
        arm=name, exit=Exit(**arm["exit"]), points=(*seen, *map(_point, arm["points"])),
        attestation=Attestation.from_json(attested) if attested else None,
        unresolved=arm["unresolved"], seconds=float(arm["seconds"]), log=arm["log"],
    )  # fmt: skip


def _point(data: Mapping[str, Any]) -> Point:
    """A point. ValueError where it calls itself clean and has faults, or words a fault otherwise."""
    point = Point.from_json(data)
    told = [fault["signature"] for fault in (*data["faults"], *data["findings"])]
    meant = [fault.signature for fault in (*point.faults, *point.findings)]
    if data["outcome"] != point.outcome or told != meant:
        raise ValueError("the outcome or a signature of a point contradicts its faults")
    return point


def _verdict(word: str | None) -> Verdict | None:
    return None if word is None else Verdict(word)
