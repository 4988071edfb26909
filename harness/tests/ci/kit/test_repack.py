"""Wheels come out smaller, with a record that is right."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from pathlib import Path
from zipfile import ZipFile

import pytest

from ci.kit import repack, slim
from ci.kit.slim import Slimming
from harness.errors import BadInput
from harness.tests.ci.kit import fatbins, wheels


def _recorded(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel, each checked against its record."""
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        rows = {path: digest for path, digest, _ in csv.reader(io.StringIO(archive.read(name).decode()))}
        assert sorted(rows) == sorted(archive.namelist())
        found = {path: archive.read(path) for path in rows if path != name}
    for path, data in found.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        assert rows[path] == f"sha256={digest}"
    return found


def test_what_stays_out_is_out_and_what_is_edited_is_edited(tmp_path: Path) -> None:
    files = {"a/keep.py": b"1", "a/lib.a": b"archive", "a/code.so": b"long"}
    wheel = wheels.write(tmp_path / "in", "a", "1.0", files)
    rule = Slimming(leave_out=("*.a",), edits=(("*.so", lambda file: file.write_bytes(b"short")),))
    (tmp_path / "out").mkdir()
    found = _recorded(repack.repack(wheel, tmp_path / "out", rule))
    assert found["a/keep.py"] == b"1" and found["a/code.so"] == b"short" and "a/lib.a" not in found


def test_the_same_wheel_is_packed_the_same(tmp_path: Path) -> None:
    wheel = wheels.write(tmp_path / "in", "a", "1.0", {"a/x.py": b"1"})
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        repack.repack(wheel, tmp_path / name)
    assert (tmp_path / "one" / wheel.name).read_bytes() == (tmp_path / "two" / wheel.name).read_bytes()


def test_an_excerpt_is_a_wheel_of_one_file(tmp_path: Path) -> None:
    wheel = wheels.write(tmp_path / "in", "a", "1.0", {"a/x.py": b"1", "a/big.so": b"code"})
    found = _recorded(repack.excerpt(wheel, "a/big.so", "a_big", tmp_path, None))
    assert found["a/big.so"] == b"code" and "a/x.py" not in found
    assert b"Name: a_big" in found["a_big-1.0.dist-info/METADATA"]


def test_the_kernels_of_one_chip_stay(tmp_path: Path) -> None:
    code = fatbins.library([(80, b"old"), (90, b"new")])
    names = ("sgl_kernel/sm90/common_ops.abi3.so", "sgl_kernel/sm100/common_ops.abi3.so", slim.FLASH_OPS)
    files = {**dict.fromkeys(names, code), "sgl_kernel/__init__.py": b""}
    wheel = wheels.write(tmp_path / "in", "sglang_kernel", "0.4.4", files)
    (tmp_path / "out").mkdir()
    found = _recorded(repack.repack(wheel, tmp_path / "out", slim.slimming("sglang-kernel", 90)))
    assert found[names[0]] == fatbins.library([(80, bytes(3)), (90, b"new")])
    assert not {names[1], names[2]} & found.keys()


def test_a_library_without_what_is_wanted_is_refused(tmp_path: Path) -> None:
    library = tmp_path / "flash_ops.so"
    library.write_bytes(fatbins.library([(80, b"old")]))
    with pytest.raises(BadInput, match="holds no GPU code that is wanted"):
        slim.blanking(lambda piece, names: False)(library)


def test_most_wheels_travel_as_they_are() -> None:
    assert slim.slimming("fastapi", 90) is None
