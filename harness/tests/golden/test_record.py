"""What a golden holds, and that nothing else becomes one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import GoldenError
from harness.golden import GoldenStore
from harness.observation.compare import DEFAULT_TOLERANCE
from harness.tests.golden.samples import stored
from harness.tests.samples import PROVENANCE, STRAY, TREE, arm, case, golden, point, result
from harness.verdict import Evidence, Judgement, golden_of


def test_only_the_default_point_keeps_its_trace() -> None:
    default, other = json.loads(stored().text)["arms"]["fixed"]["points"]
    assert "trace" in default
    assert "trace_sha256" in other
    assert "trace" not in other


def test_a_golden_holds_its_provenance_and_tolerance() -> None:
    data = json.loads(stored().text)
    assert data["provenance"] == {**PROVENANCE, "tree": TREE}
    assert data["tolerance"]["reason"] == DEFAULT_TOLERANCE.reason


def test_a_configuration_s_golden_has_one_arm_and_is_read_as_it_was_written(tmp_path: Path) -> None:
    alone = Evidence(expect=None, asked=("fixed",), tree=TREE, fixed=arm("fixed", point(16)))
    kept = golden(alone)
    store = GoldenStore(tmp_path)
    store.save(kept)
    read = store.load(kept.key)
    assert read and read == kept and set(read.arms) == {"fixed"}
    assert store.propose(kept).status == "same"


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"fixed": arm("fixed", point(16, STRAY), point(1))}, "REGRESSED"),
        ({"fixed": arm("fixed", point(16), point(1), unresolved="lost")}, "UNRESOLVED: fixed arm: lost"),
        ({"fixed": arm("fixed", point(16), point(1), attestation=None)}, "no attestation"),
        ({"reverted": arm("reverted", point(16, STRAY), point(1), attestation=None)}, "no attestation"),
        ({"reverted": arm("reverted", point(16), point(1))}, "TOOTHLESS"),
        ({"reverted": arm("reverted", point(16, STRAY), point(1, STRAY))}, "CHANGED"),
        ({"stale": "gone"}, "STALE: gone"),
        ({"missing": ("hip",)}, "UNSUPPORTED"),
        ({"by_hand": True}, "a point given by hand"),
        ({"asked": ("fixed",)}, "one arm only"),
    ],
)
def test_nothing_enters_before_both_arms_behaved(facts: dict[str, Any], told: str) -> None:
    evidence = case(golden=None, **facts)
    with pytest.raises(GoldenError) as error:
        golden_of(result(Judgement(None, ""), evidence), evidence, PROVENANCE)
    assert told in str(error.value)
    assert str(error.value).startswith("pr1_pages kernel cpu: not recorded: ")
