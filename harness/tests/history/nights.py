"""Nights, and the store that they leave."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.documents import Document
from harness.history import Series, notable, opened
from harness.tests.report.runs import run
from harness.verdict import Result

START = datetime(2026, 1, 1, tzinfo=UTC)


def night(day: int, *results: Result, **facts: Any) -> Document:
    return run(*results, at=(START + timedelta(days=day)).isoformat(), **facts)


def kept(path: Path, *documents: Document) -> list[Series]:
    with opened(path) as store:
        for one in documents:
            store.append(one)
        return store.series()


def named(one: Series) -> list[str]:
    return [found.what for found in notable(one)]
