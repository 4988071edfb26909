"""Starts a server in a session of its own, with its ports, its key, and a folder for temporary files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import Unresolved
from harness.process import log
from harness.serving.ports import HOST, Ports
from harness.serving.prepared import Prepared, Process

PROGRAM = (sys.executable, "-P", "-m", "sglang.launch_server")
_LONGEST_FOLDER = 90
"""Upstream's sockets lie in the temporary folder; Linux allows their paths 107 bytes (unix(7))."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to start: `arguments` are added to `program`, `environment` is all that it gets.

    Host, ports, key and the folder for temporary files are the server's own business and come on top.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    program: tuple[str, ...] = PROGRAM


def words(command: Command, ports: Ports, key: str) -> tuple[str, ...]:
    """The whole command line."""
    own = ("--host", HOST, "--port", str(ports.base), "--nccl-port", str(ports.nccl), "--api-key", key)
    return (*command.program, *command.arguments, *own)


def environment(command: Command, temporary: Path) -> dict[str, str]:
    """The whole environment.

    `/health` else generates a token and sleeps a second before it answers (http_server.health_generate).
    """
    return {
        **command.environment,
        "TMPDIR": str(temporary),
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": f"{HOST},localhost",
        "SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION": "0",
    }


def make_temporary() -> Path:
    """A fresh folder, short enough for sockets; raises Unresolved where none can be had."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="srv-"))
    except OSError as error:
        raise Unresolved(f"no temporary folder can be made ({error.strerror}): set TMPDIR") from error
    if len(str(folder)) > _LONGEST_FOLDER:
        shutil.rmtree(folder)
        raise Unresolved(f"{folder.parent} is too long a path for sockets: set TMPDIR to a shorter one")
    return folder


def start(
    command: Command, ports: Ports, key: str, temporary: Path, log_file: Path,
    prepared: Prepared | None = None,
) -> subprocess.Popen[bytes] | Process:  # fmt: skip
    """The server's first process, in a session of its own; raises Unresolved if it cannot be started.

    One that is `prepared` runs what else a fresh interpreter would.
    """
    try:
        output = log.open_for_arm(log_file)
    except OSError as error:
        raise Unresolved(f"the log {log_file} cannot be written: {error.strerror}") from error
    try:
        if prepared and command.program == PROGRAM:
            return prepared.start(words(command, ports, key), environment(command, temporary), output)
        return subprocess.Popen(
            words(command, ports, key),
            env=environment(command, temporary),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    except OSError as error:
        raise Unresolved(f"{command.program[0]} cannot be started: {error.strerror}") from error
    finally:
        os.close(output)
