"""Finding and ending the processes below one, and nobody else."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness.process.descendants import Process, descendants, look_up, send_signal


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_process_is_found_below_its_parent(sleeper: subprocess.Popen[bytes]) -> None:
    found = {process.pid: process for process in descendants(os.getpid())}
    assert found[sleeper.pid].name == "sleep"
    assert found[sleeper.pid].parent == os.getpid()
    assert os.getpid() not in found


def test_a_grandchild_comes_after_its_parent() -> None:
    script = "import subprocess; subprocess.run(['sh', '-c', 'echo ready; sleep 60; true'])"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        below = descendants(os.getpid())
        pids = [process.pid for process in below]
        shells = [process for process in below if process.parent == parent.pid]
        assert shells and pids.index(parent.pid) < pids.index(shells[0].pid)
        for shell in descendants(parent.pid):  # and nobody else's: this process may have a pool, too
            send_signal(shell, signal.SIGKILL)
        parent.kill()


def test_names_may_hold_parentheses_and_spaces(tmp_path: os.PathLike[str]) -> None:
    odd = os.path.join(tmp_path, "a) R 1 (b")
    os.symlink("/bin/sleep", odd)
    with subprocess.Popen([odd, "60"]) as process:
        seen = look_up(process.pid)
        process.kill()
    assert seen is not None and seen.parent == os.getpid()


def test_a_pid_that_was_given_to_another_process_is_not_signalled(sleeper: subprocess.Popen[bytes]) -> None:
    now = look_up(sleeper.pid)
    assert now is not None
    assert not send_signal(now._replace(start=now.start - 1), signal.SIGKILL)
    assert sleeper.poll() is None
    assert send_signal(now, signal.SIGKILL)
    assert sleeper.wait(timeout=5) == -signal.SIGKILL


def test_a_process_that_is_gone_is_not_signalled(sleeper: subprocess.Popen[bytes]) -> None:
    now = look_up(sleeper.pid)
    assert now is not None
    sleeper.kill()
    sleeper.wait()
    assert look_up(sleeper.pid) is None
    assert not send_signal(now, signal.SIGKILL)


def test_zombies_have_ended() -> None:
    assert Process(1, 0, "Z", 0, "x").ended
    assert not Process(1, 0, "T", 0, "x").ended


def test_a_sweep_ends_children_grandchildren_and_those_that_left() -> None:
    """In a process of its own, since a sweep spares nothing below it."""
    script = """
import os, time, subprocess
from harness.process import descendants, prctl
prctl.adopt_orphans()
subprocess.Popen(["sh", "-c", "sleep 60 & setsid sleep 60 & setsid sh -c 'sleep 60 & sleep 60' & exit 0"])
while len(descendants.descendants(os.getpid())) < 5: time.sleep(0.01)
print(descendants.sweep(5), descendants.descendants(os.getpid()))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20)
    assert (done.stdout, done.stderr) == ("[] []\n", "")
