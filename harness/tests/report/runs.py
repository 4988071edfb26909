"""Invented runs, as documents read back from their JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.documents import Document, parse, sealed
from harness.observation import Exit, Fault, Point
from harness.report.json import document
from harness.tests.samples import TREE, arm, case, point, result
from harness.verdict import Arm, Evidence, Result, judge

SGLANG = {"version": "9.9.9", "origin": "installed", "tree": TREE, "root": "/trees/toy"}
MACHINE = {"platform": "cpu", "features": ["torch"], "python": "3.11.4"}
RUN = "1" * 32
HOSTILE = "</script><script>document.title='taken'</script> & <b>\x1b[31m`|`"


def judged(evidence: Evidence, **facts: Any) -> Result:
    """The result of some evidence."""
    return result(judge(evidence), evidence, **facts)


def told(*results: Result, at: str = "2026-01-02T03:04:05+00:00", **facts: Any) -> dict[str, Any]:
    """A document's JSON, as `--json` would have it at that time."""
    made = document(results, MACHINE, SGLANG)
    return dict(json.loads(json.dumps(sealed({**made, "run": RUN, "at": at, **facts}), allow_nan=False)))


def run(*results: Result, **facts: Any) -> Document:
    return parse(told(*results, **facts), name="results.json")


def passing(**facts: Any) -> Result:
    return judged(case(), **facts)


def regressed(**facts: Any) -> Result:
    violation = Fault(kind="oob-write", buffer="table", kernel="fill", numel=8, first=8, last=11, count=4)
    return judged(case(fixed=arm("fixed", point(16, violation), point(1))), **facts)


def lost(**facts: Any) -> Result:
    gone = arm("fixed", attestation=None, unresolved=HOSTILE, exit=Exit(how="lost"), log="/logs/x")
    return judged(case(fixed=gone), **facts)


def unsupported(**facts: Any) -> Result:
    return judged(case(missing=("hip",), fixed=Arm(), reverted=Arm()), **facts)


def answering(tokens: Mapping[str, list[int]], *faults: Fault, logprob: float = -0.5) -> Point:
    """A point of the server tier: tokens and log-probabilities per request."""
    requests = {
        name: {"tokens": row, "logprobs": [logprob] * len(row), "finish": "length"}
        for name, row in tokens.items()
    }
    return Point(params={"page_size": 16}, faults=faults, results={"requests": requests})
