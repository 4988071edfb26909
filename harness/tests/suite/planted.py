"""The planted bugs that the suite is tried on, and what a result of theirs tells."""

from __future__ import annotations

from harness.tests.toyland.bench import bug
from harness.verdict import Result, Verdict

STORE = bug("pr101_stray_store")
TROUBLED = bug("pr108_troubled_case")
STRAY = "oob-write into table by fill_kernel numel=3 first=3 last=11 count=9"


def told(result: Result, verdict: Verdict) -> str:
    """The reason of a result that has this verdict."""
    assert result.verdict is verdict, f"{result.verdict}: {result.reason}"
    return result.reason
