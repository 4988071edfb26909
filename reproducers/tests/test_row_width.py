"""The rows of `req_to_token` on upstream with their headroom lost, too small, and written differently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.facts import Tier
from harness.source.tree import Tree
from harness.verdict import Verdict
from reproducers import bug_eagle_row_width as row_width
from reproducers.tests import trees
from reproducers.tests.conftest import Run

Alter = Callable[[str, str], Tree]

PAGED = "        if page_size > 1 or spec_algo.is_uno():\n"
RESERVE = "get_alloc_reserve_per_decode() + page_size - 1"


@pytest.fixture
def alter(upstream: Tree, tmp_path: Path) -> Alter:
    """Upstream with one piece of what sizes the rows replaced."""
    path = "srt/mem_cache/allocation_sizing.py"
    return lambda old, new: trees.altered(upstream, tmp_path / "altered", path, {old: new})


@pytest.mark.parametrize(
    ("old", "new", "count"),
    [
        (PAGED, "        if spec_algo.is_uno():\n", 8),
        # Two drafts without the rounding: the last page begins in the row and ends behind it.
        pytest.param(RESERVE, "get_alloc_reserve_per_decode()", 6, marks=pytest.mark.nightly),
        # Room for the draft at hand, and none for the one ahead of it.
        (RESERVE, "get_alloc_len_per_decode() + page_size - 1", 4),
    ],
    ids=["lost", "not rounded", "one draft"],
)
def test_a_wrong_headroom_is_seen(old: str, new: str, count: int, run: Run, alter: Alter) -> None:
    result = run(row_width.REPRODUCER, alter(old, new), goldens=False, asked=("fixed",)).result
    assert result.verdict is Verdict.REGRESSED, result.reason
    assert result.fixed
    assert [(fault.kind, fault.count) for fault in result.fixed.main.faults] == [("wrong-value", count)]


def test_a_wider_row_is_never_regressed(run: Run, alter: Alter) -> None:
    tree = alter(RESERVE, "get_alloc_reserve_per_decode() + page_size")
    result = run(row_width.REPRODUCER, tree, goldens=False).result
    assert result.verdict is Verdict.STALE, result.reason
    assert result.fixed and result.fixed.main.outcome == "clean"


@pytest.mark.parametrize(
    ("point", "told"),
    [
        ({"seq_len": 64}, "has fewer tokens than context_len 64"),
        ({"page_size": 12}, "give a power of two"),
        ({"context_len": 72}, "give a multiple of page_size"),
    ],
)
def test_a_row_that_means_nothing_is_refused(point: dict[str, object], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        row_width.REPRODUCER.case(Tier.KERNEL).point(point)
