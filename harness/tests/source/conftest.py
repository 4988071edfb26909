"""A fresh toy tree for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.source.tree import Tree, at
from harness.tests.source import toy


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return at(toy.write(tmp_path / "up"), "toy")
