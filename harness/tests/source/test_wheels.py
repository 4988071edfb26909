"""One wheel: unpacked, checked against its record, and known again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import BadWheel
from harness.source import wheels
from harness.source.tree import Tree
from harness.source.wheels import Manifest
from harness.tests.source import toy_wheel


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return toy_wheel.write(tmp_path, "1.2.3")


def unpack(wheel: Path, to: Path) -> Manifest:
    return wheels.unpack(wheel, wheels.read(wheel), to, "toy")


def test_package_and_metadata_are_unpacked_and_nothing_else(wheel: Path, tmp_path: Path) -> None:
    manifest = unpack(wheel, tmp_path / "to")
    held = {str(path.relative_to(tmp_path / "to")) for path in (tmp_path / "to").rglob("*") if path.is_file()}
    info = {f"toy-1.2.3.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD")}
    assert held == {"toy/__init__.py", "toy/pages.py", "toy/data/table.json"} | info
    assert manifest.wheel == wheel.name and manifest.sha256 == wheels.digest(wheel.read_bytes())
    assert manifest.package == Tree(tmp_path / "to", "toy").content_hash


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"toy/pages.py": "SIZE = 1\n"}, "toy/pages.py is not what its record says"),
        ({"toy/more.py": ""}, "toy/more.py is not in its record"),
        ({"toy-1.2.3.dist-info/RECORD": None}, "0 records"),
        ({"toy-1.2.3.dist-info/METADATA": "Version: 1.2.3\n"}, "METADATA is not what its record says"),
        ({"toy-1.2.3.dist-info/METADATA": "Version: 2\n"}, "its metadata says 2, its name 1.2.3"),
        ({"toy/__init__.py": None}, "no toy/__init__.py"),
        ({"toy/../../outside.py": ""}, "would lie outside"),
    ],
)
def test_what_differs_from_the_record_is_refused(
    wheel: Path, tmp_path: Path, changes: dict[str, str | None], problem: str
) -> None:
    toy_wheel.rewrite(wheel, changes)
    with pytest.raises(BadWheel, match=problem):
        unpack(wheel, tmp_path / "to")


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_cut_wheel_is_refused(wheel: Path, tmp_path: Path, kept: float) -> None:
    data = wheel.read_bytes()
    wheel.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(BadWheel, match="cannot be unpacked"):
        unpack(wheel, tmp_path / "to")


def test_a_place_that_cannot_be_written_says_nothing_of_the_wheel(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(NotADirectoryError):
        unpack(wheel, tmp_path / "file" / "to")


def edit(path: Path) -> None:
    path.write_text("SIZE = 61\n", encoding="utf-8")


def same_size(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace("16", "61"), encoding="utf-8")


@pytest.mark.parametrize("damage", [edit, same_size, Path.unlink])
def test_any_change_of_the_package_is_noticed(
    wheel: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    unpack(wheel, tmp_path / "to").write(tmp_path / "to")
    assert wheels.intact(Tree(tmp_path / "to", "toy"))
    damage(tmp_path / "to" / "toy" / "pages.py")
    assert not wheels.intact(Tree(tmp_path / "to", "toy"))


@pytest.mark.parametrize("name", ["release.json", "toy-1.2.3.dist-info/METADATA", "toy/__init__.py"])
def test_so_is_a_missing_file_beside_it(wheel: Path, tmp_path: Path, name: str) -> None:
    unpack(wheel, tmp_path / "to").write(tmp_path / "to")
    (tmp_path / "to" / name).unlink()
    assert not wheels.intact(Tree(tmp_path / "to", "toy"))


def test_bytecode_is_no_change(wheel: Path, tmp_path: Path) -> None:
    unpack(wheel, tmp_path / "to").write(tmp_path / "to")
    (tmp_path / "to" / "toy" / "__pycache__").mkdir()
    (tmp_path / "to" / "toy" / "__pycache__" / "pages.cpython-311.pyc").write_bytes(b"\0")
    assert wheels.intact(Tree(tmp_path / "to", "toy"))


def test_the_version_comes_from_the_name(tmp_path: Path) -> None:
    assert wheels.version(tmp_path / "toy-1.2.3.post1-cp311-cp311-linux_x86_64.whl", "toy") == "1.2.3.post1"
    for name in ("other-1.2.3-py3-none-any.whl", "toy-1.2.3.zip", "toy.whl"):
        with pytest.raises(BadWheel, match="its name does not read"):
            wheels.version(tmp_path / name, "toy")
