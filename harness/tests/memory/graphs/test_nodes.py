from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

from harness.memory.graphs import native
from harness.memory.oracle import Oracle
from harness.memory.poison import Pattern, Poison
from harness.memory.undefined import dependent, kept
from harness.tests.memory import battery_kernels
from harness.tests.memory.graphs import kernels
from harness.tests.memory.graphs.capturing import HERE, captured, faults_of


def test_a_launch_that_strays_is_seen_at_the_replay_alone_under_the_name_of_then() -> None:
    held = SimpleNamespace(table=torch.arange(32.0), short=torch.zeros(8))
    graphs = list[Any]()
    assert (
        faults_of(
            lambda: graphs.append(captured(lambda: kernels.walk[(1,)](held.table, held.short, 0, N=16))[0])
        )
        == []
    )
    replay = graphs[0].replay
    assert faults_of(replay) == ["oob-write into short by walk numel=8 first=8 last=15 count=8"]


def test_a_slice_reaches_as_far_as_its_allocation() -> None:
    pool, out = torch.arange(32.0), torch.zeros(8)
    made, _ = captured(lambda: kernels.walk[(1,)](pool[4:6], out, 4, N=8))
    assert faults_of(made.replay) == [] and out.tolist() == list(range(8))
    before, _ = captured(lambda: kernels.walk[(1,)](pool[4:6], out, 5, N=8))
    assert faults_of(before.replay) == ["oob-read from pool by walk numel=28 first=-5 last=-5 count=1"]


def replayed_faults(launch: Callable[[], Any]) -> list[str]:
    made, _ = captured(launch)
    return faults_of(made.replay)


@pytest.mark.parametrize("short", [False, True])
def test_arguments_in_tuples_and_by_keyword_are_watched_too(short: bool) -> None:
    full, other = torch.zeros(8, dtype=torch.int32), torch.zeros(6 if short else 8, dtype=torch.int32)
    found = replayed_faults(lambda: battery_kernels.fill_pair[(1,)]((full, other), 8, BLOCK=8))
    assert full.tolist() == list(range(8)) and other.tolist() == list(range(len(other)))
    assert found == ["oob-write into other by fill_pair numel=6 first=6 last=7 count=2"] * short
    found = replayed_faults(lambda: battery_kernels.fill[(1,)](n=8, out=other, BLOCK=16))
    assert found == ["oob-write into other by fill numel=6 first=6 last=7 count=2"] * short


def test_several_slices_of_one_buffer_have_its_name() -> None:
    held = SimpleNamespace(pool=torch.zeros(2, 8, dtype=torch.int32))

    def launch() -> None:
        battery_kernels.fill_pair[(1,)]((held.pool[0], held.pool[1]), 12, BLOCK=16)

    made, _ = captured(launch)
    del held.pool
    oracle = Oracle()
    with oracle.watching(HERE, entered=lambda kernel: None):
        made.replay()
    (event,) = oracle.trace()
    assert [one["buffer"] for one in event["args"].values()] == ["pool", "pool"]
    assert [fault.buffer for fault in oracle.violations.faults()] == ["pool", "pool"]


@pytest.mark.parametrize("rows", [4, 6])
def test_arguments_behind_descriptors_are_watched_too(rows: int) -> None:
    source, out = torch.arange(16.0).reshape(4, 4), torch.zeros(4, 4)
    described = [TensorDescriptor(one, [rows, 4], [4, 1], [8, 4]) for one in (out, source)]
    found = replayed_faults(lambda: kernels.copy_block[(1,)](*described))
    assert torch.equal(out, source)
    assert [one.split(" numel")[0] for one in found] == [
        "oob-read from source by copy_block", "oob-write into out by copy_block"
    ] * (rows > 4)  # fmt: skip


def test_arguments_of_another_type_are_watched_too() -> None:
    out = torch.zeros(8, dtype=torch.int32)
    bits = triton.reinterpret(out, tl.uint32)
    assert replayed_faults(lambda: battery_kernels.fill[(1,)](bits, 8, BLOCK=8)) == []
    assert out.tolist() == list(range(8))


def test_a_launch_leaves_the_same_event_at_a_replay() -> None:
    x, y = torch.zeros(8), torch.zeros(8)
    oracle = Oracle()
    with oracle.watching(HERE, entered=lambda kernel: None):
        kernels.add_count[(2,)](x, y, 8, BLOCK=4)
        made, _ = captured(lambda: kernels.add_count[(2,)](x, y, 8, BLOCK=4))
        made.replay()
    first, again = oracle.trace()
    assert first == again


def test_a_stray_index_is_seen_at_the_replay_and_where_it_stood() -> None:
    rows, index, value = torch.zeros(4, 2), torch.tensor([0, 1]), torch.ones(2, 2)

    def region() -> None:
        rows[index] = value

    line = region.__code__.co_firstlineno + 1
    made, _ = captured(region)
    assert faults_of(made.replay) == []
    index[1] = 9
    oracle = Oracle()
    with oracle.watching(HERE, entered=lambda kernel: None):
        made.replay()
    told = [fault for fault in oracle.violations.faults() if fault.kind == "index-range"]
    assert [fault.signature for fault in told] == [
        "index-range rows by index_put_ numel=4 first=9 last=9 count=1"
    ]
    assert told[0].seen and told[0].seen.place == f"{region.__qualname__}:{line}"


INDEXING: dict[str, Callable[[torch.Tensor, torch.Tensor, torch.Tensor], Any]] = {
    "gather": lambda table, index, rows: table.gather(0, index[:, None].expand(2, 3)),
    "scatter_": lambda table, index, rows: table.scatter_(0, index[:, None].expand(2, 3), rows),
    "scatter": lambda table, index, rows: table.scatter(0, index[:, None].expand(2, 3), rows),
    "scatter_add_": lambda table, index, rows: table.scatter_add_(0, index[:, None].expand(2, 3), rows),
    "index_select": lambda table, index, rows: table.index_select(0, index),
    "index_copy_": lambda table, index, rows: table.index_copy_(0, index, rows),
    "index_add_": lambda table, index, rows: table.index_add_(0, index, rows),
    "index_fill_": lambda table, index, rows: table.index_fill_(0, index, 7.0),
    "index": lambda table, index, rows: table[index, 1:],
    "index_put_": lambda table, index, rows: table.index_put_((index,), rows),
    "setitem": lambda table, index, rows: table.__setitem__(index, rows),
    "take": lambda table, index, rows: table.take(index * 3),
    "put_": lambda table, index, rows: table.put_(index * 3, rows[0, :2]),
    "embedding": lambda table, index, rows: torch.nn.functional.embedding(index, table),
}


@pytest.mark.parametrize("ask", INDEXING.values(), ids=INDEXING)
@pytest.mark.parametrize("stray", [3, 9, -5])
def test_an_index_is_told_at_a_replay_as_at_a_first_call(ask: Callable[..., Any], stray: int) -> None:
    def called(index: torch.Tensor, table: torch.Tensor, rows: torch.Tensor) -> Any:
        return ask(table, index, rows)

    first, index, again = torch.zeros(4, 3), torch.tensor([0, 1]), torch.zeros(4, 3)
    rows = torch.ones(2, 3)
    made, _ = captured(lambda: called(index, again, rows))
    index[1] = stray
    wanted = faults_of(lambda: called(index, first, rows))
    assert faults_of(made.replay) == wanted and bool(wanted) is (stray != 3)
    assert torch.equal(first, again)


def test_what_is_asked_elsewhere_stays_unseen_at_a_replay() -> None:
    rows, index = torch.zeros(4), torch.tensor([0])
    made, _ = captured(lambda: rows[index].add_(1))
    oracle = Oracle()
    with oracle.watching(Path("/nowhere"), entered=lambda kernel: None):
        made.replay()
    assert oracle.trace() == ()


def test_memory_that_a_capture_allocates_lies_in_a_fence_of_its_name() -> None:
    @native
    def overrun(out: torch.Tensor) -> None:
        import ctypes

        ctypes.memset(out.data_ptr(), 1, out.nbytes + 4)

    def region() -> None:
        workspace = torch.zeros(4)
        overrun(workspace)

    def run() -> None:
        captured(region)[0].replay()

    assert faults_of(run) == ["oob-write into workspace numel=4 first=4 last=4 count=1"]


def outputs_of(planted: bool, poison: Poison) -> tuple[Mapping[str, Any], Oracle]:
    oracle = Oracle(poison=poison)
    x = torch.ones(4)
    with oracle.calling(HERE), oracle.watching(HERE, entered=lambda kernel: None):
        made, y = captured(lambda: x + 1)
        if not planted:
            made.replay()
        outputs = {"sum": y + y}
    oracle.returned(outputs)
    return kept(outputs), oracle


def test_a_result_taken_before_the_first_replay_depends_on_memory_that_nobody_wrote() -> None:
    def again(pattern: Pattern) -> Mapping[str, Any]:
        return outputs_of(True, Poison(pattern))[0]

    first, oracle = outputs_of(True, Poison())
    assert oracle.poison.drawn
    assert [fault.kind for fault in dependent(first, again).faults] == ["nan"]


def test_a_result_taken_behind_a_replay_does_not() -> None:
    first, oracle = outputs_of(False, Poison())
    assert not oracle.poison.drawn and first["sum"].tolist() == [4] * 4
