"""How far a run is, on standard error."""

from __future__ import annotations

import time

import pytest

from harness.report.progress import Progress
from harness.tests.samples import case, result
from harness.verdict import Judgement, Verdict, judge


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error is taken for a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_each_result_is_a_line_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(2)
    with progress.running():
        progress.finished(result(judge(case())))
        progress.finished(result(Judgement(None, "one arm was asked for")))
    out, err = capsys.readouterr()
    first, second = err.splitlines()
    assert out == ""
    assert first.startswith("[1/2] pr1_pages kernel: PASS after ") and first.endswith(" s")
    assert second.startswith("[2/2] pr1_pages kernel: one arm after ")


def test_arms_are_lines_where_they_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    for arms in (False, True):
        progress = Progress(1, arms=arms)
        with progress.running():
            progress.started("pr1 kernel fixed")
            progress.ended("pr1 kernel fixed")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("pr1 kernel fixed ended after ")


def test_a_live_line_names_the_arms_under_way() -> None:
    progress = Progress(2)
    assert "waits until upstream is imported" in str(progress.__rich__())
    for number in range(5):
        progress.started(f"arm {number}")
    progress.ended("arm 0")
    told = str(progress.__rich__())
    assert told.startswith("0 of 2 cases judged, ")
    assert told.endswith(" s; waiting for arm 1, arm 2, arm 3 and 1 more")


def test_a_terminal_gets_one_live_line_that_is_gone_in_the_end(
    capsys: pytest.CaptureFixture[str], colours: None
) -> None:
    progress = Progress(1)
    with progress.running():
        progress.finished(result(Judgement(Verdict.TOOTHLESS, "nothing showed")))
    out, err = capsys.readouterr()
    assert out == "" and "[1/1]" not in err
    assert "1 of 1 cases judged" in err


def test_what_is_told_aside_has_the_terminal_for_itself(
    capsys: pytest.CaptureFixture[str], colours: None
) -> None:
    progress = Progress(1)
    with progress.running():
        capsys.readouterr()
        with progress.aside():
            capsys.readouterr()
            time.sleep(0.3)  # several times as long as from one drawing to the next
            assert capsys.readouterr().err == ""
        time.sleep(0.3)
        assert "cases judged" in capsys.readouterr().err
