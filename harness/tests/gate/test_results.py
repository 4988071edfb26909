"""Results of several machines: merged only where they are of one build, and each counted once."""

from __future__ import annotations

from typing import Any

import pytest

from harness.documents import Document, parse
from harness.errors import BadInput
from harness.gate.results import gather


def document(
    name: str, *, tree: str | None = "a" * 64, platform: str = "cpu", seconds: float = 1.0
) -> Document:
    result: dict[str, Any] = {
        "reproducer": "pr101_stray_store", "pr": 101, "issue": None, "tier": "kernel", "platform": platform,
        "params": {}, "verdict": "PASS", "evidence": "fault", "reason": "fine", "drift": [],
        "seconds": seconds, "arms": {},
    }  # fmt: skip
    told = {"refault": "0", "sglang": {"version": "9.9.8", "tree": tree}, "machine": {"platform": platform}}
    return parse({**told, "results": [result]}, name=name)


def test_machines_are_merged() -> None:
    found = gather([document("a.json"), document("b.json", platform="rocm-gfx942")])
    assert found.machines == ("cpu", "rocm-gfx942") and found.sources == ("a.json", "b.json")
    assert [row.machine for row in found.rows] == ["cpu", "rocm-gfx942"]
    assert found.build.name == "sglang 9.9.8 (aaaaaaaaaaaa)"


def test_builds_are_not() -> None:
    with pytest.raises(
        BadInput, match=r"b\.json is of sglang 9\.9\.8 \(bbb.*, a\.json of .*\(aaa.*same wheel"
    ):
        gather([document("a.json"), document("b.json", tree="b" * 64)])


def test_one_run_given_twice_is_refused() -> None:
    with pytest.raises(BadInput, match=r"b\.json holds the same run as a\.json: give each run once"):
        gather([document("a.json"), document("b.json")])
    assert len(gather([document("a.json"), document("b.json", seconds=2.0)]).rows) == 2


@pytest.mark.parametrize(
    ("facts", "told"), [({"tree": None}, "content hash"), ({"platform": ""}, "platform")]
)
def test_results_of_nobody_knows_what_are_refused(facts: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=f"does not say the {told}.*make it anew"):
        gather([document("a.json", **facts)])
