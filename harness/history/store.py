"""The store itself, in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harness.documents import Document
from harness.errors import BadInput
from harness.history import rows
from harness.history.rows import Row
from harness.history.series import Series

FORMAT = 1
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
                rows.run_row(document),
            )
            if not run.rowcount:
                return False
            told = [(run.lastrowid, *rows.verdict_row(one)) for one in document.results if one.verdict]
            store.executemany(f"INSERT INTO verdicts VALUES ({', '.join('?' * 14)})", told)
        return True

    def series(self) -> list[Series]:
        """Everything that is kept, in order of reproducer, tier, platform, track and parameters."""
        return rows.series(map(Row._make, self._connection.execute(_ROWS)))


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


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and found != FORMAT:
        raise BadInput(f"{path}: is of format {found}, but this version reads {FORMAT}: {_REMEDY}")
    connection.executescript(_TABLES)
    connection.execute(f"PRAGMA user_version = {FORMAT}")
