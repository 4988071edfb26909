"""Checkouts that have goldens: recorded on a bench, which is quicker than by the command."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.process.pool import Pool
from harness.tests.toyland import bench, checkout
from harness.tests.toyland.bench import bug
from harness.tests.toyland.checkout import Checkout


def lay_out(
    factory: pytest.TempPathFactory, cache: Path, pool: Pool, *, name: str, bugs: Sequence[str]
) -> Checkout:
    """A checkout in a folder of this name with these toy bugs, and the golden of the first."""
    one = bench.lay_out(factory.mktemp("stored"), cache, pool)
    one.record(bug(bugs[0]))
    laid = checkout.lay_out(factory.mktemp(name) / "checkout", cache, bugs)
    shutil.copytree(one.goldens.folder, laid.goldens)
    return laid
