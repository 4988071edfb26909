"""Wheels for another machine's Python, fetched by pip and kept in a folder."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from harness.errors import BadInput
from harness.kit.target import Target

_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
_SECONDS = 1800


@dataclass(frozen=True)
class Store:
    """Wheels for one target; what is missing is fetched, by the machine's own pip configuration."""

    folder: Path
    target: Target

    def get(self, name: str, version: str) -> Path:
        """The wheel of one version. BadInput where pip finds none for the target."""
        return self._find(name, version) or self._fetched(name, version)

    def requires(self, name: str, version: str) -> list[Requirement]:
        """What a wheel says it needs on the target, extras left out."""
        markers = self.target.markers
        needs = map(Requirement, _metadata(self.get(name, version)).get_all("Requires-Dist") or [])
        return [need for need in needs if need.marker is None or need.marker.evaluate(markers)]

    def _find(self, name: str, version: str) -> Path | None:
        for wheel in sorted(self.folder.glob("*.whl")):
            found, its_version, _, _ = parse_wheel_filename(wheel.name)
            if found == canonicalize_name(name) and its_version == Version(version):
                return wheel
        return None

    def _fetched(self, name: str, version: str) -> Path:
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
            return HeaderParser().parsestr(archive.read(name).decode("utf-8"), headersonly=True)
    except (BadZipFile, StopIteration, OSError) as error:
        raise BadInput(f"{wheel} is no whole wheel ({error}): delete it, and run this again") from error


def _why(done: subprocess.CompletedProcess[str]) -> str:
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
    return errors[-1].removeprefix("ERROR:").strip() if errors else f"pip ended with {done.returncode}"
