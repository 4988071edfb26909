"""What is worth naming."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import history
from harness.facts import CPU, CaseKey, Tier
from harness.history import ArmNight, Night, Series, chance
from harness.tests.history.nights import START, kept, named, night
from harness.tests.report.runs import passing, regressed, unsupported
from harness.verdict import EvidenceClass, Verdict


def series(*nights: tuple[int, int, float], verdict: Verdict = Verdict.PASS) -> Series:
    """A series of nights, each given as the reverted arm's faulting runs, runs and seconds."""
    told = tuple(
        Night(
            at=START + timedelta(days=day), sglang="9.9.9", tree=None, verdict=verdict, reason="",
            seconds=seconds, arms={"reverted": ArmNight(seconds=seconds, faults=hits, runs=runs)},
        )
        for day, (hits, runs, seconds) in enumerate(nights)
    )  # fmt: skip
    key = CaseKey("pr1_pages", Tier.KERNEL, CPU)
    return Series(key=key, params="{}", line="release 9.9.9", host="cpu", nights=told)


def test_one_clean_run_after_steady_faults_is_named() -> None:
    (text,) = named(series((1, 1, 1.0), (1, 1, 1.0), (0, 1, 1.0)))
    assert text == "reverted arm's rate moved: faults in 0 of 1 runs, the median of 2 nights before is 100%"


def test_a_verdict_that_changes_is_named(tmp_path: Path) -> None:
    (one,) = kept(tmp_path / "h", night(0, passing()), night(1, regressed()))
    assert named(one)[0].startswith("PASS became REGRESSED: fixed arm faults")
    assert "fixed arm's rate moved: faults in 1 of 1 runs" in named(one)[1]


def test_evidence_that_is_weaker_than_the_night_before_is_named(tmp_path: Path) -> None:
    emulated = replace(passing(), evidence=EvidenceClass.EMULATED)
    (one,) = kept(tmp_path / "h", night(0, passing()), night(1, emulated))
    assert named(one) == ["evidence weaker: fault became emulated"]
    (one,) = kept(tmp_path / "h", night(2, passing()))
    assert named(one) == []


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


def test_other_trees_in_between_move_nothing(tmp_path: Path) -> None:
    """An affected release, a hand-altered tree, and the release's own altered where it is installed."""
    release = {"version": "0.5.15", "origin": "installed", "tree": "a" * 64, "root": "/env"}
    others: list[dict[str, Any]] = [
        {**release, "version": "0.5.12.post1", "origin": "released", "tree": "b" * 64},
        {**release, "origin": "path", "tree": "c" * 64, "root": "/mine"},
        {**release, "tree": "d" * 64},
        {**release, "origin": "path", "version": None, "root": "/mine", "branch": "topic"},
    ]
    between = [night(day, regressed(), sglang=one) for day, one in enumerate(others, 1)]
    found = kept(
        tmp_path / "h",
        night(0, passing(), sglang=release),
        *between,
        night(9, passing(), sglang={**release, "origin": "released", "root": "/cache"}),
    )
    assert [named(one) for one in found] == [[]] * 5
    assert [len(one.nights) for one in found if one.line.startswith("release 0.5.15, tree aaaa")] == [2]


def test_a_clone_s_own_nights_do_move(tmp_path: Path) -> None:
    clone = {"version": "0.5.15", "origin": "path", "root": "/main", "branch": "main"}
    nights = [
        night(day, made(), sglang={**clone, "tree": str(day) * 64})
        for day, made in enumerate([passing, regressed])
    ]
    (one,) = kept(tmp_path / "h", *nights)
    assert one.line == "clone /main, branch main" and named(one)[0].startswith("PASS became REGRESSED")


def test_another_kind_of_host_has_a_series_of_its_own(tmp_path: Path) -> None:
    gpu = night(1, regressed(), machine={"platform": "cuda-sm90", "features": []})
    found = kept(tmp_path / "h", night(0, passing()), gpu, night(2, passing()))
    assert [(one.host, named(one)) for one in found] == [("cpu", []), ("cuda-sm90", [])]


def test_durations_are_held_against_those_of_the_same_hardware() -> None:
    slow = series(*[(1, 1, 10.0)] * 5, (1, 1, 40.0))
    assert len(named(slow)) == 1
    moved = replace(slow, nights=(*slow.nights[:-1], replace(slow.latest, hardware="Other, 2 CPUs")))
    assert named(moved) == []


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
