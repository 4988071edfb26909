"""The file of the store."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.history import opened
from harness.tests.history.nights import kept, night
from harness.tests.report.runs import passing
from harness.verdict import EvidenceClass


def test_the_same_document_is_kept_once(tmp_path: Path) -> None:
    with opened(tmp_path / "h") as store:
        assert [store.append(night(0, passing())) for _ in range(2)] == [True, False]
    (one,) = kept(tmp_path / "h", night(0, passing()))
    assert len(one.nights) == 1


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


def test_a_store_of_the_first_format_is_taken_over(tmp_path: Path) -> None:
    kept(tmp_path / "h", night(0, passing()))
    with sqlite3.connect(tmp_path / "h") as store:  # as the first format had it
        store.executescript(
            "ALTER TABLE runs DROP COLUMN root; ALTER TABLE runs DROP COLUMN branch;"
            "ALTER TABLE runs ADD COLUMN track TEXT NOT NULL DEFAULT 'release';"
            "ALTER TABLE verdicts DROP COLUMN evidence; PRAGMA user_version = 1;"
        )
    store.close()
    with opened(tmp_path / "h") as taken:
        assert not taken.append(night(0, passing())) and taken.append(night(1, passing()))
        (one,) = taken.series()
    assert [seen.at.day for seen in one.nights] == [1, 2] and one.nights[0].hardware == ""
    kept(tmp_path / "h")  # and once more


def test_a_store_of_the_second_format_is_taken_over_without_evidence(tmp_path: Path) -> None:
    kept(tmp_path / "h", night(0, passing()))
    with sqlite3.connect(tmp_path / "h") as store:
        store.executescript("ALTER TABLE verdicts DROP COLUMN evidence; PRAGMA user_version = 2;")
    store.close()
    (one,) = kept(tmp_path / "h", night(1, passing()))
    assert [seen.evidence for seen in one.nights] == [None, EvidenceClass.FAULT]
    assert [seen.word for seen in one.nights] == ["PASS", "PASS"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot be used"), opened(tmp_path / "file" / "h"):
        pass
