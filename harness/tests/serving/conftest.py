"""Starts the toy as a server is started, and sees to it that nothing of it stays."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.serving.launch import Command
from harness.serving.server import Server

TOY = Path(__file__).with_name("toy_server.py")
Start = Callable[..., Server]


def command(*arguments: str) -> Command:
    return Command(program=(sys.executable, str(TOY)), arguments=arguments)


@pytest.fixture
def toy(tmp_path: Path) -> Start:
    """A server to enter: `toy("--slow", "1")`."""
    return lambda *arguments, **how: Server(command(*arguments), tmp_path / "server", **how)
