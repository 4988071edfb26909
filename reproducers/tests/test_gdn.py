"""#33431 on upstream with its fix lost, half done, too wide, and written differently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.facts import Tier
from harness.source.tree import Tree
from harness.verdict import Verdict
from reproducers import pr33431_gdn_negative_slot as pr33431
from reproducers.tests import trees
from reproducers.tests.conftest import Run

Alter = Callable[[str, str], Tree]

VALID = "    valid_state = index >= 0\n"
LOADED = "    if USE_INITIAL_STATE and valid_state:\n"
STORED = "    if INPLACE_UPDATE and valid_state:\n"


@pytest.fixture
def alter(upstream: Tree, tmp_path: Path) -> Alter:
    """Upstream with one piece of the kernel's text replaced."""
    path = "kernels/ops/attention/fla/chunk_delta_h.py"
    return lambda old, new: trees.altered(upstream, tmp_path / "altered", path, {old: new})


@pytest.mark.parametrize(
    ("old", "new", "kinds"),
    [
        (VALID, "    valid_state = True\n", {"oob-read", "oob-write"}),
        pytest.param(LOADED, LOADED.replace(" and valid_state", ""), {"oob-read"}, marks=pytest.mark.nightly),
        pytest.param(
            STORED, STORED.replace(" and valid_state", ""), {"oob-write"}, marks=pytest.mark.nightly
        ),
        # The first slot is no padding.
        (VALID, "    valid_state = index > 0\n", {"wrong-value"}),
        # A padded row that is given the first slot overwrites that of a request.
        pytest.param(
            VALID,
            "    index = tl.maximum(index, 0)\n    valid_state = index >= 0\n",
            {"wrong-value"},
            marks=pytest.mark.nightly,
        ),
    ],
    ids=["lost", "still loaded", "still stored", "without the first slot", "into the first slot"],
)
def test_a_wrong_guard_is_seen(old: str, new: str, kinds: set[str], run: Run, alter: Alter) -> None:
    result = run(pr33431.REPRODUCER, alter(old, new), goldens=False, asked=("fixed",)).result
    assert result.verdict is Verdict.REGRESSED, result.reason
    assert result.fixed
    points = (result.fixed.main, *result.fixed.points)
    faults = [fault for point in points for fault in point.faults]
    assert {fault.kind for fault in faults} == kinds
    outside = [fault for fault in faults if fault.kind != "wrong-value"]
    assert {(fault.first, fault.last) for fault in outside} <= {(-4096, -1), (-8192, -1)}


def test_another_guard_of_the_same_is_never_regressed(run: Run, alter: Alter) -> None:
    tree = alter(VALID, "    valid_state = index != -1\n")
    result = run(pr33431.REPRODUCER, tree, goldens=False).result
    assert result.verdict is Verdict.UNRECORDED, result.reason
    assert result.fixed and result.fixed.main.outcome == "clean"


@pytest.mark.parametrize(
    ("point", "told"),
    [
        ({"slots": (1, 1, -1)}, "a slot is given twice"),
        ({"slots": (1, 4, -1)}, "4 is none of the 4 slots"),
        ({"slots": (1,)}, "one number for each of the 1 in slots"),
        ({"lengths": (0, 0, 0)}, "a batch has a token"),
        ({"head_dim": 96}, "give 64 or 128"),
    ],
)
def test_a_batch_that_means_nothing_is_refused(point: dict[str, object], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        pr33431.REPRODUCER.case(Tier.KERNEL).point(point)
