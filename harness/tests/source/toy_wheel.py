"""Wheels of a toy package, and a folder of them for pip to find."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

FILES = {
    "toy/__init__.py": "",
    "toy/pages.py": "SIZE = 16\n",
    "toy/data/table.json": "{}",
    "tools/odd.py": "",
}
TAGS = "py3-none-any"


def write(
    folder: Path, version: str, files: Mapping[str, str] = FILES, *, package: str = "toy", tags: str = TAGS
) -> Path:
    """A sound wheel of these files."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{package}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
    tag = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tags}\n"
    held = {**files, f"{info}/METADATA": metadata, f"{info}/WHEEL": tag}
    rows = [f"{name},{_digest(text)},{len(text)}" for name, text in held.items()]
    wheel = folder / f"{package}-{version}-{tags}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**held, f"{info}/RECORD": "\n".join([*rows, f"{info}/RECORD,,\n"])}.items():
            archive.writestr(name, text)
    return wheel


def rewrite(wheel: Path, changes: Mapping[str, str | None]) -> None:
    """Change, add or (None) drop members of a wheel behind its record's back."""
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name).decode() for name in archive.namelist()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**held, **changes}.items():
            if text is not None:
                archive.writestr(name, text)


def index(folder: Path) -> dict[str, str]:
    """The environment in which pip finds the wheels of this folder and nothing else."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": "/dev/null"}


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
