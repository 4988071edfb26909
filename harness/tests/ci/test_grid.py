from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci import grid
from harness.memory.grid.compared import COMPARED, DIFFERENT, VARIABLE

NOTE = f"launches that ran {COMPARED}: 3"


def result(reason: str, *notes: str) -> dict[str, object]:
    point = {"notes": ["another note", *notes]}
    arms = {"fixed": {"points": [point, point]}, "interpreted": {"points": [point]}, "reverted": {}}
    return {"reproducer": "stray", "reason": reason, "arms": arms}


def test_launches_of_each_arm_are_counted_once() -> None:
    counts: Counter[str] = Counter()
    assert not list(grid._of_result(result("as golden", NOTE), counts))
    assert counts == {COMPARED: 6}


def test_a_difference_is_told_with_its_case() -> None:
    (told,) = grid._of_result(result(f"fixed arm: fill, grid 4: {DIFFERENT}: memory"), Counter())
    assert told.startswith("stray: fixed arm: fill, grid 4: ")


@pytest.mark.parametrize(
    ("suite", "battery", "differences", "code"),
    [(3, 2, [], 0), (0, 2, [], 1), (3, 0, [], 1), (3, 2, ["stray: other bytes"], 1)],
)
def test_the_end(
    suite: int, battery: int, differences: list[str], code: int,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Nothing compared is no success, neither in the suite nor in the battery."""

    def of_suite(asked: object, out: Path, counts: Counter[str]) -> Iterator[str]:
        counts.update({COMPARED: suite, "scan": 1})
        yield from differences

    def of_battery(counts: Counter[str]) -> Iterator[str]:
        counts.update({COMPARED: battery})
        return iter(())

    monkeypatch.setattr(grid, "_of_suite", of_suite)
    monkeypatch.setattr(grid, "_of_battery", of_battery)
    monkeypatch.setattr(sys, "argv", ["grid", "--out", str(tmp_path / "out")])
    monkeypatch.setenv(VARIABLE, "0")
    assert grid.main() == code
    told = capsys.readouterr().out
    assert "suite: 1 launches: scan" in told and f"{suite + battery} launches were compared" in told
    assert json.loads((tmp_path / "out/grid.json").read_text())["suite"]["scan"] == 1


def test_a_folder_that_cannot_be_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["grid", "--out", "/proc/grid"])
    assert grid.main() == 2
    assert "grid: --out /proc/grid: cannot be written" in capsys.readouterr().err
