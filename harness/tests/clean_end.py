"""A session of tests leaves no folder of torch's compiler in TMPDIR: both conftest.py have the hook."""

from __future__ import annotations

import contextlib
import getpass
import tempfile
from pathlib import Path

import pytest

LEFT_BY_TORCH = Path(tempfile.gettempdir()) / f"torchinductor_{getpass.getuser()}"
"""torch's compiler makes it for all programs of a user when it is imported, by upstream or by a model."""
WAS_THERE = LEFT_BY_TORCH.exists()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Takes it away where this session made it and put nothing there; workers leave that to the session."""
    if not WAS_THERE and not hasattr(config, "workerinput"):
        with contextlib.suppress(OSError):  # it is not there, or not empty
            LEFT_BY_TORCH.rmdir()
