"""What of a wheel is taken: the package's own entries, each held to its form, its size and the record."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import itertools
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from packaging.version import InvalidVersion, Version

from harness.errors import BadWheel
from harness.foreign import cause, shown

MOST_ENTRIES = 50_000
LARGEST_ENTRY = 128 << 20
LARGEST_CONTENT = 1 << 30
"""Bytes of all wanted entries, unpacked."""
LONGEST_NAME = 1024
LONGEST_PART = 200
"""Bytes of the name of a file or a folder."""
DEEPEST_NAME = 32
_LARGEST_DIRECTORY = 16 << 20
_LARGEST_RECORD = 32 << 20
_BYTECODE = (".pyc", ".pyo")
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGES = (OSError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, csv.Error)
"""What zipfile raises for a file that is cut, damaged, encrypted or packed in another way."""


def members(data: bytes, package: str, release: str) -> Iterator[tuple[str, bytes]]:
    """Each file of the package and its metadata, checked: its path and its bytes.

    BadWheel for whatever a wheel of this version may not be. Whoever cannot write a file says so itself.
    """
    try:
        _hold_directory(data)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            wanted = _entries(archive, package)
            record = _record(archive, wanted, package)
            _hold_version(archive, wanted, release)
            for entry in wanted.values():
                yield entry.filename, _checked(archive, entry, record)
    except _DAMAGES as error:
        raise BadWheel(f"it cannot be unpacked: {cause(error)}") from error


def _hold_directory(data: bytes) -> None:
    """The list of entries, which zipfile takes in whole, must be small enough for memory."""
    end = len(data) - 22 if data[-22:-18] == b"PK\5\6" and data[-2:] == b"\0\0" else data.rfind(b"PK\5\6")
    if end >= 0 and int.from_bytes(data[end + 12 : end + 16], "little") > _LARGEST_DIRECTORY:
        raise BadWheel(f"its list of entries has more than {_LARGEST_DIRECTORY >> 20} MiB")


def _entries(archive: zipfile.ZipFile, package: str) -> Mapping[str, zipfile.ZipInfo]:
    """The wanted entries by name. BadWheel if they are too many, too large, or share a name."""
    if len(archive.infolist()) > MOST_ENTRIES:
        raise BadWheel(f"it has more than {MOST_ENTRIES} entries")
    elsewhere = re.compile(rf"[^/]+\.data/(purelib|platlib)/{re.escape(package)}/")
    if any(elsewhere.match(name) for name in archive.namelist()):
        raise BadWheel(f"it installs files of {package} from its folder of data")
    wanted = [one for one in archive.infolist() if not one.is_dir() and _wanted(one.filename, package)]
    for entry in wanted:
        _hold_to_form(entry)
    if sum(entry.file_size for entry in wanted) > LARGEST_CONTENT:
        raise BadWheel(f"it unpacks to more than {LARGEST_CONTENT >> 20} MiB")
    _hold_apart(wanted)
    return {entry.filename: entry for entry in wanted}


def _hold_to_form(entry: zipfile.ZipInfo) -> None:
    _hold_name(entry.filename)
    if problem := next(_problems(entry), None):
        raise BadWheel(f"{entry.filename} {problem}")


def _hold_name(name: str) -> None:
    parts, told = PurePosixPath(name).parts, shown(name, 80)
    if ".." in parts:
        raise BadWheel(f"{told} would lie outside")
    if name != "/".join(parts) or "\\" in name:
        raise BadWheel(f"{told} is no plain path")
    longest = max(len(part.encode("utf-8", "replace")) for part in parts)
    if longest > LONGEST_PART or len(name) > LONGEST_NAME or len(parts) > DEEPEST_NAME:
        raise BadWheel(f"{told} is too long a name")
    if not name.isprintable():
        raise BadWheel(f"{told} is a name with characters that nothing shows")


def _problems(entry: zipfile.ZipInfo) -> Iterator[str]:
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        yield "is a link, or no file at all"
    if entry.filename.endswith(_BYTECODE):
        yield "is bytecode, so that what runs cannot be told"
    if entry.flag_bits & 0x1:
        yield "is encrypted"
    if entry.compress_type not in _PACKED:
        yield "is packed in a way that wheels are not"
    if entry.file_size > LARGEST_ENTRY:
        yield f"unpacks to more than {LARGEST_ENTRY >> 20} MiB"


def _hold_apart(wanted: list[zipfile.ZipInfo]) -> None:
    """Of two entries of one name readers take one or the other; some file systems know no case."""
    names = Counter(entry.filename.casefold() for entry in wanted)
    for name in (one.filename for one in wanted):
        if names[name.casefold()] > 1:
            raise BadWheel(f"{name} is in it twice, but for case")
        if any(str(above) in names for above in PurePosixPath(name.casefold()).parents):
            raise BadWheel(f"{name} lies in a file")
    places = sorted((entry.header_offset, entry.compress_size) for entry in wanted)
    if any(at + size > after for (at, size), (after, _) in itertools.pairwise(places)):
        raise BadWheel("its entries lie over each other")


def _wanted(name: str, package: str) -> bool:
    top = PurePosixPath(name).parts[:1] or ("",)
    return bool(top[0] == package or re.fullmatch(rf"{re.escape(package)}-[^/]+\.dist-info", top[0]))


def _record(archive: zipfile.ZipFile, wanted: Mapping[str, zipfile.ZipInfo], package: str) -> dict[str, str]:
    """The digest of each file, as the wheel's RECORD has it: `sha256=` and unpadded base64."""
    names = [name for name in wanted if name.endswith(".dist-info/RECORD") and name.count("/") == 1]
    if len(names) != 1:
        raise BadWheel(f"it has {len(names)} records of a package {package}")
    data = _content_of(archive, wanted[names[0]], _LARGEST_RECORD)
    rows = list(csv.reader(data.decode("utf-8").splitlines()))
    found = {row[0]: row[1] for row in rows if len(row) == 3}
    if len(found) != sum(map(bool, rows)):
        raise BadWheel("its record names a file twice, or has a row that is none")
    return found | {names[0]: _encoded(data)}  # the record itself has no digest in the record


def _hold_version(archive: zipfile.ZipFile, wanted: Mapping[str, zipfile.ZipInfo], release: str) -> None:
    """The metadata beside the package is what upstream is told when it asks for its version."""
    names = [name for name in wanted if name.endswith(".dist-info/METADATA") and name.count("/") == 1]
    if len(names) != 1:
        raise BadWheel(f"it has {len(names)} files METADATA")
    metadata = _content_of(archive, wanted[names[0]], _LARGEST_RECORD).decode("utf-8")
    told = re.search(r"^Version: *(\S+) *$", metadata, re.MULTILINE)
    if told is None or not _same(told[1], release):
        version = shown(told[1], 80) if told else "nothing"
        raise BadWheel(f"its metadata says {version}, its name {release}")


def _same(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other.replace("_", "-"))
    except InvalidVersion:
        return False


def _checked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, record: Mapping[str, str]) -> bytes:
    name = entry.filename
    data = _content_of(archive, entry, LARGEST_ENTRY)
    wanted = record.get(name)
    if wanted is None:
        raise BadWheel(f"{name} is not in its record")
    if wanted != _encoded(data):
        raise BadWheel(f"{name} is not what its record says")
    return data


def _content_of(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, largest: int) -> bytes:
    """An entry's bytes: as many as it declares, however many it would unpack to."""
    most = min(entry.file_size, largest)
    with archive.open(entry) as packed:
        data = packed.read(most + 1)
    if len(data) > most or len(data) != entry.file_size:
        raise BadWheel(f"{entry.filename} is larger or smaller than it says")
    return data


def _encoded(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
