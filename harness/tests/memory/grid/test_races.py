"""Races are the same in whichever way a launch is executed: each launch here is run in all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from triton.runtime import interpreter as triton_interpreter
from triton.runtime.errors import InterpreterError

from harness.memory.grid import compared, execution, races
from harness.memory.grid.habits import habit_of
from harness.memory.oracle import Oracle
from harness.memory.stores import Stores
from harness.observation import Fault
from harness.tests.memory.grid import kernels
from harness.tests.memory.grid.interleavings import interleavings

HERE = Path(__file__).parent
Call = Callable[[], Any]


@pytest.fixture(autouse=True)
def the_language_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_interpreter, "_patch_lang", triton_interpreter._patch_lang)


def watched(call: Call, stores: Stores | None = None) -> Oracle:
    habit_of.cache_clear()
    oracle = Oracle(stores=stores)
    with oracle.watching(HERE, entered=lambda kernel: None):
        call()
    return oracle


@contextmanager
def compares() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(compared.VARIABLE, "1")
        yield


@contextmanager
def in_turn() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execution.Grid, "at_once", lambda *_: "asked for")
        yield


def seen(call: Call) -> list[Fault]:
    """The faults of a launch, as in each way of running it; `call` brings its own tensors."""
    faults = list(watched(call).violations.faults())
    with compares():
        assert list(watched(call).violations.faults()) == faults
    with in_turn():
        assert list(watched(call).violations.faults()) == faults
    assert list(watched(call, Stores(1)).violations.faults()) == faults
    return faults


def extents(call: Call) -> list[tuple[str | None, int | None, int | None, int | None]]:
    faults = seen(call)
    assert all(fault.kind == "race" for fault in faults)
    return [(fault.buffer, fault.first, fault.last, fault.count) for fault in faults]


def zeros(count: int, dtype: torch.dtype = torch.int32) -> torch.Tensor:
    return torch.zeros(count, dtype=dtype)


def line_of(kernel: Any, text: str) -> int:
    """The line of the kernel's file that holds a text, within the kernel."""
    code = kernel.fn.__code__
    lines = Path(code.co_filename).read_text().splitlines()
    return next(at for at in range(code.co_firstlineno, len(lines)) if text in lines[at - 1])


# --- who races -----------------------------------------------------------------------------------


def test_a_program_that_reads_what_another_changes() -> None:
    def run() -> None:
        out = zeros(4)
        kernels.shift_between[(4,)](out)

    (race,) = seen(run)
    assert race == Fault(kind="race", buffer="out", kernel="shift_between", numel=4, first=0, last=2, count=3)
    store = f"shift_between:{line_of(kernels.shift_between, 'tl.store')}, program (0, 0, 0)"
    assert race.seen and race.seen.place == f"{store}, and a load of shift_between, program (1, 0, 0)"


def test_a_program_that_changes_what_another_reads_first() -> None:
    def run() -> None:
        values = zeros(5)
        kernels.take_right[(4,)](values)

    assert extents(run) == [("values", 1, 3, 3)]


def test_programs_that_leave_different_values() -> None:
    def run() -> None:
        out = zeros(1)
        kernels.all_store[(3,)](out, 0)

    (race,) = seen(run)
    assert (race.buffer, race.first, race.last, race.count) == ("out", 0, 0, 1)
    store = f"all_store:{line_of(kernels.all_store, 'tl.store')}, program"
    assert race.seen and race.seen.place == f"{store} (0, 0, 0), and {store} (1, 0, 0)"


@pytest.mark.parametrize(("step", "last", "raced"), [(1, 1, [("out", 1, 3, 3)]), (1, 0, []), (2, 1, [])])
def test_what_is_masked_or_apart_meets_nothing(step: int, last: int, raced: list[Any]) -> None:
    def run() -> None:
        out = zeros(8)
        kernels.store_pairs[(4,)](out, last, STEP=step)

    assert extents(run) == raced


def test_elements_between_those_of_others_are_apart() -> None:
    assert not seen(lambda: kernels.store_columns[(4,)](zeros(16), ROWS=4))


def test_programs_along_three_axes_are_named_by_their_places() -> None:
    def run() -> None:
        out = zeros(6)
        kernels.meet_along_three_axes[(2, 2, 3)](out)

    (race,) = seen(run)
    assert (race.first, race.last, race.count) == (0, 5, 5)
    assert race.seen and "(0, 0, 0), and" in str(race.seen.place)
    assert str(race.seen.place).endswith("(0, 1, 0)")


def test_every_launch_is_looked_at() -> None:
    def run() -> None:
        out, again = zeros(4), zeros(4)
        kernels.shift_between[(4,)](out)
        kernels.shift_between[(4,)](again)

    assert [buffer for buffer, *_ in extents(run)] == ["out", "again"]


def test_what_raced_before_a_program_failed_is_told() -> None:
    def run() -> None:
        out = zeros(1)
        with pytest.raises(InterpreterError, match="too many"):
            kernels.store_then_assert[(3,)](out)

    (race,) = watched(run).violations.faults()
    assert (race.kind, race.buffer, race.first, race.count) == ("race", "out", 0, 1)


# --- where ---------------------------------------------------------------------------------------


def test_elements_are_the_buffers_own_whatever_the_access_is_wide() -> None:
    def run() -> None:
        out = zeros(3)
        kernels.store_words_and_a_byte[(2,)](out)

    assert extents(run) == [("out", 1, 1, 1)]


def test_memory_of_two_arguments_is_told_of_the_first() -> None:
    def run() -> None:
        values = torch.arange(4, dtype=torch.int32)
        kernels.scale[(3,)](values[1:], values, 3, 5, BLOCK=1)

    (race,) = seen(run)
    assert (race.numel, race.first, race.last, race.count) == (3, 0, 1, 2)


def test_rows_of_two_slices_are_told_apart() -> None:
    def run() -> None:
        table = zeros(32).reshape(4, 8)
        keys, values = table[:, :4], table[:, 4:]
        kernels.add_rows[(4,)](keys, values, 8, BLOCK=4)

    assert extents(run) == [("values", 0, 3, 4)]


def test_a_buffer_that_a_table_names_twice() -> None:
    def run() -> None:
        buffer, other = torch.zeros(8), torch.zeros(8)
        addresses = torch.tensor([one.data_ptr() for one in (buffer, other, buffer)])
        kernels.add_to_tables[(3,)](addresses)

    assert extents(run) == [("buffer", 0, 3, 4)]


# --- who does not --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda: kernels.all_store[(3,)](zeros(1), 1),
        lambda: kernels.shift_between[(3,)](torch.tensor([2, 3, 4], dtype=torch.int32)),
        lambda: kernels.settle[(3,)](zeros(1), zeros(3)),
    ],
    ids=["the same value", "what is there", "the same value at last"],
)
def test_where_the_order_changes_nothing(call: Call) -> None:
    assert not seen(call)


@pytest.mark.parametrize(
    "call",
    [
        lambda: kernels.store_and_count[(3,)](zeros(1), zeros(1)),
        lambda: kernels.all_store[(1,)](zeros(1), 0),
        lambda: kernels.race_within[(3,)](zeros(3), BLOCK=4),
    ],
    ids=["atomic operations", "a single program", "lanes of one program"],
)
def test_what_is_not_judged(call: Call) -> None:
    assert not seen(call)


def test_stray_stores_are_not_told_twice() -> None:
    (fault,) = seen(lambda: kernels.stray_to_one[(3,)](zeros(3), 3))
    assert (fault.kind, fault.first, fault.count) == ("oob-write", 3, 1)


def test_a_launch_that_is_too_large_is_not_judged_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(races, "COUNTED", 2)
    monkeypatch.setattr(races, "MOST_KEPT", 3 * races.OBJECTS)

    def run() -> None:
        kernels.shift_between[(2,)](zeros(2))
        kernels.shift_between[(4,)](zeros(4))

    oracle = watched(run)
    assert [race.numel for race in oracle.violations.faults()] == [2]
    assert oracle.notes() == [f"launches that ran {races.UNJUDGED}: 1"]


# --- held against all orders ---------------------------------------------------------------------

STEPS, PROGRAMS, ELEMENTS = 3, 3, 4
LINE = st.tuples(st.integers(0, 2), st.integers(0, ELEMENTS - 1), st.integers(0, 2), st.integers(0, 1))
"""Nothing, load or store; where; the value, and whether what was loaded last is added."""
SCRIPTS = st.lists(st.lists(LINE, min_size=STEPS, max_size=STEPS), min_size=PROGRAMS, max_size=PROGRAMS)
Script = list[list[tuple[int, int, int, int]]]
TURNS = [*interleavings([STEPS] * PROGRAMS)]


def outcome(script: Script, turns: list[int]) -> dict[tuple[int, ...], int]:
    """What loads find, by their program, step and element, and what elements hold in the end."""
    memory, last, done = [0] * ELEMENTS, [0] * PROGRAMS, [0] * PROGRAMS
    found: dict[tuple[int, ...], int] = {}
    for program in turns:
        does, at, value, adds = script[program][done[program]]
        if does == 1:
            found[program, done[program], at] = last[program] = memory[at]
        if does == 2:
            memory[at] = value + adds * last[program]
        done[program] += 1
    return found | {(at,): held for at, held in enumerate(memory)}


def raced(script: Script) -> set[int]:
    """The elements of which loads, or the end, are not the same in all orders."""
    base = outcome(script, TURNS[0])
    return {key[-1] for turns in TURNS for key, held in outcome(script, turns).items() if held != base[key]}


@settings(max_examples=60, deadline=None)
@given(SCRIPTS)
def test_a_launch_has_a_race_where_its_programs_orders_differ(script: Script) -> None:
    def run() -> None:
        memory, lines = zeros(ELEMENTS), torch.tensor(script, dtype=torch.int32)
        kernels.follow[(PROGRAMS,)](memory, lines, STEPS=STEPS)

    elements = raced(script)
    backwards = [*watched(run, Stores(1)).violations.faults()]
    with compares():
        forwards = [*watched(run).violations.faults()]
    assert bool(forwards) == bool(backwards) == bool(elements)
    if elements and not any(adds for program in script for *_, adds in program):
        assert forwards == backwards
        assert [(one.first, one.last, one.count) for one in forwards] == [
            (min(elements), max(elements), len(elements))
        ]


@settings(max_examples=40, deadline=None)
@given(SCRIPTS)
def test_what_earlier_launches_showed_of_a_kernel_hides_no_race(script: Script) -> None:
    """The first one stores nothing, so that loads of the second are let go, until it stores."""

    def run() -> None:
        read, memory = zeros(ELEMENTS), zeros(ELEMENTS)
        kernels.follow[(PROGRAMS,)](read, torch.ones(PROGRAMS, STEPS, 4, dtype=torch.int32), STEPS=STEPS)
        kernels.follow[(PROGRAMS,)](memory, torch.tensor(script, dtype=torch.int32), STEPS=STEPS)

    told = [*watched(run).violations.faults()]
    assert [race.buffer for race in told] == ["memory"] * bool(raced(script))
    with in_turn():
        assert [*watched(run).violations.faults()] == told
