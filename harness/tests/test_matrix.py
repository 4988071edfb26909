"""The matrix: what a column of cells comes to, and one run over releases of the toy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import matrix
from harness.errors import BadInput
from harness.facts import Bug
from harness.machine import this_machine
from harness.matrix import Applies, Bench, Cell, Status
from harness.observation import Fault
from harness.source.releases import Releases
from harness.tests.source import toy_wheel
from harness.tests.toyland import upstream
from harness.tests.toyland.bench import Bench as Toy
from harness.tests.toyland.bench import bug
from harness.workspace import Workspace

STRAY = bug("pr101_stray_store")
FAULT = Fault(kind="oob-write", buffer="table", kernel="fill_kernel", numel=3, first=3, last=11, count=9)
UNFIXED = {"numel = pages * page_size": "numel = pages"}


def cell(release: str, status: Status, **facts: Any) -> Cell:
    return Cell(reproducer=STRAY, release=release, status=status, **facts)


def affected(release: str, fault: Fault = FAULT) -> Cell:
    return cell(release, Status.AFFECTED, published=(fault,))


def fixed(release: str, fault: Fault = FAULT) -> Cell:
    return cell(release, Status.FIXED, revert=Applies.APPLIES, reverted=(fault,))


# --- declared and measured -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "said"),
    [("9.8", "not-yet-present"), ("9.9.0", "affected"), ("9.9.7.post1", "affected"), ("9.9.8", "fixed")],
)
def test_what_a_range_says(release: str, said: str) -> None:
    assert matrix.declared(STRAY.bug, release) == said


def test_an_unknown_beginning_says_nothing() -> None:
    assert matrix.declared(Bug(pr=1, fixed_in="2.0", symptom="x"), "1.0") is None


def test_agreement_is_no_problem() -> None:
    cells = [cell("9.8", Status.NOT_YET_PRESENT), affected("9.9.7"), fixed("9.9.8")]
    compared = matrix.likenesses(cells)
    assert matrix.disagreements(cells, compared) == [] and matrix.exit_code(cells, []) == 0
    (one,) = compared
    assert one.same and (one.release, one.affected) == ("9.9.8", "9.9.7")


@pytest.mark.parametrize(
    ("measured", "told"),
    [
        (affected("9.9.8"), "measured affected, declared fixed"),
        (affected("9.8"), "measured affected, declared not-yet-present"),
        (fixed("9.9.7"), "measured fixed, declared affected"),
    ],
)
def test_a_disagreement_fails(measured: Cell, told: str) -> None:
    (problem,) = matrix.disagreements([measured], [])
    assert told in problem and "introduced in 9.9.0, fixed in 9.9.8" in problem
    assert matrix.exit_code([measured], [problem]) == 1


def test_what_could_not_be_measured_disagrees_with_nothing() -> None:
    cells = [cell("9.9.7", Status.UNRESOLVED), cell("9.9.8", Status.NOT_APPLICABLE)]
    assert matrix.disagreements(cells, []) == [] and matrix.exit_code(cells, []) == 3
    assert matrix.exit_code(cells[1:], []) == 0


# --- clean ones told apart -----------------------------------------------------------------


def test_clean_before_the_first_affected_release_is_not_yet_present() -> None:
    clean = cell("9.8", Status.FIXED, reason="clean as published")
    settled = {one.release: one.status for one in matrix.settled([affected("9.9.7"), fixed("9.9.8"), clean])}
    assert settled == {"9.8": "not-yet-present", "9.9.7": "affected", "9.9.8": "fixed"}


def test_stale_before_the_bug_is_shown_and_no_problem() -> None:
    unknown = replace(STRAY, bug=Bug(pr=101, fixed_in="9.9.8", symptom="x"))
    clean = cell("9.8", Status.FIXED, revert=Applies.STALE, problem="stale")
    cells = [replace(one, reproducer=unknown) for one in (clean, affected("9.9.7"))]
    (first, _) = matrix.settled(cells)
    assert (first.status, first.revert, first.problem) == ("not-yet-present", "stale", None)


def test_stale_where_the_fix_is_fails() -> None:
    clean = cell("9.9.8", Status.FIXED, revert=Applies.STALE, problem="9.9.8: the revert is stale")
    cells = matrix.settled([affected("9.9.7"), clean])
    assert matrix.disagreements(cells, []) == ["9.9.8: the revert is stale"]


# --- likeness ------------------------------------------------------------------------------


def test_it_is_compared_with_the_newest_affected_release() -> None:
    old = affected("9.9.0", replace(FAULT, count=1))
    (one,) = matrix.likenesses([old, affected("9.9.7"), fixed("9.9.8")])
    assert one.affected == "9.9.7" and one.same


def test_a_renamed_kernel_is_told_and_no_failure() -> None:
    cells = [affected("9.9.7"), fixed("9.9.8", replace(FAULT, kernel="fill_table"))]
    (one,) = matrix.likenesses(cells)
    assert not one.same and one.only_named and matrix.disagreements(cells, [one]) == []
    assert "by fill_kernel" in one.missing[0] and "by fill_table" in one.added[0]


def test_another_count_is_a_failure() -> None:
    cells = [affected("9.9.7"), fixed("9.9.8", replace(FAULT, count=1))]
    compared = matrix.likenesses(cells)
    (problem,) = matrix.disagreements(cells, compared)
    assert "does not fault like 9.9.7" in problem and "lacks" in problem and "adds" in problem


# --- one run -------------------------------------------------------------------------------


def toy(changes: Mapping[str, str]) -> dict[str, str]:
    """The toy upstream's files with pieces of pages.py replaced."""
    pages = upstream.PAGES
    for old, new in changes.items():
        assert pages.count(old) == 1
        pages = pages.replace(old, new)
    return {"sglang/__init__.py": "", "sglang/pages.py": pages}


RELEASES = {
    "9.9.6": toy({"def build_table(": "def make_table("}),
    "9.9.7": toy(UNFIXED),
    "9.9.8": toy({}),
    "9.9.9": toy({"numel = pages * page_size": "numel = max(tokens, pages * page_size)"}),
}


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for version, files in RELEASES.items():
        toy_wheel.write(tmp_path / "wheels", version, files, package="sglang")
    for name, value in toy_wheel.index(tmp_path / "wheels").items():
        monkeypatch.setenv(name, value)
    return tmp_path


def toy_bench(workspace: Workspace, toy: Toy) -> Bench:
    return Bench(
        releases=Releases(workspace.releases),
        machine=this_machine(),
        goldens=toy.goldens,
        workspace=workspace,
    )


def test_releases_are_measured_as_they_were_published(published: Path, fresh: Toy) -> None:
    workspace = Workspace(published / "cache")
    bench = toy_bench(workspace, fresh)
    cells = matrix.settled(list(matrix.run([STRAY], list(RELEASES), bench)))
    told = {one.release: (one.status.value, one.revert.value) for one in cells}
    assert told == {
        "9.9.6": ("not-applicable", "n/a"),
        "9.9.7": ("affected", "n/a"),
        "9.9.8": ("fixed", "applies"),
        "9.9.9": ("fixed", "stale"),
    }
    assert "no function build_table" in cells[0].reason and FAULT.signature in cells[1].reason
    (one,) = matrix.likenesses(cells)
    assert one.same and one.release == "9.9.8"
    (problem,) = matrix.disagreements(cells, [one])
    assert "9.9.9: the revert is stale" in problem
    assert list((workspace.releases / "9.9.8" / "sglang").glob("__pycache__/*.pyc"))


def test_a_release_that_cannot_be_had_ends_the_run(published: Path, fresh: Toy) -> None:
    workspace = Workspace(published / "cache")
    bench = toy_bench(workspace, fresh)
    with pytest.raises(BadInput, match=r"sglang 9\.9\.1 is no release"):
        list(matrix.run([STRAY], ["9.9.1"], bench))
