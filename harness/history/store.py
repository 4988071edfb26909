"""The store itself, in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harness.documents import Document
from harness.errors import BadInput
from harness.foreign import cause, is_gone, shown
from harness.history import rows
from harness.history.rows import Row
from harness.history.series import Series

FORMAT = 3
LARGEST = 1 << 30
"""Bytes of a store that is read; a night of all bugs adds some 20 KiB."""
PATIENCE = 10.0
"""Seconds that another process may keep the store locked: keeping a run takes milliseconds."""
WORK = 60.0
"""Seconds that one use of the store may take."""
_STEPS = 100_000
"""Instructions of SQLite's machine between two looks at the clock."""
_OURS = {"runs", "verdicts"}
_REMEDY = "name another file, or delete it and rebuild it with `refault history --import`"
_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, at TEXT NOT NULL, refault TEXT NOT NULL,
    sglang TEXT, origin TEXT, tree TEXT, machine TEXT NOT NULL, root TEXT, branch TEXT
);
CREATE TABLE IF NOT EXISTS verdicts (
    run INTEGER NOT NULL REFERENCES runs(id), reproducer TEXT NOT NULL, tier TEXT NOT NULL,
    platform TEXT NOT NULL, params TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL,
    seconds REAL NOT NULL, fixed_seconds REAL, fixed_faults INTEGER NOT NULL, fixed_runs INTEGER NOT NULL,
    reverted_seconds REAL, reverted_faults INTEGER NOT NULL, reverted_runs INTEGER NOT NULL,
    evidence TEXT
);
CREATE INDEX IF NOT EXISTS by_series ON verdicts (reproducer, tier, platform, run);
"""
_ROWS = """
SELECT v.reproducer, v.tier, v.platform, v.params, r.id, r.at,
       r.sglang, r.origin, r.tree, r.root, r.branch, r.machine,
       v.verdict, v.reason, v.seconds,
       v.fixed_seconds, v.fixed_faults, v.fixed_runs, v.reverted_seconds, v.reverted_faults, v.reverted_runs,
       v.evidence
FROM verdicts v JOIN runs r ON r.id = v.run
ORDER BY r.at, r.id, v.rowid
"""
_FROM = {
    1: """
ALTER TABLE runs DROP COLUMN track;
ALTER TABLE runs ADD COLUMN root TEXT;
ALTER TABLE runs ADD COLUMN branch TEXT;
""",
    2: """
ALTER TABLE verdicts ADD COLUMN evidence TEXT;
""",
}
"""What makes a store of a format one of the next: runs of the first have no root, branch or hardware, and
verdicts of the second no class of evidence."""


_BAD_ROWS = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
"""What rows raise that Refault did not write, and what SQLite cannot hold."""


class History:
    """The store in one SQLite file. Use `opened`; every failure of the file is a BadInput."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def append(self, document: Document) -> bool:
        """Keep a run; False where the very same document is there already."""
        with self._connection as store:
            run = store.execute(
                "INSERT OR IGNORE INTO runs "
                "(digest, at, refault, sglang, origin, tree, root, branch, machine) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows.run_row(document),
            )
            if not run.rowcount:
                return False
            told = [(run.lastrowid, *rows.verdict_row(one)) for one in document.results if one.verdict]
            store.executemany(f"INSERT INTO verdicts VALUES ({', '.join('?' * 15)})", told)
        return True

    def series(self) -> list[Series]:
        """Everything that is kept, in order of reproducer, tier, platform, line, host and parameters."""
        return rows.series(map(Row._make, self._connection.execute(_ROWS)))


@contextmanager
def opened(path: Path) -> Iterator[History]:
    """The store in `path`, made if it is not there. Raises BadInput where it cannot be, or is no store.

    What the block raises for a row that cannot be read or kept becomes one, too. Waits at most PATIENCE
    for another process, and works at most WORK seconds.
    """
    _hold_kind(path)
    try:
        with closing(sqlite3.connect(path, timeout=PATIENCE)) as connection:
            until = time.monotonic() + WORK
            connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
            _prepare(connection, path)
            yield History(connection)
    except sqlite3.Error as error:
        raise _refused(path, cause(error)) from error
    except _BAD_ROWS as error:
        raise _refused(path, f"a row is no result: {cause(error)}") from error


def _hold_kind(path: Path) -> None:
    """BadInput unless there is a file that SQLite may open, or nothing yet in a folder that can be made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        about = path.stat()
    except OSError as error:
        if is_gone(error) and not path.is_symlink() and path.parent.is_dir():
            return
        raise _refused(path, cause(error)) from error
    if not stat.S_ISREG(about.st_mode):
        raise _refused(path, "it is no regular file")
    if about.st_size > LARGEST:
        raise _refused(path, f"it has more than {LARGEST} bytes")


def _refused(path: Path, why: str) -> BadInput:
    return BadInput(f"{shown(os.fspath(path))}: the history cannot be used ({why}): {_REMEDY}")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute("PRAGMA trusted_schema = OFF")
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and not tables >= _OURS:
        raise _refused(path, f"it is another program's, with a table {shown(min(tables), 40)!r}")
    if tables and found in _FROM:
        steps = "".join(_FROM[number] for number in range(found, FORMAT))
        connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {FORMAT}; COMMIT;")
        found = FORMAT
    if tables and found != FORMAT:
        raise _refused(path, f"it is of format {found}, and this version reads {FORMAT}")
    connection.executescript(_TABLES)
    connection.execute(f"PRAGMA user_version = {FORMAT}")
