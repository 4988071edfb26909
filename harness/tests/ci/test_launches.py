from __future__ import annotations

from ci.bench.launches import Row, in_turn
from harness.memory.grid.execution import Grid


def test_a_row_tells_what_the_oracle_costs_and_what_programs_at_once_gain() -> None:
    row = Row("fill", 8, bare=2.0, in_turn=3.0, at_once=1.0, viz="RuntimeError")
    assert row.ratio == 0.5
    times, ratios = ["2000.00", "3000.00", "1000.00", "RuntimeError"], ["1.50", "0.50", "3.0"]
    assert str(row).split() == ["fill", "8", *times, *ratios]
    assert "250.00" in str(Row("fill", 8, bare=2.0, in_turn=3.0, at_once=1.0, viz=0.25))


def test_launches_run_in_turn_for_as_long_as_the_block_does() -> None:
    original = Grid.at_once
    with in_turn():
        assert Grid.at_once is not original
    assert Grid.at_once is original
