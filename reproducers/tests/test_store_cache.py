"""ROCm's cache stores on upstream with their fix lost, half done, and written differently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.facts import Tier
from harness.source.tree import Tree
from harness.verdict import Verdict
from reproducers import bug_store_cache_int32 as store_cache
from reproducers.tests import trees
from reproducers.tests.conftest import Run

Alter = Callable[[str, str], Tree]

PAGE = "    page = loc // PAGE_SIZE\n    slot = loc % PAGE_SIZE\n\n"
LATENT, INDEXER = f"{PAGE}    if tile_id == ROPE_TILE_ID", f"{PAGE}    lane = tl.arange"
SCALE = "page * BYTES_PER_PAGE + S_OFFSET"


@pytest.fixture
def alter(upstream: Tree, tmp_path: Path) -> Alter:
    """Upstream with one piece of the kernels' text replaced."""
    path = "kernels/ops/kvcache/triton_store_cache.py"
    return lambda old, new: trees.altered(upstream, tmp_path / "altered", path, {old: new})


def narrow(text: str) -> str:
    return text.replace("loc // PAGE_SIZE", "(loc // PAGE_SIZE).to(tl.int32)")


@pytest.mark.parametrize(
    ("old", "new", "cache"),
    [
        # The slot is wide, and what is multiplied is not.
        (LATENT, narrow(LATENT), "flashmla"),
        pytest.param(INDEXER, narrow(INDEXER), "indexer", marks=pytest.mark.nightly),
        (SCALE, SCALE.replace("page *", "page.to(tl.int32) *"), "flashmla"),
    ],
    ids=["latent", "indexer", "scales alone"],
)
def test_a_wrong_width_is_seen(old: str, new: str, cache: str, run: Run, alter: Alter) -> None:
    result = run(store_cache.REPRODUCER, alter(old, new), goldens=False, asked=("fixed",)).result
    assert result.verdict is Verdict.REGRESSED, result.reason
    assert result.fixed
    points = [point for point in (result.fixed.main, *result.fixed.points) if point.faults]
    assert {point.params["cache"] for point in points} == {cache}
    assert all(fault.kind in {"oob-write", "wrong-value"} for point in points for fault in point.faults)


def test_a_wide_product_is_never_regressed(run: Run, alter: Alter) -> None:
    tree = alter(LATENT, LATENT.replace("loc // PAGE_SIZE", "(loc // PAGE_SIZE).to(tl.int64)"))
    result = run(store_cache.REPRODUCER, tree, goldens=False).result
    assert result.fixed and result.fixed.main.outcome == "clean", result.reason


def test_slots_that_mean_nothing_are_refused() -> None:
    with pytest.raises(BadInput, match="256 is none of the 256 slots"):
        store_cache.REPRODUCER.case(Tier.KERNEL).point({"slots": (1, 256)})
    with pytest.raises(BadInput, match="a slot is given twice"):
        store_cache.REPRODUCER.case(Tier.KERNEL).point({"slots": (5, 5)})
