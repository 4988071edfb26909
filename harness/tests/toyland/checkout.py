"""A folder as a checkout of Refault is: toy upstream, toy reproducers, goldens."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness
from harness.tests.toyland import bugs, upstream

_HARNESS = Path(next(iter(harness.__path__))).parent
_BUGS = Path(next(iter(bugs.__path__)))


@dataclass(frozen=True)
class Checkout:
    """`root` holds `sglang`, `reproducers` and `golden`; `cache` is what Refault keeps between runs."""

    root: Path
    cache: Path

    @property
    def goldens(self) -> Path:
        return self.root / "golden"

    @property
    def environment(self) -> dict[str, str]:
        """The toy packages come before whatever is installed under their names."""
        path = os.pathsep.join((str(self.root), str(_HARNESS)))
        own = {"PYTHONPATH": path, "REFAULT_CACHE": str(self.cache), "PYTHONDONTWRITEBYTECODE": "1"}
        return {**os.environ, **own, "COLUMNS": "200"}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-m", "harness", *words]

    def refault(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        common: dict[str, Any] = {"cwd": self.root, "env": self.environment, "timeout": 120}
        return subprocess.run(self.command(*words), capture_output=True, text=True, **{**common, **options})


def lay_out(root: Path, cache: Path, names: Sequence[str]) -> Checkout:
    """A checkout with the toy reproducers of these module names, and no golden yet."""
    upstream.write(root)
    reproducers = root / "reproducers"
    reproducers.mkdir()
    (reproducers / "__init__.py").write_text('"""Toy reproducers."""\n')
    for name in names:
        shutil.copy(_BUGS / f"{name}.py", reproducers)
    return Checkout(root, cache)
