"""Where Refault keeps what it makes: reverted trees, preload lists, and the folders of runs."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

RUNS_KEPT = 10


@dataclass(frozen=True)
class Workspace:
    """A cache folder; everything in it can be deleted at any time between runs."""

    root: Path

    @property
    def trees(self) -> Path:
        return self.root / "trees"

    @property
    def preload(self) -> Path:
        return self.root / "preload.json"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    def new_run(self) -> Path:
        """A fresh folder for one run's arms; the oldest runs beyond `RUNS_KEPT` are removed."""
        self.runs.mkdir(parents=True, exist_ok=True)
        for old in sorted(self.runs.iterdir(), key=lambda path: path.stat().st_mtime)[: 1 - RUNS_KEPT]:
            if not _in_use(old):
                shutil.rmtree(old, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=self.runs))


def _in_use(run: Path) -> bool:
    """Whether the process that made this run's folder, whose name begins with its pid, still lives."""
    pid = run.name.partition("-")[0]
    return pid.isdigit() and Path(f"/proc/{pid}").exists()


def default() -> Workspace:
    """$REFAULT_CACHE, or the folder `refault` in the user's cache."""
    chosen = os.environ.get("REFAULT_CACHE")
    if chosen:
        return Workspace(Path(chosen).absolute())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Workspace(cache / "refault")
