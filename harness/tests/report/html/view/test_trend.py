"""A result among the nights before it."""

from __future__ import annotations

from pathlib import Path

from harness.history import opened
from harness.report.html import Sources
from harness.report.html.view.trend import trend
from harness.tests.report.html.pages import made
from harness.tests.report.runs import passing, regressed, run


def test_the_trend_and_what_moved(tmp_path: Path) -> None:
    nights = [
        run(made_of(), at=f"2026-01-0{day}T00:00:00+00:00")
        for day, made_of in enumerate([passing, passing, regressed], 1)
    ]
    with opened(tmp_path / "h") as store:
        for one in nights:
            store.append(one)
        history = store.series()
    text = made(nights[-1], sources=Sources(history=history))
    assert "2026-01-03: REGRESSED, 9.9.9" in text
    assert "REGRESSED since 2026-01-03 (9.9.9)" in text
    assert '<p class="notice">▲ pr1_pages kernel cpu: PASS became REGRESSED' in text
    assert ">✓✓✗</span>" in text


def test_the_trend_is_of_the_same_point_and_line(tmp_path: Path) -> None:
    of_main = {"version": "9.9.9.dev1+g1", "origin": "path", "tree": "e" * 64, "root": "/main"}
    others = [
        run(passing(params={"pages": 3}), at="2026-01-01T00:00:00+00:00"),
        run(passing(), at="2026-01-02T00:00:00+00:00", sglang=of_main),
    ]
    with opened(tmp_path / "h") as store:
        for one in others:
            store.append(one)
        history = store.series()
    assert 'class="trend"' not in made(run(passing()), sources=Sources(history=history))
    text = made(others[1], sources=Sources(history=history))
    assert "clone /main, this run is the first that is kept" in text and "2026-01-01" not in text


def test_a_time_on_another_machine_has_no_bar(tmp_path: Path) -> None:
    with opened(tmp_path / "h") as store:
        for day, processor in enumerate(["One, 2 CPUs", "Other, 2 CPUs", "Other, 2 CPUs"], 1):
            machine = {"platform": "cpu", "features": [], "hardware": processor}
            store.append(run(passing(), at=f"2026-01-0{day}T00:00:00+00:00", machine=machine))
        (one,) = store.series()
    assert [bar.share for bar in trend(one, ()).bars] == [0, 100, 100]
