"""The store of past runs, and what it names."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import history
from harness.documents import Document
from harness.errors import BadInput
from harness.history import ArmNight, Night, Series, chance, notable, opened, track
from harness.tests.report.runs import passing, regressed, run, unsupported
from harness.verdict import Result, Verdict

START = datetime(2026, 1, 1, tzinfo=UTC)


def night(day: int, *results: Result, **facts: Any) -> Document:
    return run(*results, at=(START + timedelta(days=day)).isoformat(), **facts)


def kept(path: Path, *documents: Document) -> list[Series]:
    with opened(path) as store:
        for one in documents:
            store.append(one)
        return store.series()


def series(*nights: tuple[int, int, float], verdict: Verdict = Verdict.PASS) -> Series:
    """A series of nights, each given as the reverted arm's faulting runs, runs and seconds."""
    told = tuple(
        Night(
            at=START + timedelta(days=day), sglang="9.9.9", tree=None, verdict=verdict, reason="",
            seconds=seconds, arms={"reverted": ArmNight(seconds=seconds, faults=hits, runs=runs)},
        )
        for day, (hits, runs, seconds) in enumerate(nights)
    )  # fmt: skip
    identity = {"reproducer": "pr1_pages", "tier": "kernel", "platform": "cpu", "params": "{}"}
    return Series(**identity, track="release", nights=told)


def named(one: Series) -> list[str]:
    return [found.what for found in notable(one)]


def test_nights_come_in_the_order_of_their_time(tmp_path: Path) -> None:
    (one,) = kept(tmp_path / "h", night(2, regressed()), night(0, passing()), night(1, passing()))
    assert [seen.verdict.value for seen in one.nights] == ["PASS", "PASS", "REGRESSED"]
    assert [seen.at.day for seen in one.nights] == [1, 2, 3]
    assert one.latest.arms["fixed"] == ArmNight(seconds=0.25, faults=1, runs=1)


def test_the_same_document_is_kept_once(tmp_path: Path) -> None:
    with opened(tmp_path / "h") as store:
        assert [store.append(night(0, passing())) for _ in range(2)] == [True, False]
    (one,) = kept(tmp_path / "h", night(0, passing()))
    assert len(one.nights) == 1


def test_the_first_night_of_a_change_is_told(tmp_path: Path) -> None:
    verdicts = [regressed, passing, regressed, regressed, regressed]
    (one,) = kept(tmp_path / "h", *(night(day, made()) for day, made in enumerate(verdicts)))
    assert one.changed is not None and one.changed.at == START + timedelta(days=2)


def test_a_verdict_that_never_changed_has_no_such_night(tmp_path: Path) -> None:
    (one,) = kept(tmp_path / "h", night(0, passing()), night(1, passing()))
    assert one.changed is None


def test_repeats_in_one_run_are_one_night_with_a_rate(tmp_path: Path) -> None:
    (one,) = kept(tmp_path / "h", night(0, passing(), passing(), regressed(), passing()))
    seen = one.latest
    assert len(one.nights) == 1 and seen.verdict is Verdict.REGRESSED
    assert [(arm.faults, arm.runs) for arm in seen.arms.values()] == [(1, 4), (4, 4)]


def test_a_result_that_sums_repeats_brings_its_rates(tmp_path: Path) -> None:
    rates = {"fixed": {"faults": 0, "runs": 20}, "reverted": {"faults": 13, "runs": 20}}
    (one,) = kept(tmp_path / "h", night(0, passing(rates=rates)))
    assert [(arm.faults, arm.runs) for arm in one.latest.arms.values()] == [(0, 20), (13, 20)]


def test_platforms_parameters_and_tracks_are_kept_apart(tmp_path: Path) -> None:
    main = {"version": "9.9.9.dev3+g1234", "origin": "path", "tree": "d" * 64}
    found = kept(
        tmp_path / "h",
        night(0, passing(), passing(platform="rocm-gfx942"), passing(params={"page_size": 2})),
        night(1, passing(), sglang=main),
    )
    assert [(one.platform, one.track, one.params) for one in found] == [
        ("cpu", "development", '{"page_size": 16}'),
        ("cpu", "release", '{"page_size": 16}'),
        ("cpu", "release", '{"page_size": 2}'),
        ("rocm-gfx942", "release", '{"page_size": 16}'),
    ]


@pytest.mark.parametrize(
    ("version", "of"),
    [
        ("0.5.15", "release"),
        ("0.5.12.post1", "release"),
        ("0.5.16.dev4", "development"),
        (None, "development"),
    ],
)
def test_only_a_releases_version_makes_a_release(version: str | None, of: str) -> None:
    assert track(version) == of


def test_one_clean_run_after_steady_faults_is_named() -> None:
    (text,) = named(series((1, 1, 1.0), (1, 1, 1.0), (0, 1, 1.0)))
    assert text == "reverted arm's rate moved: faults in 0 of 1 runs, the median of 2 nights before is 100%"


def test_a_verdict_that_changes_is_named(tmp_path: Path) -> None:
    (one,) = kept(tmp_path / "h", night(0, passing()), night(1, regressed()))
    assert named(one)[0].startswith("PASS became REGRESSED: fixed arm faults")
    assert "fixed arm's rate moved: faults in 1 of 1 runs" in named(one)[1]


def test_what_chance_explains_is_not_named() -> None:
    assert named(series((80, 100, 1.0), (78, 100, 1.0), (85, 100, 1.0), (74, 100, 1.0))) == []
    assert named(series((80, 100, 1.0), (78, 100, 1.0), (85, 100, 1.0), (40, 100, 1.0))) != []


def test_one_odd_night_before_does_not_hide_a_move() -> None:
    assert named(series(*[(1, 1, 1.0)] * 4, (0, 1, 1.0), (1, 1, 1.0))) == []
    assert len(named(series(*[(1, 1, 1.0)] * 4, (0, 1, 1.0), (0, 1, 1.0)))) == 1


def test_an_arm_half_as_slow_again_is_named_with_its_figures() -> None:
    slow = series(*[(1, 1, 10.0)] * 5, (1, 1, 15.2))
    assert named(slow) == ["reverted arm slower: 15.2 s, 1.5 times the median 10.0 s of 5 nights before"]


@pytest.mark.parametrize(
    "nights",
    [
        [*[(1, 1, 10.0)] * 5, (1, 1, 14.9)],
        [(1, 1, 10.0), (1, 1, 10.0), (1, 1, 30.0)],  # two runs are no measure
        [*[(1, 1, 0.1)] * 5, (1, 1, 0.9)],  # the machine's noise
        [*[(1, 1, 10.0)] * 3, (1, 1, 90.0), (1, 1, 10.0)],  # the odd one is past
    ],
)
def test_what_is_no_slowdown_is_not_named(nights: Sequence[tuple[int, int, float]]) -> None:
    assert named(series(*nights)) == []


def test_only_the_window_counts() -> None:
    older = [(1, 1, 2.0)] * 10
    assert named(series(*older, *[(1, 1, 20.0)] * history.WINDOW, (1, 1, 21.0))) == []


def test_a_night_that_could_not_run_says_nothing(tmp_path: Path) -> None:
    nights = [*(night(day, passing()) for day in range(3)), night(3, unsupported())]
    (one,) = kept(tmp_path / "h", *nights)
    assert named(one) == []
    (one,) = kept(tmp_path / "h", night(4, passing()))
    assert named(one) == []


@given(st.integers(1, 40), st.data())
def test_chance_is_a_probability_and_highest_at_the_likeliest_count(trials: int, data: st.DataObject) -> None:
    passed = data.draw(st.integers(0, trials))
    rate = data.draw(st.floats(0, 1))
    likely = [chance(count, trials, rate) for count in range(trials + 1)]
    assert 0 <= chance(passed, trials, rate) <= 1 + 1e-9
    assert max(likely) == pytest.approx(1)


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "h").write_text("not a store" * 100)
    with pytest.raises(BadInput, match=r"/h: the history cannot be used .*--import"), opened(tmp_path / "h"):
        pass


def test_a_store_of_another_format_is_refused(tmp_path: Path) -> None:
    kept(tmp_path / "h", night(0, passing()))
    with sqlite3.connect(tmp_path / "h") as store:
        store.execute("PRAGMA user_version = 99")
    store.close()
    with pytest.raises(BadInput, match="of format 99"), opened(tmp_path / "h"):
        pass


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot be used"), opened(tmp_path / "file" / "h"):
        pass
