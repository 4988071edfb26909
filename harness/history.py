"""The store of past runs: verdicts, rates and durations over time, and what is worth naming in them."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any, Literal

from harness.compare import one_line
from harness.documents import Document
from harness.errors import BadInput
from harness.source import releases
from harness.verdict import SEVERITY, Result, Verdict

FORMAT = 1
WINDOW = 10
"""How many earlier runs the latest is held against."""
ENOUGH = 3
"""Fewer earlier runs than this are no measure of a duration."""
SLOWER = 1.5
LEAST_SECONDS = 1.0
"""A slower arm is named only if it also took this much longer: shorter times are the machine's noise."""
CHANCE = 0.01
"""A rate has moved if chance alone would bring it so far from the median with at most this probability."""

Track = Literal["release", "development"]
_Row = tuple[Any, ...]
_REMEDY = "name another file, or delete it and rebuild it with `refault history --import`"

_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, at TEXT NOT NULL, refault TEXT NOT NULL,
    sglang TEXT, origin TEXT, tree TEXT, track TEXT NOT NULL, machine TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS verdicts (
    run INTEGER NOT NULL REFERENCES runs(id), reproducer TEXT NOT NULL, tier TEXT NOT NULL,
    platform TEXT NOT NULL, params TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL,
    seconds REAL NOT NULL, fixed_seconds REAL, fixed_faults INTEGER NOT NULL, fixed_runs INTEGER NOT NULL,
    reverted_seconds REAL, reverted_faults INTEGER NOT NULL, reverted_runs INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS by_series ON verdicts (reproducer, tier, platform, run);
"""
_ROWS = """
SELECT v.reproducer, v.tier, v.platform, r.track, v.params, r.id, r.at, r.sglang, r.tree,
       v.verdict, v.reason, v.seconds,
       v.fixed_seconds, v.fixed_faults, v.fixed_runs, v.reverted_seconds, v.reverted_faults, v.reverted_runs
FROM verdicts v JOIN runs r ON r.id = v.run
ORDER BY v.reproducer, v.tier, v.platform, r.track, v.params, r.at, r.id, v.rowid
"""


@dataclass(frozen=True, kw_only=True)
class ArmNight:
    """One arm in one night: in how many of its runs it faulted; seconds are the median over the rows."""

    seconds: float
    faults: int
    runs: int


@dataclass(frozen=True, kw_only=True)
class Night:
    """What one run showed of one series. Where it has several results of it, their worst verdict stands.

    `arms` has the arms that were observed, by name.
    """

    at: datetime
    sglang: str | None
    tree: str | None
    verdict: Verdict
    reason: str
    seconds: float
    arms: Mapping[str, ArmNight]


@dataclass(frozen=True, kw_only=True)
class Series:
    """All nights of one reproducer, tier, platform, track and set of parameters, the oldest first.

    Released and development trees are kept apart (`track`), or a difference between them would look
    like a change each night; points given by hand have parameters, and so a series, of their own.
    """

    reproducer: str
    tier: str
    platform: str
    track: Track
    params: str
    nights: tuple[Night, ...]

    @property
    def latest(self) -> Night:
        return self.nights[-1]

    @property
    def changed(self) -> Night | None:
        """The first night of the present verdict; None if it never was another."""
        for before, night in zip(reversed(self.nights[:-1]), reversed(self.nights[1:]), strict=True):
            if before.verdict is not night.verdict:
                return night
        return None


@dataclass(frozen=True)
class Notable:
    """A series in whose latest night something moved; `what` says it in one line with its figures."""

    series: Series
    what: str


class History:
    """The store in one SQLite file. Use `opened`; every failure of the file is a BadInput."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def append(self, document: Document) -> bool:
        """Keep a run; False where the very same document is there already."""
        with self._connection as store:
            run = store.execute(
                "INSERT OR IGNORE INTO runs (digest, at, refault, sglang, origin, tree, track, machine) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                _run_row(document),
            )
            if not run.rowcount:
                return False
            rows = [(run.lastrowid, *_verdict_row(one)) for one in document.results if one.verdict]
            store.executemany(f"INSERT INTO verdicts VALUES ({', '.join('?' * 14)})", rows)
        return True

    def series(self) -> list[Series]:
        """Everything that is kept, in order of reproducer, tier, platform, track and parameters."""
        rows = self._connection.execute(_ROWS)
        grouped = groupby(rows, key=lambda row: tuple(row[:5]))
        return [_series(key, _nights(row[5:] for row in rows)) for key, rows in grouped]


@contextmanager
def opened(path: Path) -> Iterator[History]:
    """The store in `path`, made if it is not there. Raises BadInput where it cannot be, or is no store."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{path}: the history cannot be used ({error.strerror}): name another file") from error
    try:
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            _prepare(connection, path)
            yield History(connection)
    except sqlite3.Error as error:
        raise BadInput(f"{path}: the history cannot be used ({error}): {_REMEDY}") from error


def notable(series: Series) -> list[Notable]:
    """What moved in the latest night, held against the median of the `WINDOW` nights before it."""
    ran = [night for night in series.nights[:-1] if night.verdict is not Verdict.UNSUPPORTED]
    before, latest = ran[-WINDOW:], series.latest
    if not before or latest.verdict is Verdict.UNSUPPORTED:
        return []
    texts = [text] if (text := _changed(before, latest)) else []
    for name, arm in latest.arms.items():
        earlier = [night.arms[name] for night in before if name in night.arms]
        texts += [*_moved(name, earlier, arm), *_slower(name, earlier, arm)]
    return [Notable(series, text) for text in texts]


# --- what is worth naming ------------------------------------------------------------------------


def _changed(before: Sequence[Night], latest: Night) -> str | None:
    if before[-1].verdict is latest.verdict:
        return None
    return f"{before[-1].verdict.value} became {latest.verdict.value}: {latest.reason}"


def _moved(name: str, before: Sequence[ArmNight], latest: ArmNight) -> Iterator[str]:
    rates = [arm.faults / arm.runs for arm in before if arm.runs]
    if rates and latest.runs and chance(latest.faults, latest.runs, median(rates)) <= CHANCE:
        now = f"faults in {latest.faults} of {latest.runs} runs"
        usual = f"the median of {len(rates)} nights before is {median(rates):.0%}"
        yield f"{name} arm's rate moved: {now}, {usual}"


def _slower(name: str, before: Sequence[ArmNight], latest: ArmNight) -> Iterator[str]:
    if len(before) < ENOUGH:
        return
    usual, now = median(arm.seconds for arm in before), latest.seconds
    if now > SLOWER * usual and now - usual >= LEAST_SECONDS:
        times = f"{now / usual:.1f} times the" if usual else "the"
        yield f"{name} arm slower: {now:.1f} s, {times} median {usual:.1f} s of {len(before)} nights before"


def chance(hits: int, trials: int, rate: float) -> float:
    """How likely a count at most as likely as `hits` of `trials` is under `rate` (exact, two-sided)."""
    likely = [math.comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(trials + 1)]
    return sum(one for one in likely if one <= likely[hits] * (1 + 1e-9))


# --- rows ----------------------------------------------------------------------------------------


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and found != FORMAT:
        raise BadInput(f"{path}: is of format {found}, but this version reads {FORMAT}: {_REMEDY}")
    connection.executescript(_TABLES)
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def _run_row(document: Document) -> tuple[str | None, ...]:
    about = document.sglang
    told = (about.get("version"), about.get("origin"), about.get("tree"), track(about.get("version")))
    return (document.digest, document.at.isoformat(), document.refault, *told, one_line(document.machine))


def track(version: str | None) -> Track:
    """Whether a tree's version is that of a release; a checkout's is not, or is not known."""
    return "release" if version and releases.parse(version) else "development"


def _verdict_row(result: Result) -> tuple[str | float | None, ...]:
    identity = (result.reproducer, result.tier, result.platform, one_line(result.params))
    assert result.verdict is not None  # the caller leaves those out
    arms = (*_arm_row(result, "fixed"), *_arm_row(result, "reverted"))
    return (*identity, result.verdict.value, result.reason, result.seconds, *arms)


def _arm_row(result: Result, name: str) -> tuple[float | None, int, int]:
    """Seconds, faulting runs and runs of an arm; a result that is no sum of repeats is one run."""
    arm, rate = result.arms.get(name), result.rates.get(name)
    if arm is None:
        return None, 0, 0
    if rate:
        return arm.seconds, int(rate["faults"]), int(rate["runs"])
    whole = arm.unresolved is None
    return arm.seconds, int(whole and any(point.faults for point in arm.points)), int(whole)


def _series(key: _Row, nights: tuple[Night, ...]) -> Series:
    reproducer, tier, platform, of, params = key
    identity = {"reproducer": reproducer, "tier": tier, "platform": platform}
    return Series(**identity, track=of, params=params, nights=nights)


def _nights(rows: Iterable[_Row]) -> tuple[Night, ...]:
    """One night for each run; its rows are the repeats."""
    return tuple(
        _night(at, sglang, tree, [row[4:] for row in repeats])
        for (_, at, sglang, tree), repeats in groupby(rows, key=lambda row: row[:4])
    )


def _night(at: str, sglang: str | None, tree: str | None, repeats: list[_Row]) -> Night:
    verdicts = [Verdict(row[0]) for row in repeats]
    worst = max(range(len(repeats)), key=lambda index: SEVERITY.index(verdicts[index]))
    arms = {"fixed": _arm([row[3:6] for row in repeats]), "reverted": _arm([row[6:9] for row in repeats])}
    return Night(
        at=datetime.fromisoformat(at).astimezone(UTC), sglang=sglang, tree=tree,
        verdict=verdicts[worst], reason=repeats[worst][1], seconds=median(row[2] for row in repeats),
        arms={name: arm for name, arm in arms.items() if arm},
    )  # fmt: skip


def _arm(rows: Sequence[_Row]) -> ArmNight | None:
    seen = [row for row in rows if row[0] is not None]
    if not seen:
        return None
    faults, runs = (sum(row[column] for row in seen) for column in (1, 2))
    return ArmNight(seconds=median(row[0] for row in seen), faults=faults, runs=runs)


def told_params(series: Series) -> dict[str, object]:
    """The parameters of a series as they were given."""
    return dict(json.loads(series.params))
