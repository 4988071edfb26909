"""The bytecode of a run."""

from __future__ import annotations

import marshal
import os
import shutil
from pathlib import Path

import pytest

from harness.source import bytecode
from harness.source.bytecode import Bytecode, Making, Shelf
from harness.source.tree import Tree, at

ASKS = """
from . import plain
from .ops import kernels as k
import os, toy.gone
class C:
    def later(self):
        from toy.late import later
"""


def held(tree: Tree, made: Bytecode) -> set[str]:
    shelf = Shelf(made.to_json())
    sources = {path: tree.read(path) for path in tree.files() if path.endswith(".py")}
    return {path for path, source in sources.items() if source and shelf.of(source)}


@pytest.fixture
def asking(tree: Tree) -> Tree:
    (tree.folder / "asks.py").write_text(ASKS)
    (tree.folder / "late.py").write_text("later = 1\n")
    (tree.folder / "aside.py").write_text("aside = 1\n")
    return tree


@pytest.mark.parametrize("deep", [False, True])
def test_what_a_module_imports_is_compiled(asking: Tree, tmp_path: Path, deep: bool) -> None:
    made = Making(asking.root, "toy", ["toy.asks"], tmp_path / "made", deep=deep).done
    assert held(asking, made) == {"asks.py", "plain.py", "ops/kernels.py", *(["late.py"] if deep else [])}


def test_nothing_is_executed(asking: Tree, tmp_path: Path) -> None:
    (asking.folder / "asks.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n{ASKS}")
    assert Making(asking.root, "toy", ["toy.asks"], tmp_path / "made", deep=True).done.file
    assert not (tmp_path / "ran").exists()


def test_where_it_cannot_be_written_there_is_none(tree: Tree, tmp_path: Path) -> None:
    making = Making(tree.root, "toy", ["toy.plain"], tmp_path / "gone" / "made", deep=False)
    assert making.done == Bytecode() and not held(tree, making.done)
    making.discard()


def test_one_that_takes_long_is_given_up(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytecode, "_SECONDS", 0)
    assert Making(tree.root, "toy", ["toy.plain"], tmp_path / "made", deep=False).done == Bytecode()


def test_it_is_taken_away_even_before_it_is_done(tree: Tree, tmp_path: Path) -> None:
    for wait in (False, True):
        making = Making(tree.root, "toy", ["toy.plain"], tmp_path / "made", deep=False)
        assert not wait or making.done.file
        making.discard()
        assert not (tmp_path / "made").exists()


def test_what_is_kept_is_found_again_and_holds_the_same(tree: Tree, tmp_path: Path) -> None:
    place = tmp_path / "kept" / "one"
    assert bytecode.kept(place) is None
    making = Making(tree.root, "toy", ["toy.plain"], tmp_path / "made", deep=False, kept=place)
    made = making.done
    making.discard()
    assert made.file == str(place) and not (tmp_path / "made").exists()
    found = bytecode.kept(place)
    assert found and found.done == made and held(tree, found.done) == {"plain.py"}


def kept(tree: Tree, folder: Path, compiler: str = "") -> Path:
    """The bytecode of `asks` and what it imports, as a run that this compiler made keeps it."""
    name = bytecode.key(tree.content_hash, ["toy.asks"], deep=False)
    place = folder / f"{compiler or name.partition('-')[0]}-{name.partition('-')[2]}"
    assert Making(tree.root, "toy", ["toy.asks"], folder.parent / "made", deep=False, kept=place).done.file
    return place


def compiled_from(tree: Tree, file: Path) -> dict[str, Path]:
    """Where the source lay that each piece of a kept file was compiled from."""
    found = bytecode.kept(file)
    assert found
    shelf = Shelf(found.done.to_json())
    pieces = {path: shelf.of(tree.read(path)) for path in held(tree, found.done)}
    return {path: Path(marshal.loads(piece[16:]).co_filename) for path, piece in pieces.items() if piece}


@pytest.fixture
def other(asking: Tree, tmp_path: Path) -> Tree:
    """The same tree elsewhere, with one module changed."""
    shutil.copytree(asking.root, tmp_path / "other")
    (tmp_path / "other/toy/asks.py").write_text(f"{ASKS}more = 1\n")
    return at(tmp_path / "other", "toy")


def test_what_trees_have_in_common_is_compiled_once(asking: Tree, other: Tree, tmp_path: Path) -> None:
    kept(asking, tmp_path / "kept")
    pieces = compiled_from(other, kept(other, tmp_path / "kept"))
    assert pieces.pop("asks.py") == other.folder / "asks.py"
    assert pieces == {path: asking.folder / path for path in ("plain.py", "ops/kernels.py")}


@pytest.mark.parametrize("spoilt", ["another compiler", "an altered piece", "an altered index", "a folder"])
def test_what_was_not_made_alike_is_compiled_anew(
    asking: Tree, other: Tree, tmp_path: Path, spoilt: str
) -> None:
    former = kept(asking, tmp_path / "kept", "0" * 16 if spoilt == "another compiler" else "")
    data = bytearray(former.read_bytes())
    if spoilt == "an altered piece":
        data[8 + int.from_bytes(data[:8], "little") :] = bytes(len(data))
    elif spoilt == "an altered index":
        data[9] ^= 1
    former.write_bytes(data)
    if spoilt == "a folder":
        former.unlink()
        former.mkdir()
    pieces = compiled_from(other, kept(other, tmp_path / "kept"))
    assert pieces == {path: other.folder / path for path in ("asks.py", "plain.py", "ops/kernels.py")}


def test_an_import_behind_many_names_is_followed(asking: Tree, tmp_path: Path) -> None:
    """An operand of more than one byte stands in two instructions."""
    many = "\n".join(f"name{number} = {number}.5" for number in range(300))
    (asking.folder / "asks.py").write_text(f"{many}\n{ASKS}")
    made = Making(asking.root, "toy", ["toy.asks"], tmp_path / "made", deep=False).done
    assert held(asking, made) == {"asks.py", "plain.py", "ops/kernels.py"}


@pytest.mark.parametrize("left", [0, 4, 30])
def test_a_file_that_was_cut_off_gives_nothing(tree: Tree, tmp_path: Path, left: int) -> None:
    place = tmp_path / "kept" / "one"
    assert Making(tree.root, "toy", ["toy.plain"], tmp_path / "made", deep=False, kept=place).done.file
    os.truncate(place, left)
    found = bytecode.kept(place)
    assert found is None or not held(tree, found.done)


def test_where_it_cannot_be_kept_it_is_the_run_s_alone(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("in the way")
    place = tmp_path / "kept" / "one"
    made = Making(tree.root, "toy", ["toy.plain"], tmp_path / "made", deep=False, kept=place).done
    assert made.file == str(tmp_path / "made") and held(tree, made) == {"plain.py"}


def test_those_that_were_used_longest_ago_make_room(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bytecode, "_KEPT", 2)
    folder = tmp_path / "kept"
    folder.mkdir()
    for number in range(3):
        (folder / str(number)).write_bytes(bytes(8) + b"x")
        os.utime(folder / str(number), (number, number))
    assert Making(tree.root, "toy", ["toy.plain"], tmp_path / "made", deep=False, kept=folder / "new").done
    assert {file.name for file in folder.iterdir()} == {"2", "new"}


def test_a_name_hangs_on_all_that_bytecode_does() -> None:
    one = bytecode.key("a", ["m", "n"], deep=False)
    assert one == bytecode.key("a", ["n", "m"], deep=False)
    others = {bytecode.key("b", ["m", "n"], deep=False), bytecode.key("a", ["m"], deep=False)}
    assert one not in others | {bytecode.key("a", ["m", "n"], deep=True)}
