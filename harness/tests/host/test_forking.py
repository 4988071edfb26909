"""Processes that were to be spawned are forks, and say so."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import multiprocessing, sys
from harness.host import forking
print(forking.fork_for_spawn(lambda: print("forked", flush=True)), flush=True)
multiprocessing.set_start_method({method!r}, force=True)
def work(): print("known" if "marker" in globals() else "unknown", flush=True)
marker = 1
if __name__ == "__main__":
    child = multiprocessing.Process(target=work)
    child.start()
    child.join()
    print(multiprocessing.get_start_method(), child.exitcode)
"""


def run(method: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(method=method)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_spawn_becomes_fork_and_each_child_is_told() -> None:
    patch, *rest = run("spawn")
    assert patch.startswith("multiprocessing.set_start_method")
    assert rest == ["forked", "known", "fork 0"]


def test_a_fork_stays_one() -> None:
    assert run("fork")[1:] == ["forked", "known", "fork 0"]
