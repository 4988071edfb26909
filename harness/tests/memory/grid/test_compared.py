"""A difference between programs at once and programs in turn is an error that names the launch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from triton.runtime.errors import InterpreterError

from harness.errors import Unresolved
from harness.memory.grid import compared, transaction
from harness.memory.grid.builder import WholeGrid
from harness.memory.grid.habits import habit_of
from harness.memory.grid.records import Access
from harness.memory.oracle import Oracle
from harness.tests.memory.grid import kernels

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compared.VARIABLE, "1")
    habit_of.cache_clear()


def told(call: Callable[[], Any]) -> str:
    """What the error says that a launch ends with."""
    with pytest.raises(InterpreterError) as caught, Oracle().watching(HERE, entered=lambda kernel: None):
        call()
    assert isinstance(caught.value.__cause__, Unresolved)
    return str(caught.value.__cause__)


def scaled() -> None:
    kernels.scale[(3,)](torch.zeros(4), torch.ones(4), 4, 2, BLOCK=2)


def test_other_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    original = WholeGrid.create_fmul
    monkeypatch.setattr(WholeGrid, "create_fmul", lambda self, a, b: original(self, original(self, a, b), b))
    assert told(scaled).startswith("scale, grid 3: programs at once are not programs in turn: memory: ")


def test_other_strays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction.Transaction, "strays", lambda self: [])
    text = told(lambda: kernels.stray_after_parting[(8,)](torch.zeros(8, dtype=torch.int32), 8))
    assert "strays: none at once, oob-write" in text


def test_another_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    original, owner = transaction.Transaction.touch, transaction.Transaction
    monkeypatch.setattr(
        owner, "touch", lambda self, one, low, high, writes: original(self, one, 0, high, writes)
    )
    assert "trace: " in told(lambda: kernels.copy_tail[(2,)](torch.zeros(8), torch.ones(8)))


def test_what_is_not_all_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Access, "restore", lambda self, memory: None)
    assert told(scaled).endswith("what was done at once is not all rolled back")


def test_nothing_is_compared_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compared.VARIABLE, "0")
    oracle = Oracle()
    with oracle.watching(HERE, entered=lambda kernel: None):
        scaled()
    assert compared.COMPARED not in oracle.ran and not oracle.notes()


def test_counts_are_told_where_it_was_asked_for() -> None:
    oracle = Oracle()
    with oracle.watching(HERE, entered=lambda kernel: None):
        scaled()
    told = oracle.notes()
    assert told == [
        "launches that ran at once: 1",
        "launches that ran at once and in turn, compared: 1",
    ]
    assert compared.counted(["something else: 3", *told, *told]) == {"at once": 2, compared.COMPARED: 2}
