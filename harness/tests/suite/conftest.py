"""A bench with a golden, which tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.process.pool import Pool
from harness.tests.suite.planted import STORE
from harness.tests.toyland import bench
from harness.tests.toyland.bench import Bench


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, cache: Path, kernel_pool: Pool) -> Bench:
    """A bench that holds the golden of #101; tests leave it as it is."""
    one = bench.lay_out(tmp_path_factory.mktemp("recorded"), cache, kernel_pool)
    one.record(STORE)
    return one
