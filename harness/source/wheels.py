"""One wheel file: its digest, its own record of what it holds, and its content as a folder."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import itertools
import json
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from packaging.version import InvalidVersion, Version

from harness import foreign
from harness.errors import BadInput, BadWheel
from harness.foreign import cause, shown
from harness.source.tree import Tree

LARGEST_WHEEL = 256 << 20
"""Bytes of the file; upstream's have some 12 MiB."""
MOST_ENTRIES = 50_000
LARGEST_ENTRY = 128 << 20
LARGEST_CONTENT = 1 << 30
"""Bytes of all wanted entries, unpacked."""
LONGEST_NAME = 1024
LONGEST_PART = 200
"""Bytes of a name, and of its folders' and file's."""
DEEPEST_NAME = 32
_LARGEST_DIRECTORY = 16 << 20
_MANIFEST = "release.json"
_LARGEST_RECORD = 32 << 20
_BYTECODE = (".pyc", ".pyo")
_DAMAGES = (OSError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, csv.Error)
"""What zipfile raises for a file that is cut, damaged, encrypted or packed in another way."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What an unpacked wheel must look like: content hashes of its package and of its metadata.

    `wheel` is the file's name and `sha256` its digest.
    """

    wheel: str
    sha256: str
    package: str
    metadata: str

    def write(self, root: Path) -> None:
        (root / _MANIFEST).write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, root: Path) -> Manifest | None:
        """The manifest of an unpacked wheel; None if it is missing or damaged."""
        try:
            return cls(**foreign.document(root / _MANIFEST, largest=foreign.LARGEST_TABLE))
        except (BadInput, TypeError):
            return None


def read(wheel: Path) -> bytes:
    """The file's bytes. BadWheel if it is no regular file, too large, or cannot be read."""
    try:
        return foreign.read(wheel, largest=LARGEST_WHEEL)
    except BadInput as error:
        raise BadWheel(str(error).removeprefix(f"{shown(wheel)}: ").partition(": give")[0]) from error


def digest(data: bytes) -> str:
    """sha256 of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


def version(wheel: Path, package: str) -> str:
    """The version in a wheel's file name. BadWheel if the name is not that of a wheel of the package."""
    name, _, rest = wheel.name.partition("-")
    release = rest.partition("-")[0]
    if wheel.suffix != ".whl" or name != package or rest.count("-") < 3:
        raise BadWheel(f"its name does not read {package}-<version>-<tags>.whl")
    if not re.fullmatch(r"[\w.+!]{1,64}", release, re.ASCII):
        raise BadWheel(f"its name has no version: '{shown(release, 80)}'")
    return release


def unpack(wheel: Path, data: bytes, to: Path, package: str) -> Manifest:
    """Unpack the package and its metadata from a wheel's bytes, every file checked against its record.

    BadWheel if the file is cut or damaged, if it holds no such package, more than a wheel may, or bytecode,
    or if it is of another version than its name; OSError if `to` cannot be written.
    """
    for name, content in _members(data, package, version(wheel, package)):
        _write(to / name, content)
    if not (to / package / "__init__.py").is_file():
        raise BadWheel(f"it holds no {package}/__init__.py")
    tree = Tree(to, package)
    return Manifest(wheel=wheel.name, sha256=digest(data), package=_content(tree), metadata=_metadata(tree))


def _content(tree: Tree) -> str:
    try:
        return tree.content_hash
    except BadInput as error:
        raise BadWheel(str(error)) from error


def intact(tree: Tree) -> bool:
    """Whether an unpacked wheel is byte for byte what it was; reads all of it."""
    known = Manifest.read(tree.root)
    if known is None or not (tree.folder / "__init__.py").is_file():
        return False
    try:
        return (tree.content_hash, _metadata(tree)) == (known.package, known.metadata)
    except BadInput:  # somebody laid what is no file, or what runs unseen, into it
        return False


def _metadata(tree: Tree) -> str:
    """Content hash of the folder beside the package that tells its version."""
    folders = sorted(path.name for path in tree.root.glob(f"{tree.package}-*.dist-info"))
    return " ".join(Tree(tree.root, folder).content_hash for folder in folders)


# --- the archive ----------------------------------------------------------------------------


def _members(data: bytes, package: str, release: str) -> Iterator[tuple[str, bytes]]:
    """Each wanted file, checked. Whoever cannot write one says so itself: the wheel may be sound."""
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
    wanted = [one for one in archive.infolist() if not one.is_dir() and _wanted(one.filename, package)]
    elsewhere = re.compile(rf"[^/]+\.data/(purelib|platlib)/{re.escape(package)}/")
    if any(elsewhere.match(one.filename) for one in archive.infolist()):
        raise BadWheel(f"it installs files of {package} from its folder of data")
    for entry in wanted:
        _hold_to_form(entry)
    if sum(entry.file_size for entry in wanted) > LARGEST_CONTENT:
        raise BadWheel(f"it unpacks to more than {LARGEST_CONTENT >> 20} MiB")
    _hold_apart(wanted)
    return {entry.filename: entry for entry in wanted}


def _hold_to_form(entry: zipfile.ZipInfo) -> None:
    name, kind = entry.filename, stat.S_IFMT(entry.external_attr >> 16)
    parts = PurePosixPath(name).parts
    if ".." in parts:
        raise BadWheel(f"{shown(name, 80)} would lie outside")
    if name != "/".join(parts) or "\\" in name:
        raise BadWheel(f"{shown(name, 80)} is no plain path")
    longest = max(len(part.encode("utf-8", "replace")) for part in parts)
    if longest > LONGEST_PART or len(name) > LONGEST_NAME or len(parts) > DEEPEST_NAME:
        raise BadWheel(f"{shown(name, 80)} is too long a name")
    if not name.isprintable():
        raise BadWheel(f"{shown(name, 80)} is a name with characters that nothing shows")
    if kind not in (0, stat.S_IFREG):
        raise BadWheel(f"{name} is a link, or no file at all")
    if name.endswith(_BYTECODE):
        raise BadWheel(f"{name} is bytecode, so that what runs cannot be told")
    if entry.flag_bits & 0x1:
        raise BadWheel(f"{name} is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadWheel(f"{name} is packed in a way that wheels are not")
    if entry.file_size > LARGEST_ENTRY:
        raise BadWheel(f"{name} unpacks to more than {LARGEST_ENTRY >> 20} MiB")


def _hold_apart(wanted: list[zipfile.ZipInfo]) -> None:
    """Of two entries of one name readers take one or the other; some file systems know no case."""
    names = Counter(entry.filename.casefold() for entry in wanted)
    twice = next((one.filename for one in wanted if names[one.filename.casefold()] > 1), None)
    if twice is not None:
        raise BadWheel(f"{twice} is in it twice, but for case")
    inside = next(
        (name for name in names for above in PurePosixPath(name).parents if str(above) in names), None
    )
    if inside is not None:
        raise BadWheel(f"{inside} lies in a file")
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


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
