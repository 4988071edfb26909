"""The bytes of files that many trees share, and the hashes of such trees."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.source import contents, listing


def _folder(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def _by_hand(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()):
        data = (folder / path).read_bytes()
        digest.update(f"{path}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def _linked(original: Path, copy: Path, edited: str, text: str) -> Path:
    for one in original.rglob("*"):
        if one.is_file():
            place = copy / one.relative_to(original)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(one)
    (copy / edited).unlink(missing_ok=True)
    (copy / edited).write_text(text)
    return copy


FILES = {"a.py": "a", "b/c.py": "c", "b/d.py": "d", "e.py": "e"}


@pytest.mark.parametrize("edited", ["a.py", "b/c.py", "b/d.py", "e.py", "0.py", "z.py", "b/cc.py"])
def test_a_tree_that_begins_like_one_before_it_has_the_hash_of_all_its_bytes(
    tmp_path: Path, edited: str
) -> None:
    original = _folder(tmp_path / "one", FILES)
    other = _linked(original, tmp_path / "two", edited, "something else")
    hashes = contents.Hashes()
    found = [hashes.of(str(one), listing.scan(str(one))) for one in (original, other, original)]
    assert found == [_by_hand(original), _by_hand(other), _by_hand(original)]
    assert found[0] != found[1]


def test_a_file_that_was_listed_before_is_not_read_again(tmp_path: Path) -> None:
    folder = _folder(tmp_path, FILES)
    known, before = contents.Contents(), listing.scan(str(folder))
    assert known.of(str(folder / "a.py"), before.stamps["a.py"]) == b"a"
    (folder / "a.py").unlink()
    assert known.of(str(folder / "a.py"), before.stamps["a.py"]) == b"a"
    with pytest.raises(BadInput):
        contents.Contents().of(str(folder / "a.py"), before.stamps["a.py"])


def test_the_same_files_are_hashed_once_whatever_folder_they_are_linked_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes, original = contents.Hashes(), _folder(tmp_path / "one", {"a.py": "a", "b.py": "b"})
    known = hashes.of(str(original), listing.scan(str(original)))
    copy = tmp_path / "two"
    copy.symlink_to(original)
    monkeypatch.setattr(contents, "_add", None)
    assert hashes.of(str(copy), listing.scan(str(copy))) == known
    monkeypatch.undo()
    (original / "b.py").write_text("c")
    assert hashes.of(str(original), listing.scan(str(original))) == _by_hand(original) != known


def test_a_file_that_was_written_since_is_read_anew(tmp_path: Path) -> None:
    folder = _folder(tmp_path, FILES)
    known, before = contents.Contents(), listing.scan(str(folder))
    os.utime(folder / "a.py", ns=(1, 1))  # whatever the clock's step is
    (folder / "a.py").write_text("A")
    assert known.of(str(folder / "a.py"), before.stamps["a.py"]) == b"A"
    (folder / "a.py").write_text("B")
    assert known.of(str(folder / "a.py"), before.stamps["a.py"]) == b"B"  # the first was not kept
    now = listing.scan(str(folder))
    assert known.of(str(folder / "a.py"), now.stamps["a.py"]) == b"B"


def test_what_has_no_room_is_read_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MOST_KEPT", 1)
    folder = _folder(tmp_path, FILES)
    known, before = contents.Contents(), listing.scan(str(folder))
    for path in FILES:
        known.of(str(folder / path), before.stamps[path])
    for path in FILES:
        (folder / path).unlink()
    assert known.of(str(folder / "a.py"), before.stamps["a.py"]) == b"a"
    with pytest.raises(BadInput):
        known.of(str(folder / "e.py"), before.stamps["e.py"])


def _write(folder: Path) -> None:
    os.utime(folder / "b/c.py", ns=(1, 1))


def _add(folder: Path) -> None:
    (folder / "b/new.py").write_text("")


def _remove(folder: Path) -> None:
    (folder / "b/d.py").unlink()


def _new_folder(folder: Path) -> None:
    (folder / "g").mkdir()


def _replace(folder: Path) -> None:
    (folder / "new").write_text("c")
    os.replace(folder / "new", folder / "b/c.py")


def _lead_elsewhere(folder: Path) -> None:
    (folder / "b/f.py").unlink()
    (folder / "b/f.py").symlink_to(folder / "e.py")


@pytest.mark.parametrize("change", [_write, _add, _remove, _new_folder, _replace, _lead_elsewhere])
def test_a_folder_holds_until_somebody_changes_it(tmp_path: Path, change: object) -> None:
    folder = _folder(tmp_path, FILES)
    (folder / "b/f.py").symlink_to(folder / "a.py")
    before = listing.scan(str(folder))
    assert before.holds(str(folder))
    assert callable(change)
    change(folder)
    assert not before.holds(str(folder))


def test_bytecode_written_meanwhile_is_no_difference_all_the_same(tmp_path: Path) -> None:
    folder = _folder(tmp_path, FILES)
    before = listing.scan(str(folder))
    _folder(folder, {"b/__pycache__/c.cpython-311.pyc": "x"})
    assert not before.holds(str(folder))
    assert before.differs(listing.scan(str(folder))) is None
