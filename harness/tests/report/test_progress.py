"""How far a run is, on standard error."""

from __future__ import annotations

import pytest

from harness.report.progress import Progress
from harness.tests.samples import case, result
from harness.verdict import Judgement, Verdict, judge


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


def test_a_terminal_gets_one_live_line_that_is_gone_in_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    progress = Progress(1)
    with progress.running():
        progress.finished(result(Judgement(Verdict.TOOTHLESS, "nothing showed")))
    out, err = capsys.readouterr()
    assert out == "" and "[1/1]" not in err
    assert "1 of 1 cases judged" in err
