"""The pytest door: every reproducer module is collected, one test per tier."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import catalogue
from harness.errors import RefaultError
from harness.facts import Reproducer
from harness.golden import GoldenStore
from harness.machine import this_machine
from harness.report.terminal import explain
from harness.source import tree as trees
from harness.suite import Request, Setting, Suite
from harness.verdict import Result, Verdict
from harness.workspace import default as default_workspace

SUITE = pytest.StashKey[Suite]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("refault")
    group.addoption("--sglang", default="installed", help="the tree under test: installed, or a path that holds sglang/")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.parent.name == catalogue.PACKAGE and catalogue.is_reproducer(file_path.stem):
        return ReproducerFile.from_parent(parent, path=file_path)
    return None


class ReproducerFile(pytest.File):
    """One reproducer module."""

    def collect(self) -> Iterator[pytest.Item]:
        reproducer = catalogue.load(f"{catalogue.PACKAGE}.{self.path.stem}")
        for tier in reproducer.tiers:
            yield CaseItem.from_parent(self, name=tier, reproducer=reproducer)


class NotPassed(Exception):
    """A verdict other than PASS; its text is the evidence."""


class CaseItem(pytest.Item):
    """One case in both arms."""

    def __init__(self, *, reproducer: Reproducer, **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type]
        self._reproducer = reproducer

    def runtest(self) -> None:
        request = Request(reproducer=self._reproducer, tier=self.name)
        result = next(_suite(self.config).run([request])).result
        self.user_properties += [("verdict", str(result.verdict)), ("reason", result.reason)]
        _raise_unless_passed(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        if isinstance(excinfo.value, NotPassed | RefaultError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{self._reproducer.short_id} {self.name}"


def _raise_unless_passed(result: Result) -> None:
    if result.verdict is Verdict.UNSUPPORTED:
        pytest.skip(result.reason)
    if result.verdict is not Verdict.PASS:
        raise NotPassed(explain(result))


def _suite(config: pytest.Config) -> Suite:
    """This process's suite, made when the first case needs it."""
    if SUITE not in config.stash:
        setting = Setting(
            tree=trees.resolve(config.getoption("--sglang")),
            machine=this_machine(),
            goldens=GoldenStore(catalogue.golden_folder()),
            workspace=default_workspace(),
        )
        config.stash[SUITE] = Suite(setting).__enter__()
        config.add_cleanup(config.stash[SUITE].close)
    return config.stash[SUITE]
