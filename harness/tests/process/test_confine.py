"""What a process can still do once folders were made read-only for it, as root and as somebody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.process import confine, protection

_PROGRAM = """
import ctypes, json, os, subprocess, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from harness.process import confine
place = Path(sys.argv[2])
if user := int(sys.argv[3]):
    os.setgroups([]), os.setgid(user), os.setuid(user)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # its /proc is its own again, as that of a program it started is
os.chdir(place)
confine.enter(confine.Protected((place, place / "nowhere"), (place / "own",)))
above = os.getppid()

def outcome(attempt):
    try:
        attempt()
    except (OSError, subprocess.CalledProcessError) as error:
        return type(error).__name__
    return "done"

def shell(text):
    return lambda: subprocess.run(["sh", "-ec", text], check=True, stderr=subprocess.DEVNULL)

told = {
    "own": lambda: (place / "own/file").write_text(""),
    "child": shell(f"echo > {place}/own/child"),
    "file": lambda: (place / "file").write_text(""),
    "relative": lambda: Path("file").write_text(""),
    "delete": lambda: os.unlink(place / "kept"),
    "move": lambda: os.rename(place / "own", place.parent / "moved"),
    "umount": shell(f"umount -l {place}; echo > {place}/file"),
    "remount": shell(f"mount -o remount,rw,bind {place}"),
    "namespace": shell(f"unshare -Urm sh -c 'umount {place}; echo > {place}/file'"),
    "pool's memory": lambda: open(f"/proc/{above}/mem", "r+b"),
    "pool's mounts": lambda: Path(f"/proc/{above}/root{place}/file").write_text(""),
}
print(json.dumps({name: outcome(attempt) for name, attempt in told.items()}))
"""
REFUSED = pytest.mark.skipif(protection.refused() is not None, reason="this machine refuses namespaces")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may reach and write: it is not permissions that keep anyone out."""
    with tempfile.TemporaryDirectory(prefix="refault-test-") as name:
        folder = Path(name)
        (folder / "own").mkdir()
        (folder / "kept").touch()
        for path in (folder, folder / "own", folder / "kept"):
            path.chmod(0o777)
        yield folder


@REFUSED
@pytest.mark.parametrize("user", [0, 65534])
def test_nothing_but_its_own_can_be_written(user: int, place: Path) -> None:
    if user and os.getuid() != 0:
        pytest.skip("only root runs something as somebody else")
    command = [sys.executable, "-c", _PROGRAM, str(Path(confine.__file__).parents[2]), str(place), str(user)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert {name for name, outcome in outcomes.items() if outcome == "done"} == {"own", "child"}
    assert sorted(path.name for path in place.iterdir()) == ["kept", "own"]


def test_a_machine_says_why_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confine, "_BOOT", "raise PermissionError(1, 'unshare: Operation not permitted')")
    assert confine.refused() == "PermissionError: [Errno 1] unshare: Operation not permitted"
