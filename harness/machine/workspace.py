"""Where Refault keeps what it makes: reverted trees, preload lists, and the folders of runs."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BadInput
from harness.foreign import cause, shown

RUNS_KEPT = 10


@dataclass(frozen=True)
class Workspace:
    """A cache folder; everything in it can be deleted at any time between runs."""

    root: Path

    @property
    def trees(self) -> Path:
        return self.root / "trees"

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def commits(self) -> Path:
        """Trees of commits that a bisection took out of a checkout."""
        return self.root / "commits"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def assembly(self) -> Path:
        """Assembly of kernels for GPUs that are emulated, by what it was compiled from."""
        return self.root / "assembly"

    @property
    def sweeps(self) -> Path:
        return self.root / "sweeps"

    @property
    def history(self) -> Path:
        """The store of past runs; `refault history --import` makes it anew from their results."""
        return self.root / "history.sqlite"

    @property
    def matrix(self) -> Path:
        """What `refault matrix` last measured of each release."""
        return self.root / "matrix.json"

    def preload(self, kind: str) -> Path:
        """The list of what arms of one kind of environment import."""
        return self.root / f"preload-{kind}.json"

    @property
    def warm(self) -> Path:
        """Where `refault warm` is found while it runs."""
        return self.root / "warm"

    @property
    def recalled(self) -> Path:
        """What packages worked out as they were imported, where no arm can write it."""
        return self.root / "recalled"

    @property
    def bytecode(self) -> Path:
        """What Refault compiled of trees, where no arm can write it."""
        return self.root / "bytecode"

    @property
    def answers(self) -> Path:
        """What was found out about trees, where no arm can write it."""
        return self.root / "answers"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    def new_run(self) -> Path:
        """A fresh folder for one run's arms; the oldest runs beyond `RUNS_KEPT` are removed.

        Raises BadInput where the cache cannot be written.
        """
        try:
            self.runs.mkdir(parents=True, exist_ok=True)
            for old in sorted(self.runs.iterdir(), key=_age, reverse=True)[RUNS_KEPT - 1 :]:
                if not _in_use(old):
                    shutil.rmtree(old, ignore_errors=True)
            return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=self.runs))
        except OSError as error:
            remedy = "set REFAULT_CACHE to a folder that can be"
            raise BadInput(f"the cache {self.root} cannot be written ({error.strerror}): {remedy}") from error


def _age(run: Path) -> float:
    """When a run's folder was last written; the oldest of all if another process has just removed it."""
    try:
        return run.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _in_use(run: Path) -> bool:
    """Whether the process that made this run's folder, whose name begins with its pid, still lives."""
    pid = run.name.partition("-")[0]
    return pid.isdigit() and Path(f"/proc/{pid}").exists()


def default() -> Workspace:
    """$REFAULT_CACHE, or the folder `refault` in the user's cache, or one in the temporary folder.

    The last is for a user without a home, or with one that cannot be written: a container's, for one.
    """
    chosen = os.environ.get("REFAULT_CACHE")
    if chosen:
        return Workspace(_absolute(chosen))
    own = _in_home()
    return Workspace(own if own is not None and _writable(own) else _temporary())


def _absolute(chosen: str) -> Path:
    """BadInput for a relative folder where the present one was removed."""
    try:
        return Path(chosen).absolute()
    except OSError as error:
        problem = f"REFAULT_CACHE {shown(chosen)}: {cause(error)}"
        raise BadInput(f"{problem}: give a whole path, or go to a folder that is there") from error


def _in_home() -> Path | None:
    """The folder in the user's cache; None for a user whose home nothing tells."""
    if cache := os.environ.get("XDG_CACHE_HOME"):
        return Path(cache) / "refault"
    try:
        return Path.home() / ".cache/refault"
    except RuntimeError:  # no HOME, and no entry in the system's list of users
        return None


def _writable(folder: Path) -> bool:
    """Whether a folder can be written, or made where it is not there; makes nothing."""
    nearest = next(path for path in (folder, *folder.parents) if os.path.exists(path) or path == path.parent)
    return os.path.isdir(nearest) and os.access(nearest, os.W_OK)


def _temporary() -> Path:
    """The user's folder in the temporary folder. Raises BadInput where somebody else has made it."""
    folder = Path(tempfile.gettempdir(), f"refault-cache-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        about = folder.lstat()
    except OSError as error:
        raise BadInput(f"{folder}: {error.strerror}: set REFAULT_CACHE to a folder that is yours") from error
    if folder.is_symlink() or about.st_uid != os.getuid() or about.st_mode & 0o022:
        raise BadInput(f"{folder}: is not yours alone: set REFAULT_CACHE to a folder that is")
    return folder
