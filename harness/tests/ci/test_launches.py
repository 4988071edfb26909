from __future__ import annotations

import pytest
from triton.runtime import interpreter

from ci.bench.launches import Row, Shipped, in_turn
from harness.memory.grid.execution import Grid


def test_a_row_tells_what_the_oracle_costs_and_what_programs_at_once_gain() -> None:
    row = Row("fill", 8, shipped=None, bare=2.0, in_turn=3.0, at_once=1.0, viz="RuntimeError")
    assert row.ratio == 0.5
    times, ratios = ["-", "2000.00", "3000.00", "1000.00", "RuntimeError"], ["1.50", "0.50", "3.0"]
    assert str(row).split() == ["fill", "8", *times, *ratios]
    alone = str(Row("fill", 1, shipped=4.0, bare=2.0, in_turn=3.0, at_once=1.0, viz=0.25))
    assert "250.00" in alone and "4000.00" in alone


def test_the_interpreter_is_as_triton_ships_it_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shipped, original = Shipped(), interpreter._patch_lang
    ours = lambda fn: original(fn)  # noqa: E731 - stands for what a run exchanges
    monkeypatch.setattr(interpreter, "_patch_lang", ours)
    seen: list[object] = []
    assert shipped.seconds(lambda: seen.append(interpreter._patch_lang), 2) >= 0
    assert seen == [original] * 2 and interpreter._patch_lang is ours


def test_launches_run_in_turn_for_as_long_as_the_block_does() -> None:
    original = Grid.at_once
    with in_turn():
        assert Grid.at_once is not original
    assert Grid.at_once is original
