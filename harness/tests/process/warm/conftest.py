"""A warm process of a test's own, and pools that find it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.process.job import Environment, Job
from harness.process.limits import Limits
from harness.process.pool import Pool
from harness.process.warm.lender import Lender
from harness.tests.process.warm import toy

_BOOT = "import json,sys; sys.path[:] = json.loads(sys.argv.pop(1)); from {} import main; main()"


class Warm:
    """One warm process in `folder`."""

    def __init__(self, folder: Path, idle: float) -> None:
        self.folder = folder
        self.process = start(toy.__name__, str(folder), str(idle))

    @property
    def environments(self) -> dict[str, Environment]:
        return toy.environments(self.folder)

    @property
    def lender(self) -> Lender:
        return Lender(self.folder / "warm")

    def line(self) -> str:
        """The next that it says."""
        assert self.process.stdout
        return self.process.stdout.readline().rstrip()

    def end(self) -> None:
        """Continues it, should it be stopped, and kills it."""
        for number in (signal.SIGCONT, signal.SIGKILL):
            self.process.send_signal(number)
        with self.process:
            pass


def start(module: str, *arguments: str) -> subprocess.Popen[str]:
    """The `main` of a module in an interpreter with this one's search path and variables."""
    os.environ.pop("PYTEST_CURRENT_TEST", None)  # it says which phase of a test runs, and so differs
    command = [sys.executable, "-P", "-c", _BOOT.format(module), json.dumps(sys.path), *arguments]
    return subprocess.Popen(command, env=dict(os.environ), stdout=subprocess.PIPE, text=True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a folder `modules` on the search path, and a module in it that the branch imports."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "m_shared.py").write_text("import os; MODE = os.environ.get('MODE')")
    monkeypatch.syspath_prepend(str(modules))
    return tmp_path


@pytest.fixture
def begin(folder: Path) -> Iterator[Callable[..., Warm]]:
    """Starts warm processes, each ready when it is given; they end with the test."""
    begun: list[Warm] = []

    def one(idle: float = 60.0) -> Warm:
        begun.append(Warm(folder, idle))
        assert begun[-1].line() == "ready: branch plain"
        return begun[-1]

    yield one
    for warm in begun:
        warm.end()


@pytest.fixture
def warm(begin: Callable[..., Warm]) -> Warm:
    return begin()


def pool_of(lender: Lender | None, lanes: int = 1) -> Pool:
    os.environ.pop("PYTEST_CURRENT_TEST", None)
    return Pool(lanes, learn=False, lender=lender)


def job(entry: str, folder: Path, environment: Environment, **payload: object) -> Job:
    return Job(
        entry=f"harness.tests.process.arms:{entry}",
        payload=payload,
        folder=folder,
        limits=Limits(30, 256),
        environment=environment,
    )
