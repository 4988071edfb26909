"""#27338 on upstream with its fix lost, half done, and written differently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BadInput
from harness.facts import Tier
from harness.source.tree import Tree
from harness.verdict import Verdict
from reproducers import pr27338_eagle_draft_width as pr27338
from reproducers.tests import trees
from reproducers.tests.conftest import Run

Alter = Callable[[str, str, str], Tree]

FLASHINFER = "srt/layers/attention/flashinfer_backend.py"
WIDTH = "srt/speculative/spec_utils.py"
GRAPH_WIDTH = """        kv_indices_width = draft_kv_indices_buffer_width(
            max_bs, self.topk, self.max_context_len
        )
"""


@pytest.fixture
def alter(upstream: Tree, tmp_path: Path) -> Alter:
    """Upstream with one piece of one file's text replaced."""
    return lambda path, old, new: trees.altered(upstream, tmp_path / "altered", path, {old: new})


def told(run: Run, tree: Tree, point: dict[str, Any] | None = None, **asked: Any) -> Any:
    return run(pr27338.REPRODUCER, tree, point, goldens=False, **asked).result


def test_a_lost_factor_with_the_guard_in_place_is_an_assertion_and_no_stray_write(
    run: Run, alter: Alter
) -> None:
    lost = alter(FLASHINFER, GRAPH_WIDTH, "        kv_indices_width = max_bs * self.max_context_len\n")
    result = told(run, lost, asked=("fixed",))
    assert result.verdict is Verdict.REGRESSED, result.reason
    assert "AssertionError in assert_buffer_fits" in result.reason


@pytest.mark.parametrize(
    ("width", "count"),
    [
        ("num_seqs * max_context_len", 488),
        pytest.param("num_seqs * (topk - 1) * max_context_len", None, marks=pytest.mark.nightly),
        pytest.param("num_seqs * (max_context_len + topk)", 480, marks=pytest.mark.nightly),
    ],
    ids=["no factor", "a branch too few", "a sum for a product"],
)
def test_a_width_that_is_too_small_is_seen(width: str, count: int | None, run: Run, alter: Alter) -> None:
    """On Triton, which has no guard: what is short of it shows as stray writes."""
    tree = alter(WIDTH, "return num_seqs * topk * max_context_len", f"return {width}")
    point = {"attention": "triton"} if count else {"attention": "triton", "seq_lens": (120, 120)}
    result = told(run, tree, point, asked=("fixed",))
    assert result.verdict is Verdict.REGRESSED, result.reason
    (fault,) = result.fixed.main.faults
    assert fault.kind == "oob-write" and (count is None or fault.count == count)


def test_the_width_as_room_for_each_branch_passes(run: Run, alter: Alter) -> None:
    same = alter(
        WIDTH, "return num_seqs * topk * max_context_len", "return topk * (num_seqs * max_context_len)"
    )
    result = told(run, same)
    assert result.verdict is Verdict.STALE, result.reason
    assert result.fixed.main.outcome == "clean"


@pytest.mark.nightly
def test_at_the_end_of_the_context_the_fixed_width_is_too_small_as_well(run: Run) -> None:
    """An open bug of upstream's, in docs/findings.md: a step's own tokens have no room there."""
    point = {"attention": "triton", "seq_lens": (128, 128)}
    result = run(pr27338.REPRODUCER, None, point, asked=("fixed",)).result
    assert result.fixed
    (fault,) = result.fixed.main.faults
    assert fault.kind == "oob-write" and fault.count == 4 * 2 * 3


def test_a_chain_has_room_enough(run: Run) -> None:
    result = run(pr27338.REPRODUCER, None, {"topk": 1}).result
    assert result.verdict is Verdict.TOOTHLESS, result.reason


@pytest.mark.nightly
def test_the_strays_are_what_the_last_step_has_too_many(run: Run) -> None:
    result = run(pr27338.REPRODUCER, None, {"seq_lens": (90, 70)}).result
    assert result.verdict is Verdict.PASS, result.reason
    assert result.reverted
    (fault,) = result.reverted.main.faults
    assert fault.count == 4 * (90 + 70 + 2 * 3) - 2 * 128


@pytest.mark.parametrize(
    ("point", "problem"),
    [
        ({"seq_lens": (1, 2, 3)}, "more than max_bs 2"),
        ({"seq_lens": (129,)}, "129 is more than context_len 128"),
        ({"page_size": 3}, "give a power of two"),
        ({"num_steps": 1}, "give 2 or more"),
    ],
)
def test_what_does_not_go_together_is_refused(point: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        pr27338.REPRODUCER.case(Tier.KERNEL).point(point)
