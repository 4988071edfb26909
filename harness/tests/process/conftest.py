"""One pool for all the tests that do nothing to it, so that only one fork server is started for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.process.job import Ended, Environment, Job
from harness.process.limits import Limits
from harness.process.pool import Pool

PLAIN = Environment(preload=("json", "decimal"))
Start = Callable[..., Ended]


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    with Pool(lanes=2, learn=False) as shared:
        yield shared


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    def make(entry: str, seconds: float = 30, memory_mb: int = 256, name: str = "arm", **payload: Any) -> Job:
        return Job(
            entry=f"harness.tests.process.arms:{entry}",
            payload=payload,
            folder=tmp_path / name,
            limits=Limits(seconds, memory_mb),
            environment=PLAIN,
        )

    return make


@pytest.fixture
def run(pool: Pool, job: Callable[..., Job]) -> Start:
    """Runs one entry of `arms` to its end."""
    return lambda *args, **payload: pool.submit(job(*args, **payload)).result(timeout=60)
