"""#29860 on upstream with its fix lost, nearly right, and written differently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BadInput
from harness.facts import Tier
from harness.source.tree import Tree
from harness.verdict import Verdict
from reproducers import pr29860_swa_evict_leaf as pr29860
from reproducers.tests import trees
from reproducers.tests.conftest import Run

Alter = Callable[[str], Tree]

AXES = ("page_size", "window", "prompts")
FIXED = """pre_len - ceil_align(
            max(sliding_window_size, page_size), page_size
        )"""
HELD_BACK = "srt/mem_cache/common.py"


@pytest.fixture
def altered(upstream: Tree, tmp_path: Path) -> Alter:
    """Upstream with another threshold in the place of the fix's."""
    return lambda instead: trees.altered(upstream, tmp_path / "altered", HELD_BACK, {FIXED: instead})


@pytest.mark.parametrize(
    ("instead", "at", "matched"),
    [
        ("pre_len - sliding_window_size", (64, 8, [132, 90]), [128, 0]),
        # A token less than a page shows where a prompt ends with its page.
        ("pre_len - max(sliding_window_size, page_size - 1)", (64, 8, [72, 128]), [64, 0]),
        pytest.param("pre_len - page_size", (16, 64, [132, 90]), [0, 0], marks=pytest.mark.nightly),
    ],
    ids=["lost", "a token less than a page", "a page for any window"],
)
def test_a_wrong_fix_is_seen_at_some_point_of_the_grid(
    instead: str, at: tuple[int, int, list[int]], matched: list[int], run: Run, altered: Alter
) -> None:
    result = run(pr29860.REPRODUCER, altered(instead), goldens=False, asked=("fixed",)).result
    assert result.verdict is Verdict.REGRESSED, result.reason
    assert result.fixed
    seen = [point for point in (result.fixed.main, *result.fixed.points) if point.faults]
    found = [(*(point.params[name] for name in AXES), point.results["matched"]) for point in seen]
    assert (*at, matched) in found


def test_the_margin_of_a_whole_page_more_is_never_regressed(run: Run, altered: Alter) -> None:
    more = altered("pre_len - sliding_window_size - page_size")
    result = run(pr29860.REPRODUCER, more, goldens=False).result
    assert result.verdict is Verdict.STALE, result.reason
    assert result.fixed and result.fixed.main.outcome == "clean"


def test_undone_nothing_is_given_back_twice_and_the_prompt_is_not_matched(run: Run) -> None:
    """From 0.5.23 on; see docs/findings.md. In 0.5.15 to 0.5.21 the pool then counts 64 slots more."""
    result = run(pr29860.REPRODUCER, None, {"decoded": 4}).result
    assert result.verdict is Verdict.PASS, result.reason
    assert result.reverted
    assert (result.reverted.main.results["full"], result.reverted.main.results["matched"]) == (512, [128, 0])


@pytest.mark.nightly
def test_a_window_that_is_no_multiple_of_the_page_is_kept_whole(run: Run) -> None:
    """From 0.5.23 on; see docs/findings.md."""
    point = {"page_size": 16, "window": 20, "prompts": (90,)}
    result = run(pr29860.REPRODUCER, None, point, asked=("fixed",)).result
    assert result.fixed and result.fixed.main.results["matched"] == [80]


@pytest.mark.parametrize(
    ("point", "problem"),
    [
        ({"page_size": 48}, "does not divide the pools' 512 slots"),
        ({"prompts": (300,)}, "more than a context of 256"),
        ({"prompts": (200, 200, 200)}, "do not fit into 512 slots"),
    ],
)
def test_what_does_not_go_together_is_refused(point: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        pr29860.REPRODUCER.case(Tier.KERNEL).point(point)
