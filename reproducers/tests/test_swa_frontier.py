"""#34870 on upstream with its fix lost, off by one, and written differently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.facts import Tier
from harness.source.tree import Tree
from harness.verdict import Verdict
from reproducers import pr34870_swa_frontier_bigram as pr34870
from reproducers.tests import trees
from reproducers.tests.conftest import Run

Alter = Callable[[str], Tree]

MEASURED = "len(radix_key) - 1"
INSERTING = f"free_out_of_window_slots(req, {MEASURED}, insert_params)\n\n        if effective_cache_len <= 0"
"""Where a prompt is inserted, and not where one is only held."""


@pytest.fixture
def alter(upstream: Tree, tmp_path: Path) -> Alter:
    """Upstream with another measure of what lies before the frontier."""
    path = "srt/mem_cache/unified_radix_cache.py"
    return lambda measure: trees.altered(
        upstream, tmp_path / "altered", path, {INSERTING: INSERTING.replace(MEASURED, measure)}
    )


@pytest.mark.parametrize(
    ("measure", "bites"),
    [
        ("effective_cache_len - 1", {"pairs"}),
        # The key, and not what lies before its last token: keys of tokens fill their pages as well.
        ("len(radix_key)", {"pairs", "tokens"}),
        pytest.param("len(token_ids) - 1 + self.tree_core.is_eagle", {"pairs"}, marks=pytest.mark.nightly),
    ],
    ids=["lost", "the whole key", "one more where keys are pairs"],
)
def test_a_wrong_frontier_is_seen(measure: str, bites: set[str], run: Run, alter: Alter) -> None:
    result = run(pr34870.REPRODUCER, alter(measure), goldens=False, asked=("fixed",)).result
    assert result.verdict is Verdict.REGRESSED, result.reason
    assert result.fixed
    points = [point for point in (result.fixed.main, *result.fixed.points) if point.faults]
    assert {point.params["keys"] for point in points} == bites
    assert {fault.buffer for point in points for fault in point.faults} == {"matched"}


def test_the_key_in_whole_pages_is_never_regressed(run: Run, alter: Alter) -> None:
    tree = alter("len(radix_key.page_aligned(self.page_size)) - 1")
    result = run(pr34870.REPRODUCER, tree, goldens=False).result
    assert result.verdict is Verdict.STALE, result.reason
    assert result.fixed and result.fixed.main.outcome == "clean"


def test_a_prompt_beyond_the_context_is_refused() -> None:
    with pytest.raises(BadInput, match="are more than a context of 256"):
        pr34870.REPRODUCER.case(Tier.KERNEL).point({"prompt": 255})
    with pytest.raises(BadInput, match="does not divide the pools"):
        pr34870.REPRODUCER.case(Tier.KERNEL).point({"page_size": 48})
