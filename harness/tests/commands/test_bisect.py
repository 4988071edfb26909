"""`refault bisect`, as a user types it, over toy releases and toy commits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.tests.bisect.test_commits import Clone
from harness.tests.matrix.samples import RELEASES, toy
from harness.tests.source import toy_wheel
from harness.tests.toyland import checkout, elsewhere, upstream
from harness.tests.toyland.checkout import Checkout

BROKEN = upstream.altered("def build_table(", "def build_table(((")
UNFIXED = upstream.altered("numel = pages * page_size", "numel = pages")


@pytest.fixture
def toys(tmp_path: Path, cache: Path) -> Checkout:
    return checkout.lay_out(tmp_path / "checkout", cache, ("pr101_stray_store",))


def test_releases(tmp_path: Path, toys: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("9.9.6", "9.9.7", "9.9.8"):
        toy_wheel.write(tmp_path / "wheels", version, RELEASES[version], package="sglang")
    for name, value in toy_wheel.index(tmp_path / "wheels").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Checkout, "environment", {**toys.environment, "REFAULT_CACHE": str(tmp_path / "own")})
    done = toys.refault("bisect", "101", "--good", "9.9.8", "--bad", "9.9.7", "--json", "b.json")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "2 releases from 9.9.7 to 9.9.8, at most 2 steps"
    assert lines[-2] == "pr101: fixed between 9.9.7 (bad) and 9.9.8 (good), after 2 steps"
    told = json.loads((toys.root / "b.json").read_text())
    assert (told["what"], told["good"], told["bad"], told["between"]) == ("fixed", "9.9.8", "9.9.7", [])
    assert [(step["answer"], step["hits"], step["runs"]) for step in told["steps"]] == [
        ("bad", 1, 1),
        ("good", 0, 1),
    ]
    unclear = toys.refault("bisect", "101", "--good", "9.9.7", "--bad", "9.9.6")
    assert unclear.returncode == 2
    assert "9.9.6 was given as bad and cannot be judged" in unclear.stderr


@pytest.mark.nightly
def test_what_lives_elsewhere(tmp_path: Path, toys: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    package = elsewhere.lay_out(tmp_path / "company")
    for version, changes in (("9.9.7", {"moved = slots - window": "moved = slots"}), ("9.9.8", {})):
        toy_wheel.write(tmp_path / "wheels", version, toy(changes), package="sglang")
    for name, value in toy_wheel.index(tmp_path / "wheels").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Checkout, "environment", {**toys.environment, "REFAULT_CACHE": str(tmp_path / "own")})
    found = toys.refault("bisect", "901", "--good", "9.9.8", "--bad", "9.9.7", "--reproducers", str(package))
    assert found.returncode == 0, found.stderr
    assert "pr901: fixed between 9.9.7 (bad) and 9.9.8 (good), after 2 steps" in found.stdout


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed here")
def test_commits(tmp_path: Path, toys: Checkout) -> None:
    """Fixed, some that cannot be imported, and broken again: the middle is skipped, and that is said."""
    (tmp_path / "clone").mkdir()
    clone = Clone(tmp_path / "clone")
    for number, pages in enumerate([upstream.PAGES, upstream.PAGES, BROKEN, UNFIXED, UNFIXED]):
        upstream_folder = clone.root / "python"
        shutil.rmtree(upstream_folder, ignore_errors=True)
        upstream.write(upstream_folder, pages)
        clone.commit(number)
    found = toys.refault(
        "bisect", "101", "--good", "main~4", "--bad", "main", "--checkout", str(clone.root), "--repeat", "2"
    )
    assert found.returncode == 3, found.stdout + found.stderr
    *_, where, between, skipped, sure = found.stdout.splitlines()
    assert "pr101: introduced between" in where and "size 1 (good)" in where and "size 3 (bad)" in where
    assert between == "or in one of 1 between them that could not be judged:"
    assert "size 2:" in skipped and "sure" in sure


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--good", "9.9.8", "--bad", "9.9.8"), "--good and --bad are both 9.9.8: give two"),
        (("--good", "main", "--bad", "9.9.8"), "--good 'main': is no release"),
    ],
)
def test_ends_that_are_none(toys: Checkout, words: tuple[str, ...], told: str) -> None:
    done = toys.refault("bisect", "101", *words)
    assert done.returncode == 2 and told in done.stderr and done.stdout == ""
