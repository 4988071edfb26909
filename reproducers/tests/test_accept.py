"""#26866 on upstream with its fix lost, half done, and written differently; and at single points."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BadInput
from harness.facts import Tier
from harness.source.tree import Tree
from harness.verdict import Result, Verdict
from reproducers import pr26866_eagle_accept_index as pr26866
from reproducers.tests import trees
from reproducers.tests.conftest import Run

Alter = Callable[[str], Tree]

SIZE = "size = bs * accept_index.shape[1]"


@pytest.fixture
def alter(upstream: Tree, tmp_path: Path) -> Alter:
    """Upstream that takes this for the number of programs."""
    path = "srt/speculative/spec_utils.py"
    return lambda size: trees.altered(upstream, tmp_path / "altered", path, {SIZE: f"size = {size}"})


def told(result: Result, verdict: Verdict) -> str:
    """The reason of a result that has this verdict."""
    assert result.verdict is verdict, f"{result.verdict}: {result.reason}"
    return result.reason


def stray_read(first: int, last: int) -> str:
    numbers = f"numel={first} first={first} last={last} count={last - first + 1}"
    return f"oob-read from accept_index by fill_accept_out_cache_loc {numbers}"


@pytest.mark.parametrize(
    ("size", "last"),
    [
        ("batch.out_cache_loc.shape[0]", 15),
        pytest.param("bs * accept_index.shape[1] + 1", 8, marks=pytest.mark.nightly),
    ],
    ids=["lost", "one too many"],
)
def test_a_lost_or_missed_fix_reads_behind_the_index(size: str, last: int, run: Run, alter: Alter) -> None:
    result = run(pr26866.REPRODUCER, alter(size), {}, asked=("fixed",)).result
    assert told(result, Verdict.REGRESSED).endswith(stray_read(8, last))


def test_too_few_programs_lose_accepted_tokens(run: Run, alter: Alter) -> None:
    point = {"accepted": (3, 3)}
    result = run(pr26866.REPRODUCER, alter("accept_index.shape[1]"), point, asked=("fixed",)).result
    assert "wrong-value keys" in told(result, Verdict.REGRESSED)


def test_the_fix_written_differently_is_never_regressed(run: Run, alter: Alter) -> None:
    result = run(pr26866.REPRODUCER, alter("accept_index.numel()"), {}).result
    assert "found 0 times" in told(result, Verdict.STALE)
    assert result.fixed and result.fixed.main.outcome == "clean"


def test_a_chain_hides_the_bug(run: Run) -> None:
    reason = told(run(pr26866.REPRODUCER, None, {"draft_tokens": 4}).result, Verdict.TOOTHLESS)
    assert "0 programs find no element of accept_index" in reason


@pytest.mark.parametrize(
    ("point", "problem"),
    [
        ({"accepted": (1,)}, "one number for each of the 2 sequences"),
        ({"accepted": (4, 1)}, "4 is more than num_steps 3"),
        ({"draft_tokens": 3}, "a chain alone has 4"),
        ({"page_size": 6}, "give a power of two"),
    ],
)
def test_what_does_not_go_together_is_refused(point: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        pr26866.REPRODUCER.case(Tier.KERNEL).point(point)
