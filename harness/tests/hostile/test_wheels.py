"""Wheels that are none, or more than one thing: one line, exit code 2, and nothing left in the cache."""

from __future__ import annotations

import json
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.kit import install
from ci.kit.fetch import Store
from ci.kit.target import Target
from harness.errors import BadInput
from harness.source.releases import Releases
from harness.tests.hostile import forged_wheels as forged
from harness.tests.hostile.forged_wheels import FILES, INFO, Wheel, patched, with_file
from harness.tests.toyland import checkout

PAGES = FILES["sglang/pages.py"]
HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "encrypted": (patched(forged.encrypt), "is encrypted"),
    "absolute name": (with_file("sglang//etc/passwd"), "is no plain path"),
    "name that climbs": (with_file("sglang/../../evil.py"), "would lie outside"),
    "name with a backslash": (with_file("sglang/a\\b.py"), "is no plain path"),
    "link": (forged.special(forged.LINK), "is a link, or no file at all"),
    "fifo inside": (forged.special(forged.FIFO), "is a link, or no file at all"),
    "name given twice": (Wheel(entries=[("sglang/pages.py", PAGES)]), "is in it twice"),
    "names that differ in case": (with_file("sglang/Pages.py"), "is in it twice, but for case"),
    "a file inside a file": (with_file("sglang/pages.py/deep.py"), "lies in a file"),
    "bytecode": (with_file("sglang/__pycache__/pages.cpython-311.pyc"), "is bytecode"),
    "bytecode without a source": (with_file("sglang/more.pyc"), "is bytecode"),
    "a library over a source": (with_file("sglang/pages.abi3.so"), "hides pages.py"),
    "package from its data": (with_file("sglang-9.9.9.data/purelib/sglang/x.py"), "its folder of data"),
    "no record": (Wheel(record=b""), "0 records"),
    "two records": (with_file("sglang-1.0.dist-info/RECORD"), "2 records"),
    "record of noise": (Wheel(record=b"\xff\xfe\0\1"), "cannot be unpacked"),
    "record with a row too short": (Wheel(rows=("sglang/x.py",)), "has a row that is none"),
    "record that names a file twice": (
        Wheel(rows=("sglang/pages.py,sha256=x,1",)),
        "names a file twice",
    ),
    "record without digests": (
        Wheel(record=forged.lines(*(f"{name},,".encode() for name in FILES), f"{INFO}/RECORD,,".encode())),
        "is not what its record says",
    ),
    "file that its record does not know": (Wheel(entries=[("sglang/x.py", b"")]), "is not in its record"),
    "file that only calls itself a record": (
        Wheel(entries=[("sglang/x.dist-info/RECORD", b"1")], rows=("sglang/x.dist-info/RECORD,,",)),
        "is not what its record says",
    ),
    "no metadata": (Wheel(metadata=None), "0 files METADATA"),
    "another version": (Wheel(metadata=b"Version: 9.9.8\n"), "its metadata says 9.9.8, its name 9.9.9"),
    "no version": (Wheel(metadata=b"Name: sglang\n"), "its metadata says nothing"),
    "version that a terminal obeys": (Wheel(metadata=b"Version: 9\x1b[2J\n"), r"says 9\x1b[2J, its name"),
    "name of another package": (Wheel(name="torch-9.9.9-py3-none-any.whl"), "its name does not read"),
    "name with no version": (Wheel(name="sglang-\x1b[1m-py3-none-any.whl"), "its name has no version"),
    "no package": (Wheel(files={"torch/__init__.py": b""}), "holds no sglang/__init__.py"),
    "bomb": (forged.bomb, "unpacks to more than 128 MiB"),
    "bomb that hides its size": (patched(forged.hide_size, forged.HIDDEN_BOMB), "cannot be unpacked"),
    "bombs": (patched(forged.declare_a_gigabyte, forged.MANY), "unpacks to more than 1024 MiB"),
    "crowd": (forged.crowd, "more than 50000 entries"),
    "more than it declares": (patched(forged.declare_more), "is larger or smaller than it says"),
    "declares terabytes": (patched(forged.declare_terabytes), "unpacks to more than 128 MiB"),
    "packed by nobody's method": (patched(forged.unknown_packing), "packed in a way that wheels are not"),
    "packed by bzip2": (forged.packed_otherwise, "packed in a way that wheels are not"),
    "entries over each other": (patched(forged.overlap, with_file("sglang/more.py")), "cannot be unpacked"),
    "endless list of entries": (patched(forged.long_list), "its list of entries has more than 16 MiB"),
    "cut in the middle": (forged.cut(0.5), "cannot be unpacked"),
    "cut in its list": (forged.cut(0.9), "cannot be unpacked"),
    "empty": (forged.cut(0.0), "cannot be unpacked"),
    "very long name": (with_file(f"sglang/{'x' * 300}.py"), "is too long a name"),
    "very deep name": (with_file(f"sglang/{'x/' * 100}y.py"), "is too long a name"),
    "name that nothing shows": (with_file("sglang/\u202eyp.evil.py"), r"sglang/\u202eyp.evil.py"),
    "fifo": (forged.fifo, "is a FIFO"),
    "device": (forged.device, "is a device"),
    "folder": (forged.a_folder, "is a folder"),
    "a terabyte of nothing": (forged.sparse, "has more than"),
    "link to nowhere": (forged.dangling, "No such file or directory"),
}


@pytest.mark.nightly
def test_each_is_refused_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    toys = checkout.lay_out(tmp_path / "checkout", tmp_path / "cache", ["pr101_stray_store"])
    wheels = {}
    for number, (name, (make, _)) in enumerate(HOSTILE.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        wheels[name] = make(folder)
    begun = time.monotonic()
    ended = toys.refault_each([["show", "101", "--sglang", str(wheel)] for wheel in wheels.values()])
    assert time.monotonic() - begun < 100
    for (name, (_, told)), done in zip(HOSTILE.items(), ended, strict=True):
        assert (done.returncode, done.stdout) == (2, ""), (name, done)
        (line,) = done.stderr.splitlines()
        assert line.startswith("refault: ") and told in line and line.isprintable(), (name, line)
    left = [path.name for path in (tmp_path / "cache" / "releases").iterdir()]
    assert all(name.endswith(".lock") for name in left), left


def test_a_sound_one_with_other_packages_in_it_is_taken_without_them(tmp_path: Path) -> None:
    toys = checkout.lay_out(tmp_path / "checkout", tmp_path / "cache", ["pr101_stray_store"])
    wheel = with_file("torch/__init__.py", b"raise SystemExit(7)\n")(tmp_path)
    (done,) = toys.refault_each([["show", "101", "--sglang", str(wheel)]])
    assert done.returncode == 0, done
    (entry,) = (path for path in (tmp_path / "cache" / "releases").iterdir() if path.is_dir())
    assert sorted(path.name for path in entry.iterdir()) == ["release.json", "sglang", INFO]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_so_is_one_packed_in_either_way(tmp_path: Path, method: int) -> None:
    tree = Releases(tmp_path / "cache").unpacked(Wheel(compression=method)(tmp_path))
    assert (tree.version, tree.read("pages.py")) == ("9.9.9", PAGES)


def test_a_full_disk_blames_the_cache_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    wheel = Wheel()(tmp_path)
    with pytest.raises(BadInput, match=r"cannot hold a release \(No space left .*REFAULT_CACHE"):
        Releases(tmp_path / "cache").unpacked(wheel)
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []


# --- kits -----------------------------------------------------------------------------------

CARRIED: dict[str, Callable[[Path], Path]] = {
    "encrypted": patched(forged.encrypt),
    "cut": forged.cut(0.6),
    "no metadata": Wheel(metadata=None),
    "metadata of noise": Wheel(metadata=b"\xff\xfe"),
    "a need that is none": Wheel(metadata=forged.METADATA + b"Requires-Dist: ===\x1b[2J\n"),
    "unknown packing": patched(forged.unknown_packing_everywhere),
}


@pytest.mark.parametrize("name", CARRIED)
def test_a_wheel_for_a_kit_that_cannot_be_read_is_one_line(tmp_path: Path, name: str) -> None:
    CARRIED[name](tmp_path)
    (tmp_path / "odd.whl").write_bytes(b"")
    with pytest.raises(BadInput) as caught:
        Store(tmp_path, Target(python="3.12")).requires("sglang", "9.9.9")
    assert forged.NAME in str(caught.value) and str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["../evil.py", "/evil.py", "sglang-9.9.9.data/purelib/../../evil.py"])
def test_a_kit_s_wheel_writes_nothing_outside_of_the_site(tmp_path: Path, name: str) -> None:
    wheel = with_file(name)(tmp_path)
    (tmp_path / "site").mkdir()
    with pytest.raises(install.Refused, match="would write outside of the site"):
        install._unpack(wheel, tmp_path / "site")
    assert not list(tmp_path.rglob("evil.py"))


@pytest.mark.parametrize("part", ["gone", "noise", "no list", "a slice that is not there"])
def test_a_damaged_part_of_a_kit_is_one_line(
    tmp_path: Path, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "part-1").mkdir()
    manifest = tmp_path / "part-1" / install.MANIFEST
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    told: dict[str, object] = {"python": here, "parcels": [{"wheel": "a.whl", "sha256": "x", "slices": []}]}
    written = {"noise": b"\xff", "no list": b'{"python": "%s"}' % here.encode()}
    manifest.write_bytes(written.get(part, json.dumps(told).encode()))
    if part == "gone":
        manifest.unlink()
    assert install.main(["install", str(tmp_path / "site"), str(tmp_path / "part-1")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("install: ")
