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

FORMAT = 2
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
    reverted_seconds REAL, reverted_faults INTEGER NOT NULL, reverted_runs INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS by_series ON verdicts (reproducer, tier, platform, run);
"""
_ROWS = """
SELECT v.reproducer, v.tier, v.platform, v.params, r.id, r.at,
       r.sglang, r.origin, r.tree, r.root, r.branch, r.machine,
       v.verdict, v.reason, v.seconds,
       v.fixed_seconds, v.fixed_faults, v.fixed_runs, v.reverted_seconds, v.reverted_faults, v.reverted_runs
FROM verdicts v JOIN runs r ON r.id = v.run
ORDER BY r.at, r.id, v.rowid
"""
_FROM_1 = """
ALTER TABLE runs DROP COLUMN track;
ALTER TABLE runs ADD COLUMN root TEXT;
ALTER TABLE runs ADD COLUMN branch TEXT;
PRAGMA user_version = 2;
"""
"""What makes a store of format 1 one of format 2; its runs have no root, branch or hardware."""


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
            store.executemany(f"INSERT INTO verdicts VALUES ({', '.join('?' * 14)})", told)
        return True

    def series(self) -> list[Series]:
        """Everything that is kept, in order of reproducer, tier, platform, line, host and parameters."""
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
    if tables and found == 1:
        connection.executescript(f"BEGIN IMMEDIATE; {_FROM_1} COMMIT;")
        found = FORMAT
    if tables and found != FORMAT:
        raise BadInput(f"{path}: is of format {found}, but this version reads {FORMAT}: {_REMEDY}")
    connection.executescript(_TABLES)
    connection.execute(f"PRAGMA user_version = {FORMAT}")
