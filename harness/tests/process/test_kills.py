"""Whatever is killed, nothing of a pool is left a second later. Many more rounds: ci/soak/kills.py."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.process import descendants
from harness.process.job import Job
from harness.process.pool import Pool
from harness.tests.process import kill_round
from harness.tests.process.kill_round import FULL_LOAD


@pytest.mark.parametrize(
    ("whom", "after"),
    [("parent", 0.02), ("parent", 0.15), ("parent", 0.3), ("parent", None), ("supervisor", None)],
)
def test_nothing_outlives_a_kill(tmp_path: Path, whom: str, after: float | None) -> None:
    done = kill_round.kill_round(whom, after, tmp_path)
    assert done.survivors == ()
    assert done.within < 1
    if after is None:
        assert done.running == FULL_LOAD
    if whom == "parent":
        assert done.folders == ()


@pytest.mark.parametrize("whom", ["fork-server", "watchdog", "arm"])
def test_the_pool_tells_what_was_killed_under_it(job: Callable[..., Job], whom: str) -> None:
    with Pool(lanes=1) as pool:
        asked = job("leaves_daemons", sleep=60)
        future = pool.submit(asked)
        while not (asked.folder / "daemon").exists():
            time.sleep(0.01)
        _kill_below(pool.supervisor, f"refault-{whom}"[:15])
        ended = future.result(timeout=10)
        assert ended.exit.how == ("crash" if whom == "arm" else "lost")
        time.sleep(0.1)
        # A killed watchdog leaves what had left the arm's own process to the supervisor.
        assert not _is_alive(asked.folder / "arm")
        assert whom == "watchdog" or not _is_alive(asked.folder / "daemon")
        assert pool.submit(job("returns", name="next")).result(timeout=10).exit.how == "clean"
    assert not _is_alive(asked.folder / "daemon")


def _kill_below(supervisor: int, name: str) -> None:
    named = [process for process in descendants.descendants(supervisor) if process.name == name]
    assert descendants.send_signal(named[0], signal.SIGKILL)


def _is_alive(pid_file: Path) -> bool:
    return Path(f"/proc/{int(pid_file.read_text(encoding='utf-8'))}").exists()


def test_a_fork_of_the_pools_process_keeps_nothing_alive(tmp_path: Path) -> None:
    """It holds copies of every descriptor, so that no end of file tells of the kill."""
    script = f"""
import os, threading, time
from pathlib import Path
from harness.tests.process import kill_round
threading.Thread(target=kill_round._run_stubborn_arms, args=[Path({str(tmp_path)!r})], daemon=True).start()
daemons = [Path({str(tmp_path)!r}, name, "daemon") for name in "01"]
while not all(path.exists() for path in daemons): time.sleep(0.01)
if os.fork() == 0: time.sleep(2); os._exit(0)
print("forked", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout and parent.stdout.readline() == b"forked\n"
        parent.kill()
        time.sleep(0.5)
        assert not any(_is_alive(tmp_path / name / "daemon") for name in "01")


def test_a_survivor_would_be_seen() -> None:
    environment = {**os.environ, "REFAULT_KILL_ROUND": "planted"}
    with subprocess.Popen(["sleep", "60"], env=environment, start_new_session=True) as planted:
        time.sleep(0.05)
        left, took = kill_round._wait_for_end("planted", set(), "parent", limit=0.1)
        planted.kill()
    assert [process.name for process in left] == ["sleep"] and took > 0.1


def test_an_interrupt_from_the_terminal_reaches_the_pool_and_not_its_arms(tmp_path: Path) -> None:
    """Ctrl-C goes to the whole foreground group: only the pool's process may be in it."""
    command = [sys.executable, "-m", kill_round.__name__, str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, process_group=0) as parent:
        while not (tmp_path / "1" / "daemon").exists():
            time.sleep(0.02)
        started = time.monotonic()
        os.killpg(parent.pid, signal.SIGINT)
        _, errors = parent.communicate(timeout=10)
        assert time.monotonic() - started < 1
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert not Path(f"/proc/{(tmp_path / '1' / 'daemon').read_text()}").exists()
