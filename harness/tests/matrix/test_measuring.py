"""One run over releases of the toy."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import matrix
from harness.errors import BadInput
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


def test_a_release_that_cannot_be_had_ends_the_run(published: Path, fresh: Toy) -> None:
    workspace = Workspace(published / "cache")
    bench = toy_bench(workspace, fresh)
    with pytest.raises(BadInput, match=r"sglang 9\.9\.1 is no release"):
        list(matrix.run([STRAY], ["9.9.1"], bench))
