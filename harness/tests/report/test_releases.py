"""A matrix is read back as it was written, and laid beside what the reproducers declare."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.matrix import Status
from harness.report import releases
from harness.report.releases import Releases
from harness.tests.report.matrices import BEFORE, BUG, matrix_file, told

SINCE = BUG.bug.fixed_in


def read(path: Path) -> Releases:
    rest, (found,) = releases.split([path], {BUG.id: BUG})
    assert rest == []
    return found


def test_it_has_releases_in_order_and_each_cell(tmp_path: Path) -> None:
    found = read(matrix_file(tmp_path))
    assert found.releases == [BEFORE, SINCE] and found.bugs == [BUG.id]
    one = found.at(SINCE, BUG.id)
    assert one is not None and one.differs and one.declared is Status.FIXED
    assert (
        releases.against_declared(one) == "declared fixed" and releases.undone(one) == "the fix can be undone"
    )
    assert found.at("9.9.9", BUG.id) is None


def test_what_could_not_be_measured_is_told_beside_what_is_declared(tmp_path: Path) -> None:
    row = {**told()["matrix"][0], "status": "unresolved"}
    one = read(matrix_file(tmp_path, matrix=[row])).at(SINCE, BUG.id)
    assert one is not None and not one.differs and releases.against_declared(one) == "declared fixed"


def test_a_bug_that_is_not_known_here_has_nothing_declared(tmp_path: Path) -> None:
    (found,) = releases.split([matrix_file(tmp_path)], {})[1]
    assert {releases.against_declared(one) for one in found.cells} == {"nothing declared"}


def test_the_lines_of_a_terminal(tmp_path: Path) -> None:
    lines = list(releases.lines(read(matrix_file(tmp_path))))
    assert lines[2].split() == [SINCE, "affected,", "declared", "fixed"]
    assert f"  {SINCE} reverted does not fault as {BEFORE} does: lacks a fault" in lines
    assert lines[-1] == f"DISAGREES {BUG.id} {SINCE}: affected, declared fixed"


def test_other_files_are_left_to_their_readers(tmp_path: Path) -> None:
    other, broken = tmp_path / "results.json", tmp_path / "broken.json"
    other.write_text('{"results": []}')
    broken.write_text("{")
    files = [other, broken, tmp_path / "absent.json"]
    assert releases.split(files, {}) == (files, [])


@pytest.mark.parametrize(
    ("changes", "cause"),
    [({"machine": {}}, "'platform' is missing"), ({"matrix": [{}]}, "'reproducer' is missing"),
     ({"likeness": [3]}, "holds no whole matrix")],
)  # fmt: skip
def test_a_matrix_that_is_not_whole_is_refused(
    changes: dict[str, object], cause: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=cause):
        releases.split([matrix_file(tmp_path, **changes)], {BUG.id: BUG})
