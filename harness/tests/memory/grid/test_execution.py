"""Programs at once come to what programs in turn come to: every launch here is run both ways."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from triton.runtime import interpreter as triton_interpreter
from triton.runtime.errors import InterpreterError

from harness.errors import Runaway
from harness.host import interpreter
from harness.memory.grid import language, transaction
from harness.memory.grid.compared import COMPARED, VARIABLE
from harness.memory.grid.execution import ALONE, AT_ONCE, FOREIGN, TURNED
from harness.memory.grid.habits import habit_of
from harness.memory.oracle import Oracle
from harness.memory.stores import Stores
from harness.tests.memory import battery_kernels
from harness.tests.memory.grid import kernels

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    monkeypatch.setattr(triton_interpreter, "_patch_lang", triton_interpreter._patch_lang)
    habit_of.cache_clear()


def watched(call: Callable[[], Any], stores: Stores | None = None) -> Oracle:
    oracle = Oracle(stores=stores)
    with oracle.watching(HERE, entered=lambda kernel: None):
        call()
    return oracle


def ways(oracle: Oracle) -> set[str]:
    return set(oracle.ran)


def at_once(call: Callable[[], Any]) -> Oracle:
    oracle = watched(call)
    assert ways(oracle) == {AT_ONCE, COMPARED}
    return oracle


def test_elements_of_all_programs() -> None:
    source, out = torch.arange(40, dtype=torch.float32), torch.zeros(40)
    oracle = at_once(lambda: kernels.scale[(5,)](out, source, 37, 3, BLOCK=8))
    assert out.tolist() == [3.0 * value if value < 37 else 0 for value in range(40)]
    assert not list(oracle.violations.faults())
    assert oracle.trace()[0]["args"]["out"]["written"] == [0, 36]


def test_programs_along_three_axes() -> None:
    out = torch.zeros(24, dtype=torch.int32)
    at_once(lambda: kernels.three_axes[(2, 3, 4)](out))
    assert out.tolist() == [100 * x + 10 * y + z for x in range(2) for y in range(3) for z in range(4)]


def test_a_single_program_is_the_interpreters_own() -> None:
    assert ways(watched(lambda: kernels.three_axes[(1,)](torch.zeros(1, dtype=torch.int32)))) == {ALONE}


def test_a_grid_without_programs_does_nothing() -> None:
    assert ways(watched(lambda: kernels.three_axes[(0,)](torch.zeros(1, dtype=torch.int32)))) == {ALONE}


@pytest.mark.parametrize("kernel", [kernels.sum_lengths, kernels.halve_until_odd])
def test_bounds_of_loops_part_programs(kernel: Any) -> None:
    lengths = torch.tensor([1, 3, 1, 3, 6, 6, 1, 3, 1], dtype=torch.int32)
    values, out = torch.arange(10, dtype=torch.int32), torch.zeros(9, dtype=torch.int32)
    given = (out, lengths, values) if kernel is kernels.sum_lengths else (out, 2 * lengths)
    at_once(lambda: kernel[(9,)](*given))
    sums, halvings = {1: 0, 3: 3, 6: 15}, {1: 1, 3: 1, 6: 2}
    told = sums if kernel is kernels.sum_lengths else halvings
    assert out.tolist() == [told[length] for length in lengths.tolist()]


def test_conditions_part_programs() -> None:
    out = torch.zeros(6, dtype=torch.int32)
    at_once(lambda: kernels.only_even[(6,)](out, 5))
    assert out.tolist() == [5, -5] * 3


def test_programs_with_too_little_in_common_run_in_turn() -> None:
    lengths, out = torch.arange(4, dtype=torch.int32), torch.zeros(4, dtype=torch.int32)
    oracle = watched(lambda: kernels.sum_lengths[(4,)](out, lengths, torch.arange(4, dtype=torch.int32)))
    assert ways(oracle) == {"programs that have too little in common"}
    assert out.tolist() == [0, 0, 1, 3]


def test_programs_that_read_what_others_stored_run_in_turn() -> None:
    out = torch.zeros(4, dtype=torch.int32)
    oracle = watched(lambda: kernels.shift_between[(4,)](out))
    assert ways(oracle) == {"a program meets what another wrote"}
    assert out.tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("kernel", "reason"), [(kernels.count_all, "atomic_rmw"), (kernels.running_sum, "scan")]
)
def test_what_depends_on_order_runs_in_turn(kernel: Any, reason: str) -> None:
    out, source = torch.zeros(8, dtype=torch.int32), torch.arange(8, dtype=torch.int32)
    given = {"source": source, "BLOCK": 4} if kernel is kernels.running_sum else {}
    assert ways(watched(lambda: kernel[(2,)](out, **given))) == {reason}
    assert out.tolist() == ([2] + [0] * 7 if kernel is kernels.count_all else list(range(8)))


def test_a_kernels_own_reduction() -> None:
    source = torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(0))
    out = torch.zeros(3, 4)
    at_once(lambda: kernels.largest[(3,)](out, source, ROWS=4, COLUMNS=8))
    assert torch.equal(out, source.amax(2))


def test_products() -> None:
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(5, 16, 16, generator=generator), torch.randn(16, 16, generator=generator)
    out = torch.zeros(5, 16, 16)
    at_once(lambda: kernels.products[(5,)](out, left, right, SIZE=16))
    torch.testing.assert_close(out, left @ right.T)


def test_operations_that_move_elements() -> None:
    out = torch.zeros(4, 16, dtype=torch.int32)
    at_once(lambda: kernels.shapes[(4,)](out, torch.arange(32, dtype=torch.int32), BLOCK=8))
    assert out[2, :4].tolist() == [16, 17, 17, 18] and out[3, :4].tolist() == [-72, -71, -75, -74]


def test_block_pointers() -> None:
    source, out = torch.arange(14, dtype=torch.float32), torch.zeros(14)
    at_once(lambda: kernels.copy_blocks[(4,)](out, source, 14, BLOCK=4))
    assert torch.equal(out, source)


def test_strays_are_those_of_programs_in_turn() -> None:
    out = torch.zeros(8, dtype=torch.int32)
    oracle = at_once(lambda: kernels.stray_after_parting[(8,)](out, 8))
    (fault,) = oracle.violations.faults()
    assert (fault.kind, fault.first, fault.last, fault.count) == ("oob-write", 8, 23, 10)
    assert fault.seen is not None and "program (0, 0, 0)" in str(fault.seen.place)
    assert out.tolist() == [0, 1, 2, 0, 4, 5, 6, 0]


def test_a_program_that_is_lost_is_stopped_after_those_before_it() -> None:
    bounds, out = torch.tensor([1, 1, 1 << 30, 1], dtype=torch.int32), torch.zeros(4, dtype=torch.int32)
    with pytest.raises(InterpreterError) as caught:
        watched(lambda: kernels.lost[(4,)](out, bounds))
    assert isinstance(caught.value.__cause__, Runaway)
    assert out.tolist() == [1, 1, 0, 0]


def test_programs_that_stray_for_long_each_are_not_lost_together() -> None:
    bounds, out = torch.full((4,), 1500, dtype=torch.int32), torch.zeros(4, dtype=torch.int32)
    at_once(lambda: kernels.lost[(4,)](out, bounds))
    assert out.tolist() == [1] * 4


def test_tensors_behind_addresses_are_found_in_the_order_of_programs() -> None:
    layers = [torch.zeros(4) for _ in range(3)]
    addresses = torch.tensor([layer.data_ptr() for layer in layers])
    oracle = at_once(lambda: kernels.fill_tables[(3,)](addresses, BLOCK=4))
    assert [one["buffer"] for one in oracle.trace()[0]["reached"]] == ["layers[2]", "layers[1]", "layers[0]"]
    assert [layer[0].item() for layer in layers] == [2, 1, 0]


def test_a_failing_assertion_is_that_of_programs_in_turn() -> None:
    out = torch.zeros(4, dtype=torch.int32)
    with pytest.raises(InterpreterError, match="too many"):
        watched(lambda: kernels.assert_small[(4,)](out, 2))
    assert out.tolist() == [1, 1, 1, 0]


def test_large_blocks_run_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.memory.grid.builder.CROWDED", 16)
    source, out = torch.arange(64, dtype=torch.float32), torch.zeros(64)
    at_once(lambda: kernels.scale[(16,)](out, source, 64, 2, BLOCK=4))
    assert torch.equal(out, 2 * source)
    assert habit_of(kernels.scale.rewrite().__code__).most == 4


def test_later_launches_keep_no_reads_and_still_see_who_meets() -> None:
    out, other = torch.zeros(4, dtype=torch.int32), torch.ones(64, dtype=torch.int32)

    def run() -> None:
        kernels.scale[(4,)](out, other, 4, 2, BLOCK=1)
        kernels.scale[(4,)](out, other, 4, 3, BLOCK=1)
        kernels.scale[(4,)](out[1:], out, 3, 5, BLOCK=1)

    oracle = watched(run)
    assert oracle.ran[COMPARED] == 2 and oracle.ran["a program meets what another wrote"] == 1
    assert out.tolist() == [3, 15, 75, 375]


@pytest.mark.parametrize("kernel", [kernels.race_within, kernels.mend_within])
def test_lanes_of_one_program_that_race_are_seen(kernel: Any) -> None:
    out, stores = torch.zeros(3, dtype=torch.int32), Stores()
    oracle = watched(lambda: kernel[(3,)](out, BLOCK=4), stores)
    races = kernel is kernels.race_within
    assert ways(oracle) == {AT_ONCE, COMPARED} and out.tolist() == [3 if races else 7] * 3
    assert stores.racing == ({"race_within": 2} if races else {})


def test_programs_that_race_are_seen_in_turn() -> None:
    stores = Stores()
    oracle = watched(lambda: kernels.all_store[(3,)](torch.zeros(1, dtype=torch.int32), 0), stores)
    assert ways(oracle) == {"a program meets what another wrote"} and stores.racing == {"all_store": 2}


def test_programs_that_are_turned_run_in_turn() -> None:
    out = torch.zeros(3, dtype=torch.int32)
    oracle = watched(lambda: kernels.race_within[(3,)](out, BLOCK=4), Stores(1))
    assert ways(oracle) == {TURNED} and out.tolist() == [0] * 3


def test_of_a_table_that_is_only_reserved_the_rows_stored_are_told() -> None:
    rows, table = torch.tensor([0, (1 << 25) - 1]), torch.empty(1 << 25, 4, dtype=torch.int32)
    values = torch.arange(8, dtype=torch.int32).reshape(2, 4)
    oracle = at_once(lambda: battery_kernels.put_rows[(2,)](table, rows, values, 4, BLOCK=4))
    told = oracle.trace()[0]["args"]["table"]
    assert told["written"] == [0, (1 << 27) - 1] and told["wrote"] == {"values": list(range(8))}


def test_nothing_of_a_launch_outlives_it() -> None:
    interpreter.exchange_once()

    def launch() -> weakref.ref[torch.Tensor]:
        out = torch.zeros(4)
        at_once(lambda: kernels.scale[(2,)](out, torch.ones(4), 4, 2, BLOCK=2))
        return weakref.ref(out)

    kept = launch()
    gc.collect()
    assert kept() is None


def test_a_launch_leaves_nothing_on_the_class_that_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks for altered code would find it there."""

    class Executor(triton_interpreter.GridExecutor):  # type: ignore[misc]
        """As `graphs.launches.Repeated`: a class of the harness's own."""

    before, out = set(vars(Executor)), torch.zeros(40)
    executor = Executor(kernels.scale.rewrite(), kernels.scale.arg_names, (5,), [])
    at_once(lambda: executor(out, torch.arange(40.0), 37, 3, BLOCK=8))
    assert set(vars(Executor)) == before and executor.grid == (5,)


def test_an_exchange_that_was_remembered_without_watching_is_made_anew() -> None:
    """Else the programs would not be told apart where one of them asks for a number."""
    interpreter.exchange_once()
    out = torch.zeros(6, dtype=torch.int32)
    kernels.only_even[(6,)](out, 5)
    out.zero_()
    at_once(lambda: kernels.only_even[(6,)](out, 5))
    assert out.tolist() == [5, -5] * 3


def test_where_the_language_is_not_ours_programs_run_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "in_force", lambda: False)
    out = torch.zeros(6, dtype=torch.int32)
    assert ways(watched(lambda: kernels.only_even[(6,)](out, 5))) == {FOREIGN}


@pytest.mark.parametrize("most", [200, 400, 600])
def test_reads_of_what_nobody_writes_are_let_go_where_they_are_too_many(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Eight lanes of eight bytes: the lengths alone, then the values, of programs that part in between."""
    monkeypatch.setattr(transaction, "MOST_KEPT", most)
    lengths, values = torch.tensor([6, 6, 6, 6, 3, 3, 3, 3], dtype=torch.int32), torch.arange(10)
    out = torch.zeros(8, dtype=torch.int64)
    at_once(lambda: kernels.sum_lengths[(8,)](out, lengths, values))
    assert out.tolist() == [15] * 4 + [3] * 4


def test_a_write_near_reads_that_were_let_go_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "MOST_KEPT", 40)
    values = torch.zeros(9, dtype=torch.int64)
    oracle = watched(lambda: kernels.take_right[(8,)](values))
    assert ways(oracle) == {"a write near what earlier launches only read"}
    assert values.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 0]


def test_a_larger_table_is_no_news_of_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.memory.grid.builder.CROWDED", 16)
    buffers = [torch.zeros(4) for _ in range(6)]

    def run() -> None:
        for count in (2, 6):
            kernels.add_to_tables[(count,)](torch.tensor([one.data_ptr() for one in buffers[:count]]))

    assert at_once(run).ran[COMPARED] == 2
    assert [one.tolist() for one in buffers] == [[2.0] * 4] * 2 + [[1.0] * 4] * 4
