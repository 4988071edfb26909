"""Where a row runs: folders, a mask, a small tmpfs, a home that cannot be written, another user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ci.portable.machine import Absent
from ci.portable.rows import Place
from ci.steps import ROOT

UNUSUAL = "Prüf stand 測試"
OTHER = 54321
"""A user id that no system gives out: it has no name and no home."""
TMPFS = "64m"
_CARRIED = ("harness", "reproducers", "golden", "conftest.py", "pyproject.toml")


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What a command of a row starts with: the words before it, its Python, its variables and its folder."""

    wrapper: Sequence[str] = ()
    python: str = sys.executable
    variables: Mapping[str, str | None] = field(default_factory=dict)
    folder: Path = ROOT


@contextmanager
def ready(place: Place, cache: Path) -> Iterator[Ready]:
    """Make a place, and remove it at the end.

    `cache` is the matrix's own, which rows use that do not need a fresh one. Raises Absent where the machine
    cannot have the place.
    """
    with tempfile.TemporaryDirectory(prefix="portable-") as made:
        yield _MADE[place](Path(made), cache)


def _here(made: Path, cache: Path) -> Ready:
    return Ready(variables={"REFAULT_CACHE": str(cache)})


def _umask(made: Path, cache: Path) -> Ready:
    own = _learned(made / "cache", cache)
    return Ready(wrapper=("sh", "-c", 'umask 077; exec "$@"', "sh"), variables={"REFAULT_CACHE": str(own)})


def _unusual(made: Path, cache: Path) -> Ready:
    """A copy of the checkout with a link to the environment: the interpreter's own paths are unusual, too."""
    checkout = made / UNUSUAL / "checkout"
    checkout.mkdir(parents=True)
    for name in _CARRIED:
        source, target = ROOT / name, checkout / name
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    environment = checkout / ".venv"
    environment.symlink_to(sys.prefix)
    temporary = made / UNUSUAL / "tmp"
    temporary.mkdir()
    variables = {
        "PYTHONPATH": str(checkout),
        "REFAULT_CACHE": str(_learned(made / UNUSUAL / "cache", cache)),
        "TMPDIR": str(temporary),
    }
    return Ready(python=str(environment / "bin/python"), variables=variables, folder=checkout)


def _small(made: Path, cache: Path) -> Ready:
    folder = made / "small"
    folder.mkdir()
    wrapper = _mounted('mount -t tmpfs -o size="$1",mode=1777 refault "$2"', TMPFS, str(folder))
    return Ready(wrapper=wrapper, variables={"REFAULT_CACHE": str(cache), "TMPDIR": str(folder)})


def _home_unset(made: Path, cache: Path) -> Ready:
    return Ready(variables={"HOME": None, **_own_temporary(made)})


def _home_gone(made: Path, cache: Path) -> Ready:
    return Ready(variables={"HOME": str(made / "gone"), **_own_temporary(made)})


def _home_read_only(made: Path, cache: Path) -> Ready:
    """Permissions do not bind root, so that root's is a file system that is mounted to be read alone."""
    home = made / "home"
    home.mkdir()
    variables = {"HOME": str(home), **_own_temporary(made)}
    if os.getuid():
        home.chmod(0o555)
        return Ready(variables=variables)
    wrapper = _mounted('mount -t tmpfs -o ro refault "$2"', "", str(home))
    return Ready(wrapper=wrapper, variables=variables)


def _user(made: Path, cache: Path) -> Ready:
    """Its interpreter may lie behind a folder that only root enters: there, that folder is another."""
    if os.getuid():
        raise Absent("becoming another user needs root")
    if not shutil.which("setpriv"):
        raise Absent("no setpriv")
    variables = {"HOME": None, **_own_temporary(made)}
    made.chmod(0o755)
    for folder in (made, made / "tmp"):
        os.chown(folder, OTHER, OTHER)
    become = ("setpriv", "--reuid", str(OTHER), "--regid", str(OTHER), "--clear-groups")
    return Ready(wrapper=(*_passable(), *become), variables=variables)


def _own_temporary(made: Path) -> dict[str, str | None]:
    """No cache named: what stands in for it lies with the temporary files, and goes with the place."""
    (made / "tmp").mkdir()
    return {"XDG_CACHE_HOME": None, "REFAULT_CACHE": None, "TMPDIR": str(made / "tmp")}


_MADE = {
    "here": _here,
    "umask": _umask,
    "unusual": _unusual,
    "small": _small,
    "home-unset": _home_unset,
    "home-gone": _home_gone,
    "home-read-only": _home_read_only,
    "user": _user,
}


def _learned(own: Path, cache: Path) -> Path:
    """A cache of a row's own, with what was learned of imports: a matter of speed alone."""
    own.mkdir()
    for file in cache.glob("preload-*.json"):
        shutil.copy(file, own)
    return own


# --- what only this row sees ---------------------------------------------------------------------


def _mounted(mount: str, *arguments: str) -> tuple[str, ...]:
    """The words that run a command below a mount which nobody else sees, and which goes with it."""
    return (*_apart(), "sh", "-c", f'{mount} && shift {len(arguments)} && exec "$@"', "sh", *arguments)


@cache
def _apart() -> tuple[str, ...]:
    """How to run a command where its mounts are its own; raises Absent where that is not allowed."""
    for words in (("unshare", "--mount"), ("unshare", "--map-root-user", "--mount")):
        if shutil.which(words[0]) and subprocess.run([*words, "true"], capture_output=True).returncode == 0:
            return words
    raise Absent("mounting needs root, or namespaces for users")


def _passable() -> tuple[str, ...]:
    """Words below which everybody can enter the folders above the interpreter and the checkout."""
    closed = _closed(Path(sys.base_prefix)) or _closed(ROOT)
    if closed is None:
        return ()
    inner = next(path for path in (Path(sys.base_prefix), ROOT) if closed in path.parents)
    if _closed(inner, below=closed) or (closed in Path(sys.base_prefix).parents and closed in ROOT.parents):
        raise Absent(f"others may not enter {closed}, where the interpreter and the checkout are")
    # The inner folder is kept at hand, the closed one covered by an open one, and the inner one put back.
    script = (
        'held=$(mktemp -d) && mount --bind "$2" "$held" && mount -t tmpfs -o mode=755 refault "$1" '
        '&& mkdir -p "$2" && mount --bind "$held" "$2"'
    )
    return _mounted(script, str(closed), str(inner))


def _closed(path: Path, below: Path | None = None) -> Path | None:
    """The outermost folder above `path` that others may not enter, of those `below` where that is given."""
    above = [one for one in reversed(path.parents) if below is None or below in one.parents]
    return next((one for one in above if not one.stat().st_mode & 0o001), None)
