"""Wheels rewritten: without what stays out, uncompressed, with a record of their own."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from ci.kit.slim import Edit, Slimming

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The oldest time a zip file can tell: a kit made twice from the same wheels is the same."""
_READABLE, _EXECUTABLE = 0o100644, 0o100755
_CHUNK = 1 << 20
PURE = "py3-none-any"
"""The tag of a wheel without native code."""


def repack(wheel: Path, to: Path, slimming: Slimming | None = None) -> Path:
    """Write a wheel's files plainly into a wheel in the folder `to`: what packs a part compresses better."""
    rule = slimming or Slimming()
    target = to / wheel.name
    with ZipFile(wheel) as source, WheelWriter(target) as out, tempfile.TemporaryDirectory(dir=to) as scratch:
        for info in source.infolist():
            if info.is_dir() or info.filename.endswith(".dist-info/RECORD") or not rule.keeps(info.filename):
                continue
            file = Path(scratch) / "file"
            with source.open(info) as packed, file.open("wb") as plain:
                shutil.copyfileobj(packed, plain, _CHUNK)
            if edit := rule.edit(info.filename):
                edit(file)
            out.add(info.filename, file, executable=bool(info.external_attr >> 16 & 0o100))
    return target


def excerpt(wheel: Path, file: str, name: str, to: Path, edit: Edit | None) -> Path:
    """A wheel `name` of one file of another wheel, which leaves it out. KeyError if it has no such file."""
    version, tag = wheel.stem.split("-", 1)[1].split("-", 1)
    target = to / f"{name}-{version}-{tag}.whl"
    with ZipFile(wheel) as source, WheelWriter(target) as out, tempfile.TemporaryDirectory(dir=to) as scratch:
        plain = Path(source.extract(file, scratch))
        if edit:
            edit(plain)
        out.add(file, plain, executable=True)
        describe(out, Path(scratch), name, version, tag)
    return target


def made(name: str, version: str, files: Mapping[str, str], to: Path) -> Path:
    """A wheel of Python files that belong to no other."""
    target = to / f"{name}-{version}-{PURE}.whl"
    with WheelWriter(target) as out, tempfile.TemporaryDirectory(dir=to) as scratch:
        for path, text in files.items():
            _add_text(out, Path(scratch), path, text)
        describe(out, Path(scratch), name, version, PURE)
    return target


def describe(out: WheelWriter, scratch: Path, name: str, version: str, tag: str) -> None:
    """The two files that make a zip file a wheel."""
    pure = "true" if tag == PURE else "false"
    tags = "".join(f"Tag: {one}\n" for one in _tags(tag))
    about = f"Wheel-Version: 1.0\nGenerator: refault\nRoot-Is-Purelib: {pure}\n{tags}"
    _add_text(
        out,
        scratch,
        f"{name}-{version}.dist-info/METADATA",
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
    )
    _add_text(out, scratch, f"{name}-{version}.dist-info/WHEEL", about)


def _tags(tag: str) -> list[str]:
    python, abi, platforms = tag.split("-")
    return [f"{python}-{abi}-{platform}" for platform in platforms.split(".")]


def _add_text(out: WheelWriter, scratch: Path, name: str, text: str) -> None:
    file = scratch / "text"
    file.write_text(text, encoding="utf-8")
    out.add(name, file)


class WheelWriter:
    """A wheel being written; leaving its block adds the record."""

    def __init__(self, target: Path) -> None:
        self._zip = ZipFile(target, "w", ZIP_STORED)
        self._rows: list[tuple[str, str, str]] = []
        self._info = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._write_record()
        self._zip.close()

    def add(self, name: str, file: Path, *, executable: bool = False) -> None:
        info = ZipInfo(name, _EPOCH)
        info.external_attr = (_EXECUTABLE if executable else _READABLE) << 16
        with file.open("rb") as plain, self._zip.open(info, "w", force_zip64=True) as stored:
            digest = hashlib.sha256()
            while chunk := plain.read(_CHUNK):
                digest.update(chunk)
                stored.write(chunk)
        self._rows.append((name, f"sha256={_base64(digest.digest())}", str(file.stat().st_size)))
        if (folder := name.partition("/")[0]).endswith(".dist-info"):
            self._info = folder

    def _write_record(self) -> None:
        text = io.StringIO()
        rows = [*self._rows, (f"{self._info}/RECORD", "", "")]
        csv.writer(text, lineterminator="\n").writerows(rows)
        self._zip.writestr(ZipInfo(f"{self._info}/RECORD", _EPOCH), text.getvalue())


def _base64(digest: bytes) -> str:
    """As PEP 427 has it: url-safe and without padding."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
