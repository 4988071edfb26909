"""#27779 on upstream with its fix lost, half done, and written differently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BadInput
from harness.facts import Tier
from harness.source.tree import Tree
from harness.verdict import Verdict
from reproducers import pr27779_swa_free_pages as pr27779
from reproducers.tests import trees
from reproducers.tests.conftest import Run

Alter = Callable[[str, str], Tree]

EXPANDED = "        mapping_indices = self._expand_to_full_pages(free_index)\n"
STALE = "mapped numel=16 first=3 last=3 count=1"
CLEARED = """        swa_indices = self.full_to_swa_index_mapping[mapping_indices]
        self.clear_full_to_swa_mapping(mapping_indices)
"""
PAGES = "        base = (indices // self.page_size) * self.page_size\n"


@pytest.fixture
def alter(upstream: Tree, tmp_path: Path) -> Alter:
    """Upstream with one piece of its allocator's text replaced."""
    path = "srt/mem_cache/allocator/swa.py"
    return lambda old, new: trees.altered(upstream, tmp_path / "altered", path, {old: new})


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (EXPANDED, "        mapping_indices = free_index\n", STALE),
        # Translated for whole pages, and cleared for the tokens alone.
        pytest.param(
            CLEARED,
            CLEARED.replace("(mapping_indices)", "(free_index)"),
            STALE,
            marks=pytest.mark.nightly,
        ),
        # The page of the first token alone: parts that reach into a second page lose that.
        (PAGES, PAGES.replace("indices //", "indices[:1] //"), None),
    ],
    ids=["lost", "cleared for the tokens alone", "the first page alone"],
)  # fmt: skip
def test_a_wrong_fix_is_seen(old: str, new: str, fault: str | None, run: Run, alter: Alter) -> None:
    result = run(pr27779.REPRODUCER, alter(old, new), goldens=False, asked=("fixed",)).result
    assert result.verdict is Verdict.REGRESSED, result.reason
    assert result.fixed
    if fault:
        assert [seen.signature for seen in result.fixed.main.faults] == [f"wrong-value {fault}"]
    else:
        assert any(point.faults for point in result.fixed.points)


def test_the_expansion_written_out_is_never_regressed(run: Run, alter: Alter) -> None:
    same = EXPANDED.replace(
        "self._expand_to_full_pages(free_index)", "self._expand_to_full_pages(free_index.clone())"
    )
    result = run(pr27779.REPRODUCER, alter(EXPANDED, same), goldens=False).result
    assert result.verdict is Verdict.STALE, result.reason
    assert result.fixed and result.fixed.main.outcome == "clean"


def test_undone_a_page_is_free_once_for_each_part_of_it(run: Run) -> None:
    result = run(pr27779.REPRODUCER, None, {"parts": (1, 1, 1, 5)}).result
    assert result.verdict is Verdict.PASS, result.reason
    # 16 free beside both requests, then the first page once with each of the four parts.
    assert result.reverted and result.reverted.main.results["free"] == [20, 24, 28, 36]


@pytest.mark.parametrize(
    ("point", "problem"),
    [({"parts": (9, 9)}, "18 are more than the 16 tokens"), ({"page_size": 3}, "does not divide 16")],
)
def test_what_does_not_go_together_is_refused(point: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        pr27779.REPRODUCER.case(Tier.KERNEL).point(point)
