"""pip, asked for one wheel without its dependencies, or for the versions that there are."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import BadInput
from harness.foreign import shown

_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
_PATIENCE = ("--retries", "2", "--timeout", "30")  # a machine without a network is to hear of it soon
_DOWNLOAD = ("download", "--no-deps", "--progress-bar", "off")
_SECONDS = 600
_FOREIGN = ("3.13", "3.12", "3.11", "3.10")
"""Pythons whose wheels do where there is none for this one: only their Python files are used."""
_FOREIGN_PLATFORMS = ("--platform", "manylinux_2_34_x86_64", "--platform", "any")
_LISTED = re.compile(r"\(from versions: ([^)]*)\)")


def download(package: str, version: str, to: Path, *, afresh: bool = False) -> Path:
    """Fetch the wheel of one version into an empty folder; `afresh` goes past pip's own cache.

    BadInput if there is no such version, or if no index answers and no cache of pip's has it.
    """
    said = ""
    for options in _options(afresh):
        command = [*_DOWNLOAD, "--only-binary", ":all:", "--dest", str(to), *_PATIENCE, *options]
        ended = _run([*command, f"{package}=={version}"])
        found = sorted(to.glob("*.whl"))
        if ended.returncode == 0 and len(found) == 1:
            return found[0]
        said = said or ended.stderr + ended.stdout
        if not _elsewhere(said):
            break
    raise BadInput(_why(package, version, said))


def versions(package: str) -> tuple[str, ...]:
    """Every version that the index has for this Python, newest first; empty if no index answers."""
    # `pip index` is marked experimental; the refusal of a version that cannot be holds the same list.
    with tempfile.TemporaryDirectory() as nowhere:
        ended = _run([*_DOWNLOAD, "--dest", nowhere, *_PATIENCE, f"{package}==0.dev0"])
    return tuple(reversed(_listed(ended.stderr + ended.stdout)))


def _options(afresh: bool) -> Iterator[Sequence[str]]:
    common = ["--no-cache-dir"] if afresh else []
    yield common
    for python in _FOREIGN:
        yield [*common, "--python-version", python, *_FOREIGN_PLATFORMS]


def _run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [*_PIP, *words], capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BadInput(f"pip took more than {_SECONDS} s: see whether the package index answers") from error


def _listed(said: str) -> tuple[str, ...]:
    found = _LISTED.search(said)
    return tuple(filter(None, found[1].replace(" ", "").split(","))) if found and found[1] != "none" else ()


def _elsewhere(said: str) -> bool:
    """Whether an index answered, but without a wheel for this Python."""
    return bool(_listed(said))


def _why(package: str, version: str, said: str) -> str:
    if "No module named pip" in said:
        return f"{package} {version} cannot be fetched: this Python has no pip: run `python -m ensurepip`"
    if listed := _listed(said):
        near = ", ".join(listed[-4:])
        return f"{package} {version} is no release that can be had: the newest are {near}"
    if "from versions: none" in said:
        what = f"{package} {version} cannot be fetched, for no package index answers"
        return f"{what}: connect, or give a path to a tree"
    return f"{package} {version} cannot be fetched ({_cause(said)}): see that pip works here"


def _cause(said: str) -> str:
    """The last error that pip named, or, where it named none, its last line."""
    lines = [" ".join(line.split()) for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return shown((errors or lines or ["it left no word"])[-1], 200)
