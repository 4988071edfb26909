"""One run over releases of the toy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness import matrix
from harness.errors import BadInput
from harness.facts import Released, Retired, Revert, edit
from harness.machine import this_machine
from harness.machine.workspace import Workspace
from harness.suite import Bench
from harness.tests.matrix.samples import FAULT, RELEASES, STRAY
from harness.tests.source import toy_wheel
from harness.tests.toyland.bench import Bench as Toy


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for version, files in RELEASES.items():
        toy_wheel.write(tmp_path / "wheels", version, files, package="sglang")
    for name, value in toy_wheel.index(tmp_path / "wheels").items():
        monkeypatch.setenv(name, value)
    return tmp_path


def toy_bench(workspace: Workspace, toy: Toy) -> Bench:
    return Bench(machine=this_machine(), goldens=toy.goldens, workspace=workspace)


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
    assert not list(workspace.releases.rglob("*.pyc"))


def test_a_revert_that_fits_an_affected_release_disagrees(published: Path, fresh: Toy) -> None:
    """It would take a tree that never had the fix for one that lost it."""
    loose = Revert(edit(in_function="build_table", replace="numel = ANY", by="numel = 1 * pages"))
    bench = toy_bench(Workspace(published / "cache"), fresh)
    cells = matrix.settled(list(matrix.run([replace(STRAY, revert=loose)], ["9.9.7"], bench)))
    assert [one.status.value for one in cells] == ["affected"]
    (problem,) = matrix.disagreements(cells, matrix.likenesses(cells))
    assert problem.endswith("match what the fix alone has")


def test_a_release_that_cannot_be_had_ends_the_run(published: Path, fresh: Toy) -> None:
    workspace = Workspace(published / "cache")
    bench = toy_bench(workspace, fresh)
    with pytest.raises(BadInput, match=r"sglang 9\.9\.1 is no release"):
        list(matrix.run([STRAY], ["9.9.1"], bench))


def test_a_bug_that_upstream_has_rewritten_away_is_not_applicable_there(published: Path, fresh: Toy) -> None:
    retired = replace(STRAY, retired=Retired(since="9.9.9", on="9.9.8", reason="rewritten"))
    bench = toy_bench(Workspace(published / "cache"), fresh)
    cells = matrix.settled(list(matrix.run([retired], ["9.9.7", "9.9.8", "9.9.9"], bench)))
    told = [(one.status.value, one.revert.value) for one in cells]
    assert told == [("affected", "n/a"), ("fixed", "applies"), ("not-applicable", "n/a")]
    assert cells[2].reason.startswith("retired; ") and "found 0 times" in cells[2].reason
    assert matrix.disagreements(cells, matrix.likenesses(cells)) == []


def test_a_retirement_that_is_wrong_disagrees(published: Path, fresh: Toy) -> None:
    early = replace(STRAY, retired=Retired(since="9.9.9", on="9.9.8", reason="rewritten"))
    bench = toy_bench(Workspace(published / "cache"), fresh)
    (cell,) = matrix.run([early], ["9.9.8"], bench)
    (problem,) = matrix.disagreements([replace(cell, retired_since="9.9.8")], [])
    assert "measured fixed, declared not-applicable" in problem


def test_nothing_is_undone_where_a_release_stands_for_the_revert(published: Path, fresh: Toy) -> None:
    released = Released(release="9.9.7", functions=("build_table",), reason="rewritten with the fix")
    plain = replace(STRAY, revert=released)
    bench = toy_bench(Workspace(published / "cache"), fresh)
    cells = matrix.settled(list(matrix.run([plain], ["9.9.7", "9.9.9"], bench)))
    assert [(one.status.value, one.revert.value) for one in cells] == [("affected", "n/a"), ("fixed", "n/a")]
    assert matrix.disagreements(cells, matrix.likenesses(cells)) == []
