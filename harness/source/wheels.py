"""One wheel file: its digest, its own record of what it holds, and its content as a folder."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from harness.errors import BadWheel
from harness.source.tree import Tree

_MANIFEST = "release.json"
_CHUNK = 1 << 20


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
            return cls(**json.loads((root / _MANIFEST).read_text()))
        except (OSError, ValueError, TypeError):
            return None


def digest(wheel: Path) -> str:
    """sha256 of the file. BadWheel if it cannot be read."""
    try:
        with wheel.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadWheel(f"it cannot be read: {error.strerror}") from error


def version(wheel: Path, package: str) -> str:
    """The version in a wheel's file name. BadWheel if the name is not that of a wheel of the package."""
    name, _, rest = wheel.name.partition("-")
    if wheel.suffix != ".whl" or name != package or rest.count("-") < 3:
        raise BadWheel(f"its name does not read {package}-<version>-<tags>.whl")
    return rest.partition("-")[0]


def unpack(wheel: Path, to: Path, package: str) -> Manifest:
    """Unpack the package and its metadata, every file checked against the wheel's own record.

    BadWheel if the file is cut or damaged, or holds no such package; OSError if `to` cannot be written.
    """
    for name, data in _members(wheel, package):
        _write(to / name, data)
    if not (to / package / "__init__.py").is_file():
        raise BadWheel(f"it holds no {package}/__init__.py")
    tree = Tree(to, package)
    return Manifest(
        wheel=wheel.name, sha256=digest(wheel), package=tree.content_hash, metadata=_metadata(tree)
    )


def intact(tree: Tree) -> bool:
    """Whether an unpacked wheel is byte for byte what it was; reads all of it."""
    known = Manifest.read(tree.root)
    if known is None or not (tree.folder / "__init__.py").is_file():
        return False
    return (tree.content_hash, _metadata(tree)) == (known.package, known.metadata)


def _metadata(tree: Tree) -> str:
    """Content hash of the folder beside the package that tells its version."""
    folders = sorted(path.name for path in tree.root.glob(f"{tree.package}-*.dist-info"))
    return " ".join(Tree(tree.root, folder).content_hash for folder in folders)


def _members(wheel: Path, package: str) -> Iterator[tuple[str, bytes]]:
    """Each wanted file, checked. Whoever cannot write one says so itself: the wheel may be sound."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            record = _record(archive, package)
            for name in archive.namelist():
                if _wanted(name, package):
                    yield name, _checked(archive, name, record)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise BadWheel(f"it cannot be unpacked: {error}") from error


def _wanted(name: str, package: str) -> bool:
    top = PurePosixPath(name).parts[0]
    ours = top == package or re.fullmatch(rf"{re.escape(package)}-[^/]+\.dist-info", top)
    return bool(ours) and not name.endswith("/")


def _record(archive: zipfile.ZipFile, package: str) -> dict[str, str]:
    """The digest of each file, as the wheel's RECORD has it: `sha256=` and unpadded base64."""
    names = [
        name for name in archive.namelist() if name.endswith(".dist-info/RECORD") and _wanted(name, package)
    ]
    if len(names) != 1:
        raise BadWheel(f"it has {len(names)} records of a package {package}")
    rows = csv.reader(archive.read(names[0]).decode().splitlines())
    return {row[0]: row[1] for row in rows if len(row) >= 2} | {names[0]: ""}


def _checked(archive: zipfile.ZipFile, name: str, record: dict[str, str]) -> bytes:
    if ".." in PurePosixPath(name).parts:
        raise BadWheel(f"{name} would lie outside")
    data = archive.read(name)
    wanted = record.get(name)
    if wanted is None:
        raise BadWheel(f"{name} is not in its record")
    # Only the record itself has no digest in the record.
    if wanted != _encoded(data) and not name.endswith(".dist-info/RECORD"):
        raise BadWheel(f"{name} is not what its record says")
    return data


def _encoded(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
