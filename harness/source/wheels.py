"""One wheel file: its digest, its own record of what it holds, and its content as a folder."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from harness import foreign
from harness.errors import BadInput, BadWheel
from harness.foreign import shown
from harness.source import archive
from harness.source.tree import Tree

LARGEST_WHEEL = 256 << 20
"""Bytes of the file; upstream's have some 12 MiB."""
_MANIFEST = "release.json"


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
        (root / _MANIFEST).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

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
    for name, content in archive.members(data, package, version(wheel, package)):
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


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
