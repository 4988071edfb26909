"""#24394 on upstream with its fix lost, half done, and written differently; and what it is judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.errors import BadInput
from harness.facts import Grid, Params
from harness.source.tree import Tree
from harness.verdict import Result, Verdict
from reproducers import pr24394_swa_unified_extend_indices as pr24394
from reproducers.rigs.swa import model as swa_model
from reproducers.rigs.swa import rig as swa
from reproducers.rigs.swa.pages import FreePages, new_pages
from reproducers.tests import trees
from reproducers.tests.conftest import Run

Alter = Callable[[dict[str, str]], Tree]

CONDITION = "            and pool.layers_mapping[layer.layer_id][1]\n        ):\n"
ASSIGNED = "            extend_kv_indices = self.forward_metadata.swa_out_cache_loc\n"
"""What the fix gives a layer of the window pool, as 0.5.23 writes it."""
ALL_BUT_ONE = "torch.cat([self.forward_metadata.swa_out_cache_loc[:-1], extend_kv_indices[-1:]])"
NARROW = [name for name in swa_model.DTYPES if name != "float32"]
ROW = swa_model.KV_HEADS * swa_model.HEAD_DIM
"""Elements of one slot."""


@pytest.fixture
def alter(upstream: Tree, tmp_path: Path) -> Alter:
    """Upstream with pieces of its Triton backend's text replaced."""
    path = swa_model.BACKEND.partition(".")[2].replace(".", "/") + ".py"
    return lambda changes: trees.altered(upstream, tmp_path / "altered", path, changes)


def told(result: Result, verdict: Verdict) -> str:
    """The reason of a result that has this verdict."""
    assert result.verdict is verdict, f"{result.verdict}: {result.reason}"
    return result.reason


def translated(expression: str) -> dict[str, str]:
    """The change that takes this instead of the translated slots."""
    return {ASSIGNED: f"            extend_kv_indices = {expression}\n"}


def stray_read(buffer: str, first_slot: int, last_slot: int, slots: int = 49) -> str:
    first, last = first_slot * ROW, (last_slot + 1) * ROW - 1
    numbers = f"numel={slots * ROW} first={first} last={last} count={last - first + 1}"
    return f"oob-read from {buffer} by _fwd_kernel_unified {numbers}"


# --- altered trees ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "slots"),
    [
        ("extend_kv_indices", (49, 80)),
        pytest.param(ALL_BUT_ONE, None, marks=pytest.mark.nightly),
    ],
    ids=["lost", "all but one"],
)  # fmt: skip
def test_a_lost_or_missed_fix_reads_past_the_window_pool(
    expression: str, slots: tuple[int, int] | None, run: Run, alter: Alter
) -> None:
    result = run(pr24394.REPRODUCER, alter(translated(expression)), {}, asked=("fixed",)).result
    told(result, Verdict.REGRESSED)
    assert result.fixed
    violations = [fault for fault in result.fixed.main.faults if fault.kind == "oob-read"]
    assert [fault.buffer for fault in violations] == ["k_buffer", "v_buffer"]
    if slots:
        assert [fault.signature for fault in violations] == [
            stray_read(name, *slots) for name in ("k_buffer", "v_buffer")
        ]
    else:  # the last token of each of the second request's chunks
        assert [(fault.first, fault.count) for fault in violations] == [(60 * ROW, 2 * ROW)] * 2


def test_slots_forced_into_the_window_pool_are_wrong_values(run: Run, alter: Alter) -> None:
    clamped = translated("extend_kv_indices.clamp(max=pool.size_swa)")
    result = run(pr24394.REPRODUCER, alter(clamped), {}, asked=("fixed",)).result
    assert "wrong-value sliding_window" in told(result, Verdict.REGRESSED)
    assert result.fixed and {fault.kind for fault in result.fixed.main.faults} == {"wrong-value"}


def test_the_fix_that_translates_by_itself_passes(run: Run, alter: Alter) -> None:
    earlier = translated("pool.translate_loc_from_full_to_swa(extend_kv_indices)")  # as 0.5.15 wrote it
    reason = told(run(pr24394.REPRODUCER, alter(earlier), {}).result, Verdict.PASS)
    assert stray_read("k_buffer", 49, 80) in reason


def test_the_fix_under_another_condition_is_never_regressed(run: Run, alter: Alter) -> None:
    other = {
        CONDITION: "            and pool.layers_mapping.get(layer.layer_id, (0, False))[1]\n        ):\n"
    }
    result = run(pr24394.REPRODUCER, alter(other), {}).result
    assert "found 0 times" in told(result, Verdict.STALE)
    assert result.fixed and result.fixed.main.outcome == "clean"


# --- points ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", ["float32", *(pytest.param(one, marks=pytest.mark.nightly) for one in NARROW)]
)
def test_wrong_slots_inside_the_window_pool_are_wrong_attention(dtype: str, run: Run) -> None:
    point = {"page_size": 4, "requests": 1, "dtype": dtype}
    result = run(pr24394.REPRODUCER, None, point).result
    assert "wrong-value sliding_window" in told(result, Verdict.PASS)
    assert result.reverted and {fault.kind for fault in result.reverted.main.faults} == {"wrong-value"}


def test_a_fresh_pool_hides_the_bug_and_the_reason_is_measured(run: Run) -> None:
    reason = told(run(pr24394.REPRODUCER, None, {"requests": 1}).result, Verdict.TOOTHLESS)
    assert "0 of 40 new tokens have one slot in the full and another in the window pool" in reason


@pytest.mark.nightly
def test_stray_slots_are_those_that_the_free_lists_predict(run: Run) -> None:
    axes: dict[str, Any] = {
        "swa_tokens": [32, 48],
        "chunks": [(20, 20), (7, 24)],
        "requests": [2, 3],
        "window": [1, 11],
    }
    kernel = pr24394.REPRODUCER.kernel
    assert kernel
    judged = run(replace(pr24394.REPRODUCER, kernel=replace(kernel, grid=Grid(**axes))), goldens=False)
    told(judged.result, Verdict.UNRECORDED)  # so the bug shows where `spaces_part` says, and only there
    assert judged.result.reverted
    counts = {}
    for point in judged.result.reverted.points:
        violations = [fault.count for fault in point.faults if fault.kind == "oob-read"]
        counts[str(point.params)] = (
            violations,
            [ROW * predicted(point.params)] * 2 if predicted(point.params) else [],
        )
    assert [both for both in counts.items() if both[1][0] != both[1][1]] == []
    assert len(counts) >= 12


def predicted(params: Params) -> int:
    """How many slots past the window pool new tokens have in the full pool, at page size 1."""
    given = {name: value for name, value in params.items() if name != "dtype"}
    return len({full for full, _ in new_pages(**given) if full > params["swa_tokens"]})


# --- what it is judged by --------------------------------------------------------------------------


def pages(**changed: Any) -> list[tuple[int, int]]:
    given = {"full_tokens": 12, "swa_tokens": 8, "window": 2, "page_size": 1, "chunks": (3, 3), "requests": 2}
    return list(new_pages(**{**given, **changed}))


def test_single_slots_are_given_out_first_in_first_out() -> None:
    first = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]
    second = [(7, 7), (8, 8), (9, 1), (10, 2), (11, 3), (12, 4)]
    assert pages() == [*first, *second]


def test_pages_that_left_the_window_are_given_out_next() -> None:
    given = {"full_tokens": 12, "swa_tokens": 12, "page_size": 2, "chunks": (5, 3), "requests": 1}
    # one page is all window; the third page takes the second chunk's first token
    assert pages(**given) == [(1, 1), (2, 2), (3, 3), (3, 3), (4, 1)]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"swa_tokens": 4}, "swa_tokens: a chunk needs 3 slots and 2 are left"),
        ({"page_size": 5}, "full_tokens: 12 is no multiple"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changed: dict[str, int], named: str) -> None:
    with pytest.raises(BadInput, match=named):
        pages(requests=1, **changed)


def test_freed_pages_come_first_and_freed_slots_last() -> None:
    slots, paged = FreePages("slots", 3, 1), FreePages("pages", 6, 2)
    for free in (slots, paged):
        free.take(2)
        free.give_back([2, 1])
    assert (slots.free, paged.free) == ([3, 2, 1], [1, 2, 3])


class WholeAllocator:
    """An allocator up to 0.5.18, as far as a request's end asks for it; notes what is given back."""

    def __init__(self) -> None:
        self.given_back: list[tuple[str, list[int]]] = []

    def free(self, slots: torch.Tensor) -> None:
        self.given_back.append(("both", slots.tolist()))


class SplitAllocator(WholeAllocator):
    """One from 0.5.19 on."""

    def free_swa(self, slots: torch.Tensor) -> None:
        self.given_back.append(("window", slots.tolist()))

    def free_full(self, slots: torch.Tensor) -> None:
        self.given_back.append(("full", slots.tolist()))


@pytest.mark.parametrize(
    ("allocator", "given_back"),
    [
        (WholeAllocator(), [("both", [4, 5, 6, 7])]),
        (SplitAllocator(), [("window", [6, 7]), ("full", [4, 5, 6, 7])]),
    ],
    ids=["0.5.18", "0.5.19"],
)
def test_what_left_the_window_is_not_given_back_to_it_again(
    allocator: WholeAllocator, given_back: list[tuple[str, list[int]]]
) -> None:
    swa.give_back(allocator, swa.Request(row=0, slots=torch.arange(4, 8), evicted=2))
    assert allocator.given_back == given_back


@pytest.mark.parametrize("window", [1, 8, 40])
def test_the_reference_is_attention_within_the_window(window: int) -> None:
    given = {"full_tokens": 96, "swa_tokens": 48, "page_size": 1, "chunks": (5, 7), "dtype": "float32"}
    reference = pr24394.dense_attention(window=window, requests=2, **given)  # type: ignore[arg-type]
    q, k, v = (tensor.double() for tensor in pr24394.inputs(1, 12, "float32")["sliding_window"])
    for position in (0, 6, 11):
        seen = slice(max(0, position - window), position + 1)
        weights = torch.softmax(q[position] @ k[seen, 0].T * swa_model.SCALING, dim=-1)
        assert torch.allclose(reference["sliding_window"][1, position], weights @ v[seen, 0])
    assert reference["full"].shape == (2, 12, swa_model.Q_HEADS, swa_model.HEAD_DIM)
