"""Wheels for another machine's Python, fetched by pip and kept in a folder."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from ci.kit.target import Target
from harness.errors import BadInput
from harness.foreign import LARGEST_TABLE, cause, shown

_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
_SECONDS = 1800
DAMAGES = (BadZipFile, zlib.error, OSError, EOFError, StopIteration, KeyError, ValueError, RuntimeError)
"""What reading a wheel raises that is cut, damaged, encrypted or packed in another way."""


@dataclass(frozen=True)
class Store:
    """Wheels for one target; what is missing is fetched, by the machine's own pip configuration."""

    folder: Path
    target: Target
    progress: Callable[[str], None] = lambda what: None

    def get(self, name: str, version: str) -> Path:
        """The wheel of one version. BadInput where pip finds none for the target."""
        return self._find(name, version) or self._fetched(name, version)

    def requires(self, name: str, version: str) -> list[Requirement]:
        """What a wheel says it needs on the target, extras left out."""
        markers = self.target.markers
        wheel = self.get(name, version)
        try:
            needs = [Requirement(one) for one in _metadata(wheel).get_all("Requires-Dist") or []]
        except InvalidRequirement as error:
            raise BadInput(f"{shown(wheel)} asks for what is no requirement ({cause(error)})") from error
        return [need for need in needs if need.marker is None or need.marker.evaluate(markers)]

    def _find(self, name: str, version: str) -> Path | None:
        for wheel in sorted(self.folder.glob("*.whl")):
            try:
                found, its_version, _, _ = parse_wheel_filename(wheel.name)
            except InvalidWheelFilename:  # laid there by somebody else
                continue
            if found == canonicalize_name(name) and its_version == Version(version):
                return wheel
        return None

    def _fetched(self, name: str, version: str) -> Path:
        self.progress(f"fetching {name} {version}")
        self.folder.mkdir(parents=True, exist_ok=True)
        options = ["download", "--no-deps", "--only-binary", ":all:", "--dest", str(self.folder)]
        words = [*_PIP, *options, *self.target.pip_options, f"{name}=={version}"]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise BadInput(f"{name} {version}: pip took more than {_SECONDS} s: try again later") from None
        wheel = self._find(name, version) if done.returncode == 0 else None
        if wheel is None:
            raise BadInput(f"{name} {version} has no wheel for Python {self.target.python}: {_why(done)}")
        return wheel


def _metadata(wheel: Path) -> Message:
    try:
        with ZipFile(wheel) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            if archive.getinfo(name).file_size > LARGEST_TABLE:
                raise BadInput(f"{shown(wheel)} has metadata of more than {LARGEST_TABLE} bytes: delete it")
            return HeaderParser().parsestr(archive.read(name).decode("utf-8"), headersonly=True)
    except DAMAGES as error:
        problem = f"{shown(wheel)} is no whole wheel ({cause(error)})"
        raise BadInput(f"{problem}: delete it, and run this again") from error


def _why(done: subprocess.CompletedProcess[str]) -> str:
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
    return (
        shown(errors[-1].removeprefix("ERROR:").strip(), 200)
        if errors
        else f"pip ended with {done.returncode}"
    )
