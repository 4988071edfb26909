"""Whoever looks for what is left finds each kind of it, however well it hides, and nothing of others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from harness.process import shared_memory

LOOK = """
import json, os, subprocess, sys, time, uuid
from pathlib import Path
from harness.tests.serving.left_behind import Watch
watch = Watch(Path(sys.argv[1]))
WAITS = "import sys; print(flush=True); sys.stdin.read()"
def start(*words, **how):
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    one = subprocess.Popen([sys.executable, "-c", *words], **pipes, **how)
    one.stdout.readline()
    return one
found = []
def look():
    found.append(watch.left())
{plant}
print(json.dumps(found))
"""
PLANTED = {
    "wiped environment": """
one = start(WAITS, env={}, start_new_session=True)
look()
""",
    "reparented": """
one = start("import os, sys\\nif os.fork(): os._exit(0)\\nos.setsid()\\n" + WAITS)
one.wait()
look()
""",
    "port": """
one = start("import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1]);" + WAITS)
look()
""",
    "segment": """
path = Path("/dev/shm", f"refault_test_{uuid.uuid4().hex}")
path.touch()
look()
path.unlink()
""",
    "file": """
(watch.temporary / "srv-1").mkdir()
look()
""",
}
WORDS = {
    "wiped environment": "process python",
    "reparented": "process python",
    "port": "port ",
    "segment": "segment refault_test_",
    "file": "file srv-1",
}


def look(plant: str, folder: Path) -> list[list[str]]:
    """What is found in a process of its own, since the one that looks adopts orphans for good."""
    script = textwrap.dedent(LOOK).replace("{plant}", plant)
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, timeout=60, check=True
    )
    found: list[list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(not shared_memory.FOLDER.is_dir(), reason="this machine has no /dev/shm")
@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_leftover_is_found(kind: str, tmp_path: Path) -> None:
    (left,) = look(PLANTED[kind], tmp_path)
    assert any(line.startswith(WORDS[kind]) for line in left), left


def test_what_has_ended_and_what_was_there_is_not(tmp_path: Path) -> None:
    plant = """
one = start(WAITS)
one.communicate()
look()
two = start(WAITS)
later = Watch(watch.temporary)
found.append(later.left())
"""
    ended, before = look(plant, tmp_path)
    assert [line for line in ended + before if line.startswith(("process", "port", "file"))] == []


def test_a_neighbour_s_process_is_not(tmp_path: Path) -> None:
    neighbour = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        (left,) = look("look()", tmp_path)
        assert not [line for line in left if line.startswith("process")]
    finally:
        neighbour.communicate(os.linesep.encode())
