from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.memory.grid.habits import habit_of
from harness.memory.oracle import Oracle
from harness.observation import Fault
from harness.tests.memory.grid import kernels

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def no_habits() -> None:
    habit_of.cache_clear()


def races(call: Callable[[], Any]) -> list[Fault]:
    oracle = Oracle()
    with oracle.watching(HERE, entered=lambda kernel: None):
        call()
    return list(oracle.violations.faults())


def test_a_program_that_reads_what_another_changed() -> None:
    out = torch.zeros(4, dtype=torch.int32)
    (race,) = races(lambda: kernels.shift_between[(4,)](out))
    assert race == Fault(kind="race", buffer="out", kernel="shift_between", numel=4, first=0, last=2, count=3)
    assert race.seen is not None and str(race.seen.place).endswith("program (1, 0, 0)")


def test_a_program_that_changes_what_another_read() -> None:
    values = torch.zeros(5, dtype=torch.int32)
    (race,) = races(lambda: kernels.take_right[(4,)](values))
    assert (race.buffer, race.first, race.last, race.count) == ("values", 1, 3, 3)


def test_programs_that_store_different_values() -> None:
    (race,) = races(lambda: kernels.all_store[(3,)](torch.zeros(1, dtype=torch.int32), 0))
    assert (race.buffer, race.first, race.last, race.count) == ("out", 0, 0, 1)


def test_programs_that_store_the_same_value_do_not_race() -> None:
    assert not races(lambda: kernels.all_store[(3,)](torch.zeros(1, dtype=torch.int32), 1))


def test_a_store_of_what_is_there_changes_nothing() -> None:
    assert not races(lambda: kernels.shift_between[(3,)](torch.tensor([2, 3, 4], dtype=torch.int32)))


def test_atomic_operations_are_not_judged() -> None:
    assert not races(lambda: kernels.count_all[(3,)](torch.zeros(1, dtype=torch.int32)))


def test_a_race_is_seen_at_every_launch() -> None:
    out, again = torch.zeros(4, dtype=torch.int32), torch.zeros(4, dtype=torch.int32)

    def run() -> None:
        kernels.shift_between[(4,)](out)
        kernels.shift_between[(4,)](again)

    assert [race.buffer for race in races(run)] == ["out", "again"]


def test_a_buffer_that_is_two_arguments_is_one() -> None:
    values = torch.arange(4, dtype=torch.int32)
    (race,) = races(lambda: kernels.scale[(3,)](values[1:], values, 3, 5, BLOCK=1))
    assert (race.first, race.last, race.count) == (0, 1, 2)
