"""How many lines of progress a log gets where there is no terminal."""

from __future__ import annotations

import pytest

from harness.report.steps import Steps


def counts(capsys: pytest.CaptureFixture[str], total: int, lines: int | None, each: int = 1) -> list[int]:
    """The steps that were done when each line was told."""
    steps = Steps(total, "points", lines=lines)
    with steps.running():
        for _ in range(0, total, each):
            steps.done("both arms", each)
    out, err = capsys.readouterr()
    assert out == ""
    return [int(line.removeprefix("[").partition("/")[0]) for line in err.splitlines()]


def test_a_line_for_each_step_unless_fewer_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert counts(capsys, 12, None) == list(range(1, 13))


@pytest.mark.parametrize("total", [1, 3, 10, 60, 61, 200])
def test_ten_lines_at_most_and_the_last_at_the_end(total: int, capsys: pytest.CaptureFixture[str]) -> None:
    told = counts(capsys, total, 10)
    assert len(told) == min(total, 10) and told[-1] == total


def test_steps_that_come_in_bunches_are_told_once_a_bunch(capsys: pytest.CaptureFixture[str]) -> None:
    assert counts(capsys, 100, 10, each=50) == [50, 100]


def test_a_line_says_what_was_done_and_when(capsys: pytest.CaptureFixture[str]) -> None:
    Steps(1, "points", lines=10).done("both arms")
    err = capsys.readouterr().err
    assert err.startswith("[1/1] both arms after ") and err.endswith(" s\n")
