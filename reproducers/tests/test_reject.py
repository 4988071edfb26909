"""The verification of drafts on upstream with its fix lost, half done, and written differently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.facts import Tier
from harness.source.tree import Tree
from harness.verdict import Verdict
from reproducers import bug_reject_improper_draft as reject
from reproducers.tests import trees
from reproducers.tests.conftest import Run

Alter = Callable[[str], Tree]

GUARD = "            q_is_prob = (q > 0.0) & (q <= 1.0)\n            if q_is_prob & (coin * q < p):\n"
TEST = "            if {}:\n"
NIGHT = pytest.mark.nightly


@pytest.fixture
def alter(upstream: Tree, tmp_path: Path) -> Alter:
    """Upstream with another test of a draft."""
    path = "kernels/ops/speculative/reject_sampling.py"
    return lambda test: trees.altered(upstream, tmp_path / "altered", path, {GUARD: TEST.format(test)})


@pytest.mark.parametrize(
    ("test", "wrong"),
    [
        ("coin * q < p", {"zero", "minus-inf", "above-one"}),
        pytest.param("(q == q) & (coin * q < p)", {"zero", "minus-inf", "above-one"}, marks=NIGHT),
        pytest.param("(q >= 0.0) & (q <= 1.0) & (coin * q < p)", {"zero"}, marks=NIGHT),
        pytest.param("(q > 0.0) & (coin * q < p)", {"above-one"}, marks=NIGHT),
        ("(q > 0.0) & (q < 1.0) & (coin * q < p)", {"one"}),
        pytest.param("(q > 0.0) & (q <= 1.0) & (coin < p)", {"proper"}, marks=NIGHT),
        ("(q > 0.0) & (q <= 1.0) & (q < p)", set(reject.DRAFTS)),
    ],
)  # fmt: skip
def test_a_wrong_test_of_a_draft_is_seen(test: str, wrong: set[str], run: Run, alter: Alter) -> None:
    result = run(reject.REPRODUCER, alter(test), goldens=False, asked=("fixed",)).result
    assert result.fixed
    faulty = {point.params["drafted"] for point in result.fixed.points if point.faults}
    assert faulty == wrong
    assert result.verdict is Verdict.REGRESSED, result.reason


def test_the_fix_written_otherwise_is_never_regressed(run: Run, alter: Alter) -> None:
    found = run(reject.REPRODUCER, alter("(0.0 < q) & (1.0 >= q) & (p > q * coin)"), goldens=False).result
    assert found.fixed and found.fixed.main.outcome == "clean"
    assert found.verdict is Verdict.STALE, found.reason


def test_a_slot_without_a_draft_is_refused() -> None:
    with pytest.raises(BadInput, match="of 2 slots the last has no draft"):
        reject.REPRODUCER.case(Tier.KERNEL).point({"slots": 2, "at": 1})
