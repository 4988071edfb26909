"""#24587 and #22598 on upstream with their fixes lost, half lost, rewritten, reformatted and doubled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.facts import Grid
from harness.observation import Fault
from harness.source.tree import Tree
from harness.verdict import Result, Verdict
from reproducers import pr22598_aiter_indptr_padded_batch as pr22598
from reproducers import pr24587_aiter_kv_indices_page_size as pr24587
from reproducers.rigs.aiter import rig as aiter
from reproducers.tests import trees
from reproducers.tests.conftest import Run

Alter = Callable[[dict[str, str]], Tree]

SIZED = """\
            buffer_numel = max_bs * (
                max_num_blocks_per_seq * self.page_size + draft_slack
            )
"""
REALLOCATED = "        if max_bs + 1 > self.kv_indptr.shape[0]:\n"
ONE_MORE = """\
            self.kv_indptr = torch.zeros(
                (max_bs + 1,), dtype=torch.int32, device=self.device
"""


@pytest.fixture
def alter(upstream: Tree, tmp_path: Path) -> Alter:
    """Upstream with pieces of its aiter backend's text replaced."""
    path = aiter.MODULE.partition(".")[2].replace(".", "/") + ".py"
    return lambda changes: trees.altered(upstream, tmp_path / "altered", path, changes)


def told(result: Result, verdict: Verdict) -> str:
    """The reason of a result that has this verdict."""
    assert result.verdict is verdict, f"{result.verdict}: {result.reason}"
    return result.reason


def sized(statements: str) -> dict[str, str]:
    """The change that sizes cuda_graph_kv_indices by these statements instead."""
    lines = statements.strip("\n").splitlines()
    return {SIZED: "".join(f"            {line}\n" if line else "\n" for line in lines)}


def overflow(numel: int, last: int) -> Fault:
    """The stray write of every entry from the buffer's end to the last."""
    span: dict[str, Any] = {"numel": numel, "first": numel, "last": last, "count": last - numel + 1}
    kernel = "create_flashinfer_kv_indices_triton"
    return Fault(kind="oob-write", buffer="cuda_graph_kv_indices", kernel=kernel, **span)


# --- #24587 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numel", "stray"),
    [
        ("max_bs * max_num_blocks_per_seq", overflow(16, 255)),
        pytest.param(
            "max_bs * (max_num_blocks_per_seq * (self.page_size // 2) + draft_slack)",
            overflow(128, 255),
            marks=pytest.mark.nightly,
        ),
        ("max_bs * (max_num_blocks_per_seq * self.page_size + draft_slack) - 1", overflow(255, 255)),
    ],
    ids=["lost", "half the page size", "one entry short"],
)
def test_a_lost_or_missed_fix_is_regressed(numel: str, stray: Fault, run: Run, alter: Alter) -> None:
    result = run(pr24587.REPRODUCER, alter(sized(f"buffer_numel = {numel}")), {}, asked=("fixed",)).result
    assert stray.signature in told(result, Verdict.REGRESSED)
    assert result.fixed and result.fixed.main.faults == (stray,)


@pytest.mark.parametrize(
    "statements",
    [
        "buffer_numel = max_bs * max_num_blocks_per_seq * self.page_size + max_bs * draft_slack",
        pytest.param(
            "entries = draft_slack + self.page_size * max_num_blocks_per_seq\n"
            "buffer_numel = entries * max_bs",
            marks=pytest.mark.nightly,
        ),
    ],
    ids=["another order", "two statements"],
)
def test_the_fix_written_differently_is_never_regressed(statements: str, run: Run, alter: Alter) -> None:
    result = run(pr24587.REPRODUCER, alter(sized(statements))).result
    reason = told(result, Verdict.STALE)
    assert "found 0 times" in reason and "buffer_numel" in reason
    assert result.fixed and {point.outcome for point in result.fixed.points} == {"clean"}


def test_the_fix_reformatted_still_reverts_and_passes(run: Run, alter: Alter) -> None:
    reformatted = """
# As many entries as
buffer_numel = (
    max_bs  # requests, and for each
    * (
        max_num_blocks_per_seq
        * self.page_size  # tokens

        + (draft_slack)
    )
)
"""
    result = run(pr24587.REPRODUCER, alter(sized(reformatted))).result
    assert overflow(16, 255).signature in told(result, Verdict.PASS)


def test_a_second_copy_of_the_statement_is_stale(run: Run, alter: Alter) -> None:
    result = run(pr24587.REPRODUCER, alter({SIZED: SIZED * 2}), {}).result
    assert "found 2 times" in told(result, Verdict.STALE)


@pytest.mark.parametrize(
    ("seq_lens", "strays"),
    [((5, 4, 4, 4), (overflow(16, 16),)), pytest.param((4, 4, 4, 4), (), marks=pytest.mark.nightly)],
    ids=["one too many", "just fits"],
)
def test_down_to_a_single_entry(seq_lens: tuple[int, ...], strays: tuple[Fault, ...], run: Run) -> None:
    result = run(pr24587.REPRODUCER, None, {"seq_lens": seq_lens}).result
    reason = told(result, Verdict.PASS if strays else Verdict.TOOTHLESS)
    assert result.reverted and result.reverted.main.faults == strays
    held = f"cuda_graph_kv_indices holds 16 entries; this batch fills {sum(seq_lens)}"
    assert held in (result.reverted.main.notes if strays else reason)


def spread(**axes: Any) -> Any:
    """#24587 with another grid: every point of it in one arm."""
    kernel = pr24587.REPRODUCER.kernel
    assert kernel
    return replace(pr24587.REPRODUCER, kernel=replace(kernel, grid=Grid(**axes)))


@pytest.mark.parametrize(
    "axes",
    [
        {"mode": aiter.MODES, "attention": aiter.ATTENTION, "page_size": [16, 64]},
        pytest.param(
            {
                "mode": ["decode", "target_verify"],
                "page_size": [2, 7],
                "seq_lens": [(1,), (33, 1), (64, 63, 62)],
            },
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            {"context_len": [64, 65, 100], "max_bs": [4, 6], "seq_lens": [(64,), (2, 3, 64), (16, 4, 8)]},
            marks=pytest.mark.nightly,
        ),
    ],
    ids=["modes", "lengths", "sizes"],
)
def test_the_count_is_what_arithmetic_predicts(axes: dict[str, Any], run: Run) -> None:
    judged = run(spread(**axes), goldens=False)
    assert told(judged.result, Verdict.UNRECORDED)  # so the fault is where `overflows` says, and only there
    assert judged.result.reverted
    counts = {}
    for point in judged.result.reverted.points:
        held = point.params["max_bs"] * -(-point.params["context_len"] // point.params["page_size"])
        expected = max(0, pr24587.tokens_written(point.params) - held)
        counts[str(point.params)] = (expected, sum(fault.count or 0 for fault in point.faults))
    assert [both for both in counts.items() if both[1][0] != both[1][1]] == []
    assert len(counts) >= 12 and {0} < {expected for expected, _ in counts.values()}


# --- #22598 ----------------------------------------------------------------------------------------


def test_a_lost_reallocation_is_regressed(run: Run, alter: Alter) -> None:
    lost = {REALLOCATED: "        if False:\n"}
    result = run(pr22598.REPRODUCER, alter(lost), {}, asked=("fixed",)).result
    assert "short-buffer kv_indptr numel=6 needed=7" in told(result, Verdict.REGRESSED)
    assert result.fixed
    short = {fault.buffer: (fault.numel, fault.needed) for fault in result.fixed.main.faults if fault.buffer}
    assert short == dict.fromkeys(("kv_indptr", "qo_indptr", "mask_indptr"), (6, 7))
    (raised,) = (fault for fault in result.fixed.main.faults if fault.kind == "exception")
    assert raised.message and raised.message.startswith("RuntimeError in AiterAttnBackend.")


@pytest.mark.nightly
def test_a_reallocation_one_entry_short_is_regressed(run: Run, alter: Alter) -> None:
    near = {ONE_MORE: ONE_MORE.replace("max_bs + 1", "max_bs")}
    result = run(pr22598.REPRODUCER, alter(near), {}, asked=("fixed",)).result
    assert "short-buffer kv_indptr numel=6 needed=7" in told(result, Verdict.REGRESSED)
    assert result.fixed
    assert {fault.buffer for fault in result.fixed.main.faults if fault.buffer} == {"kv_indptr"}


def test_the_reallocation_written_differently_is_never_regressed(run: Run, alter: Alter) -> None:
    other = {REALLOCATED: "        if self.kv_indptr.numel() <= max_bs:\n"}
    result = run(pr22598.REPRODUCER, alter(other), {}).result
    assert "found 0 times" in told(result, Verdict.STALE)
    assert result.fixed and result.fixed.main.outcome == "clean"
