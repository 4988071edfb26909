"""The pytest door: every reproducer module is collected, one test per tier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from _pytest._code.code import TerminalRepr

from harness import catalogue, homes
from harness.errors import RefaultError
from harness.facts import Tier
from harness.homes import Home
from harness.report.terminal import explain
from harness.suite import Bench, Request, Suite, selection
from harness.suite.selection import WITHOUT_SERVERS
from harness.verdict import Result, Verdict

NIGHTLY = "refault_nightly"
"""The setting that names rows for the night."""
SUITE = pytest.StashKey[Suite]()
ROWS = pytest.StashKey[Sequence[Request]]()
"""The cases of all rows that were collected."""
HOMES = pytest.StashKey[tuple[Home, ...]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("refault")
    group.addoption(
        "--sglang",
        default="installed",
        help="the tree under test: installed, a release, a wheel, or a path that holds sglang/",
    )
    group.addoption(
        "--tier",
        action="append",
        type=Tier,
        choices=list(Tier),
        help=f"run the cases of this tier; repeatable (default: {', '.join(WITHOUT_SERVERS)})",
    )
    group.addoption(
        "--reproducers",
        action="append",
        type=Path,
        metavar="FOLDER",
        help="a folder of reproducers beside Refault's own, collected where no path is given; repeatable "
        f"(default: what {homes.VARIABLE} names)",
    )
    text = "rows whose names end so, such as gfx950, get the marker nightly"
    parser.addini(NIGHTLY, type="args", default=[], help=text)


def pytest_configure(config: pytest.Config) -> None:
    named = config.getoption("--reproducers")
    try:
        config.stash[HOMES] = homes.every(named or homes.from_environment())
    except RefaultError as error:
        raise pytest.UsageError(str(error)) from error
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args += [str(path) for path in named or ()]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if not homes.SUBJECT.fullmatch(file_path.stem):
        return None
    home = next(
        (one for one in parent.config.stash[HOMES] if one.folder.resolve() == file_path.parent.resolve()),
        None,
    )
    return ReproducerFile.from_parent(parent, path=file_path, home=home) if home else None


class ReproducerFile(pytest.File):
    """One reproducer module."""

    def __init__(self, *, home: Home, **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type]
        self._home = home

    def collect(self) -> Iterator[pytest.Item]:
        subject = catalogue.load(f"{self._home.package}.{self.path.stem}")
        tiers = set(subject.tiers) & set(self.config.getoption("--tier") or WITHOUT_SERVERS)
        for request in selection.select([subject.id], tuple(tiers), [subject]) if tiers else ():
            item = CaseItem.from_parent(self, name=request.name, request=request)
            if request.name.endswith(tuple(self.config.getini(NIGHTLY))):
                item.add_marker("nightly")
            yield item

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> str | TerminalRepr:
        if isinstance(excinfo.value, RefaultError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)


def pytest_collection_finish(session: pytest.Session) -> None:
    session.config.stash[ROWS] = [item.case for item in session.items if isinstance(item, CaseItem)]


class NotPassed(Exception):
    """A verdict other than PASS; its text is the evidence."""


class CaseItem(pytest.Item):
    """One case in both arms."""

    def __init__(self, *, request: Request, **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type]
        self.case = request

    def runtest(self) -> None:
        (judged,) = suite(self.config).run([self.case])
        result = judged.result
        told = {"verdict": result.verdict, "evidence": result.evidence, "reason": result.reason}
        self.user_properties += [(name, str(word)) for name, word in told.items()]
        _raise_unless_passed(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        if isinstance(excinfo.value, NotPassed | RefaultError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{self.case.reproducer.short_id} {self.name}"


def _raise_unless_passed(result: Result) -> None:
    if result.verdict is Verdict.UNSUPPORTED:
        pytest.skip(result.reason)
    if result.verdict is not Verdict.PASS:
        raise NotPassed(explain(result))


def suite(config: pytest.Config) -> Suite:
    """This process's suite, made when the first case needs it, for all rows that were collected."""
    if SUITE not in config.stash:
        found: tuple[Home, ...] = config.stash[HOMES]
        setting = Bench.here(found).given(config.getoption("--sglang"))
        config.stash[SUITE] = Suite(setting, expected=config.stash.get(ROWS, ())).__enter__()
        config.add_cleanup(config.stash[SUITE].close)
    return config.stash[SUITE]
