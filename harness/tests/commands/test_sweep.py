"""`refault sweep`, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.tests.toyland import checkout
from harness.tests.toyland.checkout import Checkout


@pytest.fixture
def bare(tmp_path: Path) -> Checkout:
    """With a cache of its own, which holds the sweep's book."""
    return checkout.lay_out(tmp_path / "checkout", tmp_path / "cache", ("pr101_stray_store",))


def test_the_map_the_smallest_point_and_the_book(bare: Checkout) -> None:
    done = bare.refault("sweep", "101", "--json", "sweep.json")
    assert done.returncode == 0, done.stderr
    assert "pr101_stray_store: the bug bites at 1 of 2 points (all of them, of 2 combinations)" in done.stdout
    assert "every point agrees with what the reproducer's arithmetic says" in done.stdout
    assert "  refault repro 101 --set tokens=2 --set page_size=2" in done.stdout.splitlines()
    assert "no findings in the fixed arm" in done.stdout
    swept = json.loads((bare.root / "sweep.json").read_text())["sweep"]
    assert (swept["points"], swept["biting"], swept["mismatches"]) == (2, 1, [])
    assert swept["map"]["down"] == "page_size" and swept["map"]["cells"] == [[[0, 1]], [[1, 1]]]
    (book,) = (bare.cache / "sweeps").iterdir()
    assert len(book.read_text().splitlines()) == 3
    again = bare.refault("sweep", "101", "--resume")
    assert again.returncode == 0 and "[2/2] known already" in again.stderr
    assert again.stdout == done.stdout


def test_a_tier_that_is_not_there_is_one_line(bare: Checkout) -> None:
    done = bare.refault("sweep", "101", "--tier", "codegen")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "refault: pr101 has no case in tier codegen: it has kernel\n"
