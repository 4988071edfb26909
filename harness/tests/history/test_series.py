"""What a series says of itself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from harness.tests.history.nights import START, kept, night
from harness.tests.report.runs import passing, regressed


def test_the_first_night_of_a_change_is_told(tmp_path: Path) -> None:
    verdicts = [regressed, passing, regressed, regressed, regressed]
    (one,) = kept(tmp_path / "h", *(night(day, made()) for day, made in enumerate(verdicts)))
    assert one.changed is not None and one.changed.at == START + timedelta(days=2)


def test_a_verdict_that_never_changed_has_no_such_night(tmp_path: Path) -> None:
    (one,) = kept(tmp_path / "h", night(0, passing()), night(1, passing()))
    assert one.changed is None
