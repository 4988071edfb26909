"""Wheels as nobody builds them: each function writes one and returns its path."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

NAME = "sglang-9.9.9-py3-none-any.whl"
INFO = "sglang-9.9.9.dist-info"
FILES: Mapping[str, bytes] = {"sglang/__init__.py": b"", "sglang/pages.py": b"SIZE = 16\n"}
METADATA = b"Metadata-Version: 2.1\nName: sglang\nVersion: 9.9.9\n"

Made = Callable[[Path], Path]


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """What goes in: `entries` are written as they stand, beside the sound files and their record."""

    files: Mapping[str, bytes] = field(default_factory=lambda: FILES)
    entries: Iterable[tuple[zipfile.ZipInfo | str, bytes]] = ()
    rows: tuple[str, ...] = ()
    metadata: bytes | None = METADATA
    record: bytes | None = None
    name: str = NAME
    compression: int = zipfile.ZIP_STORED

    def __call__(self, folder: Path) -> Path:
        held = dict(self.files)
        if self.metadata is not None:
            held[f"{INFO}/METADATA"] = self.metadata
        rows = [f"{name},{digest(data)},{len(data)}" for name, data in held.items()]
        record = "\n".join([*rows, *self.rows, f"{INFO}/RECORD,,\n"]).encode()
        wheel = folder / self.name
        with zipfile.ZipFile(wheel, "w", self.compression) as archive:
            for name, data in held.items():
                archive.writestr(name, data)
            for entry, data in self.entries:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of names given twice
                    archive.writestr(entry, data)
            if self.record != b"":
                archive.writestr(f"{INFO}/RECORD", self.record or record)
        return wheel


def digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def row(name: str, data: bytes) -> str:
    return f'"{name}",{digest(data)},{len(data)}'


def with_file(name: str, data: bytes = b"") -> Wheel:
    """One more file, which the record knows."""
    return Wheel(entries=[(name, data)], rows=(row(name, data),))


def special(kind: int) -> Wheel:
    """An entry that says it is a link or a FIFO."""
    entry = zipfile.ZipInfo("sglang/odd.py")
    entry.external_attr = (kind | 0o777) << 16
    return Wheel(entries=[(entry, b"/etc/passwd")], rows=(row("sglang/odd.py", b"/etc/passwd"),))


def packed_otherwise(folder: Path) -> Path:
    return Wheel(compression=zipfile.ZIP_BZIP2)(folder)


def patched(change: Callable[[bytearray], None], wheel: Wheel | None = None) -> Made:
    """A sound wheel of which bytes were changed afterwards."""

    def make(folder: Path) -> Path:
        path = (wheel or Wheel())(folder)
        data = bytearray(path.read_bytes())
        change(data)
        path.write_bytes(data)
        return path

    return make


def in_directory(data: bytearray, name: bytes) -> int:
    """Where the list of entries has the entry of that name."""
    at = data.find(b"PK\1\2")
    while data[at + 46 : at + 46 + len(name)] != name:
        at = data.find(b"PK\1\2", at + 4)
    return at


def encrypt(data: bytearray) -> None:
    for begins, flag in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        at = data.find(begins)
        while at >= 0:
            data[at + flag] |= 1
            at = data.find(begins, at + 4)


def declare_more(data: bytearray) -> None:
    at = in_directory(data, b"sglang/pages.py")
    data[at + 24 : at + 28] = struct.pack("<I", 99)


def declare_terabytes(data: bytearray) -> None:
    at = in_directory(data, b"sglang/pages.py")
    data[at + 24 : at + 28] = struct.pack("<I", 0xFFFFFF00)


def unknown_packing(data: bytearray) -> None:
    at = in_directory(data, b"sglang/pages.py")
    data[at + 10 : at + 12] = struct.pack("<H", 97)


def unknown_packing_everywhere(data: bytearray) -> None:
    for begins, where in ((b"PK\1\2", 10), (b"PK\3\4", 8)):
        at = data.find(begins)
        while at >= 0:
            data[at + where : at + where + 2] = struct.pack("<H", 97)
            at = data.find(begins, at + 4)


def overlap(data: bytearray) -> None:
    """Both files' entries point to the same place."""
    one, two = in_directory(data, b"sglang/pages.py"), in_directory(data, b"sglang/more.py")
    data[two + 42 : two + 46] = data[one + 42 : one + 46]


def long_list(data: bytearray) -> None:
    at = data.rfind(b"PK\5\6")
    data[at + 12 : at + 16] = struct.pack("<I", 0x7FFFFFFF)


def cut(kept: float) -> Made:
    def make(folder: Path) -> Path:
        path = Wheel()(folder)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
        return path

    return make


def bomb(folder: Path) -> Path:
    """Some KiB that unpack to 130 MiB, and say so."""
    wheel = Wheel(compression=zipfile.ZIP_DEFLATED, entries=[("sglang/zeros.py", bytes(130 << 20))])
    return wheel(folder)


def hide_size(data: bytearray) -> None:
    at = in_directory(data, b"sglang/zeros.py")
    data[at + 24 : at + 28] = struct.pack("<I", 10)


HIDDEN_BOMB = Wheel(compression=zipfile.ZIP_DEFLATED, entries=[("sglang/zeros.py", bytes(32 << 20))])
MANY = Wheel(entries=[(f"sglang/zeros{number:02}.json", b"") for number in range(12)])


def declare_a_gigabyte(data: bytearray) -> None:
    """Twelve files of 100 MiB each."""
    for number in range(12):
        at = in_directory(data, f"sglang/zeros{number:02}.json".encode())
        data[at + 24 : at + 28] = struct.pack("<I", 100 << 20)


def crowd(folder: Path) -> Path:
    return Wheel(entries=[(f"sglang/{number}.txt", b"") for number in range(50_001)])(folder)


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / NAME)
    return folder / NAME


def device(folder: Path) -> Path:
    (folder / NAME).symlink_to("/dev/zero")
    return folder / NAME


def a_folder(folder: Path) -> Path:
    (folder / NAME).mkdir()
    return folder / NAME


def sparse(folder: Path) -> Path:
    with open(folder / NAME, "wb") as file:
        file.truncate(1 << 40)
    return folder / NAME


def dangling(folder: Path) -> Path:
    (folder / NAME).symlink_to(folder / "gone")
    return folder / NAME


def lines(*content: bytes) -> bytes:
    return b"\n".join(content) + b"\n"


LINK, FIFO = stat.S_IFLNK, stat.S_IFIFO
