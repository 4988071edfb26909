"""#27360 on upstream with its fix lost, half done, or undone by upstream's own toggle; and at points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ci import upstream_toggle
from harness import catalogue
from harness.errors import BadInput
from harness.facts import Grid, Tier
from harness.golden import GoldenStore
from harness.machine import this_machine
from harness.machine.workspace import Workspace
from harness.observation import Point
from harness.process.pool import Pool
from harness.source.tree import Tree
from harness.suite import Setting
from harness.verdict import Result, Verdict
from reproducers import pr27360_fa3_draft_expand_cache_loc as pr27360
from reproducers.rigs import fa3
from reproducers.tests import trees
from reproducers.tests.conftest import Run

Alter = Callable[[dict[str, str]], Tree]

INDENT = " " * 24
SLICE = f"{INDENT}cache_loc = cache_loc[:, :decode_length]\n"
GUARD = f"""\
{INDENT}assert_buffer_fits(
{INDENT}    cache_loc.shape[1],
{INDENT}    metadata_expand.page_table.shape[1],
{INDENT}    "draft expand page_table (width decode_length + 1)",
{INDENT})
"""


@pytest.fixture
def alter(upstream: Tree, tmp_path: Path) -> Alter:
    """Upstream with pieces of its FA3 backend's text replaced."""
    path = fa3.MODULE.partition(".")[2].replace(".", "/") + ".py"
    return lambda changes: trees.altered(upstream, tmp_path / "altered", path, changes)


def told(result: Result, verdict: Verdict) -> str:
    """The reason of a result that has this verdict."""
    assert result.verdict is verdict, f"{result.verdict}: {result.reason}"
    return result.reason


def row_overflow(first: int, last: int, count: int, width: int = 2) -> str:
    return f"index-range page_table by scatter_ numel={width} first={first} last={last} count={count}"


def behind(numel: int) -> str:
    return f"oob-write into page_table by scatter_ numel={numel} first={numel} last={numel} count=1"


# --- altered trees ---------------------------------------------------------------------------------


def test_a_lost_fix_shows_every_stray_store(run: Run, alter: Alter) -> None:
    result = run(pr27360.REPRODUCER, alter({SLICE: "", GUARD: ""}), {}, asked=("fixed",)).result
    told(result, Verdict.REGRESSED)
    assert result.fixed and result.fixed.main.signatures == (row_overflow(2, 2, 24), behind(32))


def test_a_slice_two_tokens_too_wide_shows_fewer(run: Run, alter: Alter) -> None:
    near = {SLICE: f"{INDENT}cache_loc = cache_loc[:, : decode_length + 3]\n", GUARD: ""}
    result = run(pr27360.REPRODUCER, alter(near), {}, asked=("fixed",)).result
    told(result, Verdict.REGRESSED)
    assert result.fixed and result.fixed.main.signatures == (row_overflow(2, 2, 8),)


@pytest.mark.nightly
def test_upstreams_toggle_keeps_the_guard_which_fires_where_nothing_was_wrong(
    upstream: Tree, workspace: Workspace, pool: Pool
) -> None:
    """Its own toggle for this bug, run as a third arm, takes the slice out and leaves the guard."""
    setting = Setting(
        tree=upstream,
        machine=this_machine(),
        goldens=GoldenStore(catalogue.golden_folder()),
        workspace=workspace,
    )
    found = upstream_toggle.compare(pr27360.REPRODUCER, setting, pool)
    assert found.applies and not found.same
    parted = [row for row in found.rows if row.toggled and not row.reverted]
    assert {row.toggled[0].partition(":")[0] for row in parted} == {
        "exception (AssertionError in assert_buffer_fits"
    }
    assert any(row.params["page_size"] == 16 for row in parted)
    assert not any(row.reverted and not row.toggled for row in found.rows)


def test_the_fix_written_differently_is_never_regressed(run: Run, alter: Alter) -> None:
    narrowed = {SLICE: f"{INDENT}cache_loc = cache_loc.narrow(1, 0, decode_length)\n"}
    result = run(pr27360.REPRODUCER, alter(narrowed)).result
    assert "found 0 times" in told(result, Verdict.STALE)
    assert result.fixed and {point.outcome for point in result.fixed.points} == {"clean"}


# --- points ----------------------------------------------------------------------------------------


@pytest.mark.nightly
def test_a_padded_batch_keeps_its_strays_inside_the_table(run: Run) -> None:
    result = run(pr27360.REPRODUCER, None, {"seq_lens": (7,)}).result
    told(result, Verdict.PASS)
    assert result.reverted and [fault.kind for fault in result.reverted.main.faults] == ["index-range"]


@pytest.mark.parametrize(
    "point",
    [
        {"topk": 1},
        *(
            pytest.param(one, marks=pytest.mark.nightly)
            for one in ({"page_size": 16}, {"seq_lens": ()}, {"num_steps": 2})
        ),
    ],
    ids=str,
)
def test_where_the_bug_cannot_show_the_reason_is_arithmetic(point: dict[str, Any], run: Run) -> None:
    reason = told(run(pr27360.REPRODUCER, None, point).result, Verdict.TOOTHLESS)
    assert pr27360.arithmetic({**pr27360.REPRODUCER.case(Tier.KERNEL).default, **point}) in reason


@pytest.mark.nightly
def test_stray_stores_are_those_that_arithmetic_predicts(run: Run) -> None:
    axes: dict[str, Any] = {
        "page_size": [2, 4],
        "topk": [2, 3],
        "num_steps": [3, 5, 7],
        "seq_lens": [(5, 6), (7,), (4, 7)],
    }
    kernel = pr27360.REPRODUCER.kernel
    assert kernel
    judged = run(replace(pr27360.REPRODUCER, kernel=replace(kernel, grid=Grid(**axes))), goldens=False)
    told(judged.result, Verdict.UNRECORDED)  # so the bug shows where `overflows` says, and only there
    assert judged.result.reverted
    counted = [(seen(point), pr27360.violations(point.params)) for point in judged.result.reverted.points]
    assert [both for both in counted if both[0] != both[1]] == []


def seen(point: Point) -> tuple[int, int]:
    """Stores past their row, and elements hit behind a table, in one point."""
    counts = {"index-range": 0, "oob-write": 0}
    for fault in point.faults:
        counts[fault.kind] += fault.count or 0
    return counts["index-range"], counts["oob-write"]


# --- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "problem"),
    [
        ({"max_bs": 1}, "2 sequences do not fit max_bs 1"),
        ({"page_size": 3}, "page_size: give a power of two"),
    ],
)
def test_what_does_not_go_together_is_refused(point: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        pr27360.REPRODUCER.case(Tier.KERNEL).point(point)
