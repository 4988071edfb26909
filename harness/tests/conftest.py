"""What tests of several modules share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.process.pool import Pool
from harness.tests.clean_end import pytest_unconfigure as pytest_unconfigure
from harness.tests.toyland import bench
from harness.tests.toyland.bench import Bench


@pytest.fixture(scope="session")
def kernel_pool() -> Iterator[Pool]:
    """One pool for every toy case: its fork server takes seconds to import torch and triton."""
    with Pool(2) as shared:
        yield shared


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What commands keep between runs: the first one learns what the others then import ahead."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def fresh(tmp_path: Path, cache: Path, kernel_pool: Pool) -> Bench:
    """The toy upstream, without goldens."""
    return bench.lay_out(tmp_path, cache, kernel_pool)


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A shell lets its background jobs ignore Ctrl-C, and what they start inherits that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
