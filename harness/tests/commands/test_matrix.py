"""`refault matrix`, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.tests.matrix.samples import RELEASES
from harness.tests.source import toy_wheel
from harness.tests.toyland import checkout, elsewhere
from harness.tests.toyland.checkout import Checkout


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """A checkout beside an index of toy releases, with a cache of its own."""
    for version, files in RELEASES.items():
        toy_wheel.write(tmp_path / "wheels", version, files, package="sglang")
    for name, value in toy_wheel.index(tmp_path / "wheels").items():
        monkeypatch.setenv(name, value)
    return checkout.lay_out(tmp_path / "checkout", tmp_path / "cache", ("pr101_stray_store",))


def test_the_table_and_the_json(toys: Checkout) -> None:
    done = toys.refault("matrix", "101", "--releases", "9.9.8,9.9.7", "--json", "matrix.json")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["release", "pr101"]
    assert [line.split() for line in lines[1:3]] == [["9.9.7", "affected"], ["9.9.8", "fixed", "reverts"]]
    assert "  9.9.8 reverted faults as 9.9.7 does" in lines
    assert lines[-1] == "what was measured agrees with what is declared"
    document = json.loads((toys.root / "matrix.json").read_text())
    rows = [(row["reproducer"], row["release"], row["status"], row["revert"]) for row in document["matrix"]]
    name = "pr101_stray_store"
    assert rows == [(name, "9.9.7", "affected", "n/a"), (name, "9.9.8", "fixed", "applies")]
    assert set(document["matrix"][0]) == {"reproducer", "release", "status", "revert", "reason"}
    assert document["disagreements"] == []


def test_all_is_every_bug_and_the_page_has_a_row_for_each(toys: Checkout) -> None:
    done = toys.refault("matrix", "all", "--releases", "9.9.6,9.9.7,9.9.8", "--markdown", "matrix.md")
    assert done.returncode == 0, done.stderr
    lines = (toys.root / "matrix.md").read_text().splitlines()
    assert "| | 9.9.6 | 9.9.7 | 9.9.8 |" in lines
    assert "| pr101\\_stray\\_store | none | bug | **fixed** |" in lines
    (span,) = [line for line in lines if "9.9.7 to 9.9.7" in line]
    assert "| from 9.9.0, fixed in 9.9.8 |" in span and "oob-write into table" in span
    assert any(line.startswith("- pr101\\_stray\\_store, not-applicable in 9.9.6: ") for line in lines)
    assert lines[-1] == "What was measured agrees with what is declared."


def test_all_beside_another_bug_is_refused(toys: Checkout) -> None:
    done = toys.refault("matrix", "all", "101", "--releases", "9.9.8")
    assert done.returncode == 2 and "refault: all 101: all is every bug already" in done.stderr


@pytest.mark.nightly
def test_what_lives_elsewhere_has_a_column(toys: Checkout, tmp_path: Path) -> None:
    package = elsewhere.lay_out(tmp_path / "company")
    words = ("--releases", "9.9.8,9.9.7", "--reproducers", str(package), "--json", "-")
    done = toys.refault("matrix", "901", *words)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["matrix"]
    assert [(row["reproducer"], row["release"]) for row in rows] == [
        (elsewhere.MODULE, "9.9.7"),
        (elsewhere.MODULE, "9.9.8"),
    ]
    assert [row["revert"] for row in rows] == ["applies", "applies"], done.stdout


def test_a_stale_revert_fails_and_says_where_and_stands_on_the_page(toys: Checkout) -> None:
    done = toys.refault("matrix", "--releases", "9.9.9", "--json", "-", "--markdown", "matrix.md")
    assert done.returncode == 1
    (row,) = json.loads(done.stdout)["matrix"]
    assert (row["status"], row["revert"]) == ("fixed", "stale") and "found 0 times" in row["reason"]
    assert (
        "DISAGREES pr101_stray_store 9.9.9: the revert is stale" in done.stderr and "PASS" not in done.stderr
    )
    assert "- **DISAGREES** pr101" in (toys.root / "matrix.md").read_text()


BAD_RELEASES = {
    "9.9.1": "sglang 9.9.1 is no release that can be had",
    "9.9.8,newest": "--releases 'newest': write release numbers between commas",
}


def test_a_bad_release_is_one_line(toys: Checkout) -> None:
    each = toys.refault_each([("matrix", "--releases", releases) for releases in BAD_RELEASES])
    for told, done in zip(BAD_RELEASES.values(), each, strict=True):
        assert done.returncode == 2 and done.stdout == ""
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("refault: ")]
        assert told in line


def test_a_release_is_a_tree_under_test(toys: Checkout) -> None:
    done = toys.refault("repro", "101", "--arm", "fixed", "--sglang", "9.9.7", "--json", "-")
    document = json.loads(done.stdout)
    assert document["sglang"]["version"] == "9.9.7" and document["sglang"]["origin"] == "released"
    assert document["results"][0]["verdict"] == "REGRESSED"
