"""Results of several machines: merged only where they are of the build, and each counted once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness import __version__
from harness.documents import FORMAT, Document, parse, sealed
from harness.errors import BadInput
from harness.facts import CPU, Platform
from harness.gate.results import Build, Results, gather, unfit
from harness.source import known, tree
from harness.tests.report.runs import passing, told

BUILD = Build(tree="a" * 64, version="9.9.8")
RUNS = {name: name * 32 for name in "abc"}


def document(
    name: str, *, run: str = "a", build: str = "a" * 64, platform: str = "cpu", log: str | None = None
) -> Document:
    (result,) = told(passing())["results"]
    for arm in result["arms"].values():
        arm["log"] = log or f"/runs/{run}/log"
    made: dict[str, Any] = {
        "format": FORMAT, "run": RUNS[run], "refault": __version__, "at": "2026-06-15T12:00:00+00:00",
        "sglang": {"version": "9.9.8", "origin": "path", "tree": build},
        "machine": {"platform": platform, "features": []}, "results": [result],
    }  # fmt: skip
    return parse(sealed(made), name=name)


def gathered(*documents: Document) -> Results:
    return gather(documents, BUILD, lambda document, result: None)


def test_machines_are_merged() -> None:
    found = gathered(document("a.json"), document("b.json", run="b", platform="rocm-gfx942"))
    assert found.machines == (CPU, Platform.parse("rocm-gfx942")) and found.sources == ("a.json", "b.json")
    assert [row.machine for row in found.rows] == [CPU, Platform.parse("rocm-gfx942")]
    assert [row.problem for row in found.rows] == [None, None]


def test_another_build_is_not() -> None:
    with pytest.raises(BadInput, match=r"b\.json is of a tree bbb.*claims 9\.9\.8, and the build is .*aaa"):
        gathered(document("a.json"), document("b.json", run="b", build="b" * 64))


def test_one_run_given_twice_is_refused() -> None:
    with pytest.raises(BadInput, match=r"b\.json holds the same run as a\.json: give each run once"):
        gathered(document("a.json"), document("b.json"))
    with pytest.raises(BadInput, match="holds the same run"):  # which another byte does not make another
        gathered(document("a.json"), document("b.json", platform="rocm"))


def test_one_run_under_two_numbers_counts_once() -> None:
    found = gathered(document("a.json", log="/runs/x"), document("b.json", run="b", log="/runs/x"))
    assert [row.problem is None for row in found.rows] == [True, False]
    assert "one run counts once" in str(found.rows[1].problem)


@pytest.mark.parametrize(
    ("days", "told"), [(-1.1, "which is still to come"), (0, None), (29, None), (31, "more than 30 days ago")]
)
def test_results_age(days: float, told: str | None) -> None:
    one = document("a.json")
    problem = unfit(one, datetime(2026, 6, 15, 12, tzinfo=UTC) + timedelta(days=days), 30)
    assert (problem is None) == (told is None) and (told or "") in (problem or "")


def test_a_version_counts_only_where_its_content_is_known() -> None:
    """A tree may call itself anything."""
    installed = tree.installed()
    assert Build.of(installed).release == installed.version == "0.5.23"
    assert BUILD.release is None and BUILD.name == "sglang (claims 9.9.8, not known; aaaaaaaaaaaa)"


def test_the_table_of_releases_is_whole() -> None:
    table = known._releases()
    assert len(set(table.values())) == len(table) >= 19
    assert {"0.5.9", "0.5.12.post1", "0.5.13", "0.5.23"} <= set(table.values())
    assert all(len(key) == 64 and set(key) <= set("0123456789abcdef") for key in table)
