"""A scan of many files is made once for each state of these files, and has the same result all the same."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.process import recall
from harness.process.recall import scans
from harness.process.recall.kept import Kept
from harness.process.recall.scans import SCANS, Scan

SCANNER = '''
import os

CALLS = []

def names(path):
    """The words of each file below a folder, by the file's name."""
    CALLS.append(path)
    folder = os.path.dirname(path) if os.path.isfile(path) else path
    found = {}
    for name in sorted(os.listdir(folder)):
        below = os.path.join(folder, name)
        if os.path.isdir(below):
            found[name] = names(below)
        elif name.endswith(".txt"):
            found[name] = {frozenset(): set(open(below).read().split())}
    return found
'''
SCAN = Scan("m_scanner", "names", ".txt")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Files to be scanned; the scanner is on the search path."""
    (tmp_path / "m_scanner.py").write_text(SCANNER)
    (tmp_path / "files/below").mkdir(parents=True)
    (tmp_path / "files/one.txt").write_text("a b c")
    (tmp_path / "files/below/two.txt").write_text("d e")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "files"
    sys.modules.pop("m_scanner", None)


def scanned(folder: Path, kept: Kept) -> tuple[Any, int]:
    """What a process that imports the scanner finds there, and how often the scanner ran for it."""
    sys.modules.pop("m_scanner", None)
    with scans.recalled(kept, [SCAN]):
        module = importlib.import_module("m_scanner")
        found = module.names(str(folder))
    return found, len(module.CALLS)


FOUND = {"below": {"two.txt": {frozenset(): {"d", "e"}}}, "one.txt": {frozenset(): {"a", "b", "c"}}}


def test_files_are_read_once(folder: Path, tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept")
    assert scanned(folder, kept) == (FOUND, 2)
    assert scanned(folder, kept) == (FOUND, 0)
    kept.save()
    assert scanned(folder, Kept(tmp_path / "kept")) == (FOUND, 0)
    assert scanned(folder / "one.txt", kept) == (FOUND, 0)  # it reads the same


def _rewrite(folder: Path) -> None:
    before = (folder / "one.txt").stat()
    (folder / "one.txt").write_text("a b C")
    os.utime(folder / "one.txt", ns=(before.st_atime_ns, before.st_mtime_ns + 1))


@pytest.mark.parametrize(
    "change",
    [
        _rewrite,
        lambda folder: (folder / "below/three.txt").write_text("f"),
        lambda folder: (folder / "below/two.txt").unlink(),
        lambda folder: (folder / "one.txt").rename(folder / "four.txt"),
        lambda folder: (folder.parent / "m_scanner.py").write_text(SCANNER + "\n\n"),
    ],
)
def test_whatever_changes_is_read_anew(folder: Path, tmp_path: Path, change: Any) -> None:
    kept = Kept(tmp_path / "kept")
    scanned(folder, kept)
    change(folder)
    found, calls = scanned(folder, kept)
    fresh, _ = scanned(folder, Kept(tmp_path / "none"))
    assert calls == 2 and found == fresh


def test_what_is_not_read_changes_nothing(folder: Path, tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept")
    scanned(folder, kept)
    (folder / "notes.md").write_text("new")
    assert scanned(folder, kept)[1] == 0


def test_sets_come_in_one_order(folder: Path, tmp_path: Path) -> None:
    (folder / "one.txt").write_text(" ".join(map(str, range(300))))
    kept = Kept(tmp_path / "kept")
    first, second = (list(scanned(folder, kept)[0]["one.txt"][frozenset()]) for _ in range(2))
    assert first == second


def test_the_function_is_the_package_s_own_again(folder: Path, tmp_path: Path) -> None:
    before = list(sys.meta_path)
    scanned(folder, Kept(tmp_path / "kept"))
    assert sys.meta_path == before
    names = sys.modules["m_scanner"].names
    assert not hasattr(names, "__wrapped__") and names.__module__ == "m_scanner"


def test_a_package_without_the_function_is_imported_all_the_same(folder: Path, tmp_path: Path) -> None:
    with scans.recalled(Kept(tmp_path / "kept"), [Scan("m_scanner", "gone", ".txt")]):
        module: Any = importlib.import_module("m_scanner")
    assert len(module.names(str(folder))) == 2 and not hasattr(module, "gone")


def test_a_scan_that_fails_fails_as_it_did(folder: Path, tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept")
    (folder / "one.txt").write_bytes(b"\xff")
    for _ in range(2):
        with pytest.raises(UnicodeDecodeError):
            scanned(folder, kept)


@pytest.mark.parametrize("scan", SCANS, ids=lambda scan: scan.module)
def test_what_real_packages_read_is_found_the_same(scan: Scan, tmp_path: Path) -> None:
    module: Any = importlib.import_module(scan.module)
    original = getattr(module, scan.function)
    models = Path(importlib.import_module("transformers").__path__[0], "models")
    plain = original(models)
    for _ in range(2):
        with recall.ahead(Kept(tmp_path / "kept")):
            assert getattr(module, scan.function)(models) == plain
    assert getattr(module, scan.function) is original and len(plain) > 300
