"""What the matrix leaves for later."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from harness import catalogue
from harness.matrix import Status, last_measured
from harness.tests.matrix.samples import STRAY, cell

ONE, TWO = date(2026, 1, 1), date(2026, 1, 2)


def known(path: Path) -> list[tuple[str, str, int]]:
    return [(one.release, one.status.value, one.on.day) for one in last_measured.of(path, STRAY)]


def test_nothing_is_known_before_a_matrix(tmp_path: Path) -> None:
    assert known(tmp_path / "m.json") == []


def test_releases_come_in_order_and_a_newer_matrix_replaces_its_own(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "m.json"
    last_measured.keep(path, [cell("0.10", Status.FIXED), cell("0.9", Status.UNRESOLVED)], [STRAY], ONE)
    last_measured.keep(path, [cell("0.9", Status.AFFECTED)], [STRAY], TWO)
    assert known(path) == [("0.9", "affected", 2), ("0.10", "fixed", 1)]
    assert [file.name for file in path.parent.iterdir()] == ["m.json"]


def test_what_another_text_of_the_reproducer_showed_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.json"
    last_measured.keep(path, [cell("0.9", Status.AFFECTED)], [STRAY], ONE)
    monkeypatch.setattr(catalogue, "source_digest", lambda subject: "other")
    assert known(path) == []
    last_measured.keep(path, [cell("0.10", Status.FIXED)], [STRAY], TWO)
    assert known(path) == [("0.10", "fixed", 2)]


def test_the_digest_is_of_the_module_s_text() -> None:
    assert catalogue.source_digest(STRAY) == catalogue.source_digest(STRAY)
    assert len(catalogue.source_digest(STRAY)) == 64


SPOILT = (
    "{", "[1]", '{"pr1": 3}', '{"pr1": {"source": 1, "releases": {}}}',
    '{"pr1": {"source": "a", "releases": []}}',
    '{"pr1": {"source": "a", "releases": {"0.9": {"status": "odd", "on": "2026-01-01"}}}}',
    '{"pr1": {"source": "a", "releases": {"x": {"status": "fixed", "on": "2026-01-01"}}}}',
    '{"pr1": {"source": "a", "releases": {"0.9": {"status": "fixed", "on": "soon"}}}}',
)  # fmt: skip


@pytest.mark.parametrize("text", SPOILT)
def test_a_spoilt_file_is_a_warning_with_the_remedy(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "m.json"
    path.write_text(text)
    assert last_measured.of(path, STRAY) == []
    last_measured.keep(path, [cell("0.9", Status.AFFECTED)], [STRAY], ONE)
    assert path.read_text() == text
    assert {record.message.rpartition(": ")[2] for record in caplog.records} == {
        "delete it, and run `refault matrix`"
    }


def test_a_file_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    last_measured.keep(tmp_path / "file" / "m.json", [cell("0.9", Status.AFFECTED)], [STRAY], ONE)
    assert "cannot be" in caplog.text
