"""A folder as a checkout of Refault is: toy upstream, toy reproducers, goldens."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import harness
from harness.tests.toyland import bugs, served, serving, upstream

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

    def refault_each(self, commands: Sequence[Sequence[str]]) -> list[Ended]:
        """Run several commands, one after another, each in a fork of one interpreter: it starts slowly."""
        return self.run_each([Typed(words) for words in commands])

    def run_each(self, typed: Sequence[Typed], *, longest: int = 120, timeout: int = 120) -> list[Ended]:
        """The same with variables of their own; one that takes over `longest` seconds ends by SIGALRM."""
        told = json.dumps([[list(one.words), dict(one.variables)] for one in typed])
        driver = [sys.executable, "-P", "-c", _DRIVER, str(longest), told]
        common: dict[str, Any] = {"cwd": self.root, "env": self.environment, "timeout": timeout}
        done = subprocess.run(driver, capture_output=True, text=True, check=True, **common)
        return [Ended(*one) for one in json.loads(done.stdout)]


@dataclass(frozen=True)
class Typed:
    """A command line, and the variables that it is given."""

    words: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)


class Ended(NamedTuple):
    """What a command left: like subprocess.CompletedProcess."""

    returncode: int
    stdout: str
    stderr: str


_DRIVER = """
import json, os, signal, sys, tempfile
from harness.cli import COMMANDS, load, main

for name in COMMANDS:
    load(name)

def ended(words, variables):
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = os.fork()
        if child == 0:
            for file, standard in ((out, 1), (err, 2)):
                os.dup2(file.fileno(), standard)
            os.environ.update(variables)
            longest = int(sys.argv[1])
            sys.argv = ["refault", *words]
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(longest)
            main()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        told = [file.seek(0) or file.read() for file in (out, err)]
        return [code, *told]

print(json.dumps([ended(*one) for one in json.loads(sys.argv[2])]))
"""


def lay_out(root: Path, cache: Path, names: Sequence[str]) -> Checkout:
    """A checkout with the toy reproducers of these module names, and no golden yet."""
    upstream.write(root)
    return _with(root, cache, names, _BUGS)


def lay_out_server(root: Path, cache: Path, names: Sequence[str]) -> Checkout:
    """The same with the toy's server, and what that is tested by."""
    serving.write(root)
    return _with(root, cache, names, Path(next(iter(served.__path__))))


def _with(root: Path, cache: Path, names: Sequence[str], modules: Path) -> Checkout:
    reproducers = root / "reproducers"
    reproducers.mkdir()
    (reproducers / "__init__.py").write_text('"""Toy reproducers."""\n')
    for name in names:
        shutil.copy(modules / f"{name}.py", reproducers)
    return Checkout(root, cache)
