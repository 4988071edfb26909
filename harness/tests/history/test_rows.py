"""Documents go in, and series come out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.history import ArmNight
from harness.tests.history.nights import kept, night
from harness.tests.report.runs import passing, regressed
from harness.tests.samples import TREE
from harness.verdict import EvidenceClass, Verdict


def test_nights_come_in_the_order_of_their_time(tmp_path: Path) -> None:
    (one,) = kept(tmp_path / "h", night(2, regressed()), night(0, passing()), night(1, passing()))
    assert [seen.verdict.value for seen in one.nights] == ["PASS", "PASS", "REGRESSED"]
    assert [seen.at.day for seen in one.nights] == [1, 2, 3]
    assert one.latest.arms["fixed"] == ArmNight(seconds=0.25, faults=1, runs=1)


def test_repeats_in_one_run_are_one_night_with_a_rate(tmp_path: Path) -> None:
    (one,) = kept(tmp_path / "h", night(0, passing(), passing(), regressed(), passing()))
    seen = one.latest
    assert len(one.nights) == 1 and seen.verdict is Verdict.REGRESSED
    assert [(arm.faults, arm.runs) for arm in seen.arms.values()] == [(1, 4), (4, 4)]


def test_the_weakest_evidence_of_a_night_is_its_own(tmp_path: Path) -> None:
    emulated = replace(passing(), evidence=EvidenceClass.EMULATED)
    (one,) = kept(tmp_path / "h", night(0, passing(), emulated, passing()))
    assert one.latest.evidence is EvidenceClass.EMULATED and one.latest.word == "PASS (emulated)"


def test_a_result_that_sums_repeats_brings_its_rates(tmp_path: Path) -> None:
    bounds = {"low": 0.0, "high": 1.0}
    rates = {"fixed": {"faults": 0, "runs": 20, **bounds}, "reverted": {"faults": 13, "runs": 20, **bounds}}
    (one,) = kept(tmp_path / "h", night(0, passing(rates=rates)))
    assert [(arm.faults, arm.runs) for arm in one.latest.arms.values()] == [(0, 20), (13, 20)]


def test_platforms_parameters_and_lines_are_kept_apart(tmp_path: Path) -> None:
    main = {"version": "9.9.9.dev3+g1234", "origin": "path", "tree": "d" * 64, "root": "/main", "branch": "b"}
    clone, release = "clone /main, branch b", f"release 9.9.9, tree {TREE[:8]}"
    found = kept(
        tmp_path / "h",
        night(0, passing(), passing(platform="rocm-gfx942"), passing(params={"page_size": 2})),
        night(1, passing(), sglang=main),
    )
    assert [(str(one.platform), one.line, one.params) for one in found] == [
        ("cpu", clone, '{"page_size": 16}'),
        ("cpu", release, '{"page_size": 16}'),
        ("cpu", release, '{"page_size": 2}'),
        ("rocm-gfx942", release, '{"page_size": 16}'),
    ]
