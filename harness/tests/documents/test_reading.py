"""Reading back what --json wrote."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness import documents
from harness.errors import BadInput
from harness.tests.report.runs import lost, passing, regressed, told, unsupported
from harness.verdict import Result


@pytest.mark.parametrize("made", [passing, regressed, lost, unsupported])
def test_a_result_comes_back_as_it_was_written(made: Any) -> None:
    row = told(made())["results"][0]
    assert Result.from_json(row).to_json() == row


def test_the_time_is_what_the_document_says(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(told(passing(), at="2026-01-02T04:00:00+01:00")))
    assert documents.load(path).at == datetime(2026, 1, 2, 3, tzinfo=UTC)


def test_documents_come_oldest_first(tmp_path: Path) -> None:
    for name, day in (("a.json", "03"), ("b.json", "01"), ("c.json", "02")):
        (tmp_path / name).write_text(json.dumps(told(passing(), at=f"2026-01-{day}T00:00:00+00:00")))
    found = documents.load_all(sorted(tmp_path.glob("*.json")))
    assert [one.name for one in found] == ["b.json", "c.json", "a.json"]
    assert len({one.digest for one in found}) == 3


def test_no_file_is_refused() -> None:
    with pytest.raises(BadInput, match="no results file"):
        documents.load_all([])


OLD = {name: value for name, value in told(passing()).items() if name not in ("format", "digest")}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is no JSON"),
        ("[]", "holds no results"),
        ("{}", "holds no results"),
        (json.dumps(OLD), "has format 1, but this version reads 2"),
        (json.dumps({**told(passing()), "format": 99}), "has format 99"),
        (json.dumps(told(passing(), at="yesterday")), "at is 'yesterday', no date and time"),
        (json.dumps(told(passing(), at="2026-01-01T00:00:00")), "without a time zone"),
        (json.dumps(told(results=[{"reproducer": "x"}])), "is missing"),
        (json.dumps({**told(passing()), "refault": "0"}), "it was damaged or altered"),
        (json.dumps(told(passing(), more=1)), "more is not known"),
    ],
)
def test_what_is_no_document_is_refused_in_one_line(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=says) as refused:
        documents.load(path)
    assert "odd.json" in str(refused.value) and "--json" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("verdict", "GREEN", "verdict is 'GREEN', not one of"),
        ("arms", {"third": {}}, "third is not known"),
        ("seconds", "long", "seconds is 'long', not number"),
        ("seconds", -1, "less than 0"),
        ("seconds", True, "is True, not number"),
        ("arms", None, "arms is None, not object"),
    ],
)
def test_a_row_of_another_form_is_refused(name: str, value: Any, says: str) -> None:
    data = told(passing())
    data["results"][0][name] = value
    with pytest.raises(BadInput, match=says):
        documents.parse(documents.sealed(data))


@pytest.mark.parametrize(("name", "value"), [("outcome", "clean"), ("faults", [])])
def test_a_point_that_contradicts_itself_is_refused(name: str, value: Any) -> None:
    data = told(regressed())
    data["results"][0]["arms"]["fixed"][name] = value
    with pytest.raises(BadInput, match="contradicts itself"):
        documents.parse(documents.sealed(data))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone\.json: cannot be read"):
        documents.load(tmp_path / "gone.json")
