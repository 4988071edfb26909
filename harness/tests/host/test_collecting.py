"""Cycles are left alone while modules load, and looked for afterwards."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness.host import collecting


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_nothing_is_collected_in_the_block_and_its_objects_never(as_before: None) -> None:
    gc.unfreeze()
    with collecting.later():
        assert not gc.isenabled()
        made: list[object] = []
        made.append(made)
    assert gc.isenabled() and gc.get_freeze_count() > 0
    assert not any(one is made for one in gc.get_objects())


def test_an_import_that_fails_leaves_the_collector_on() -> None:
    with pytest.raises(ImportError), collecting.later():
        raise ImportError("no such module")
    assert gc.isenabled()


FORKS = """
import gc, os
from harness.host import collecting

collecting.after_the_first_fork()
print(gc.isenabled(), flush=True)
if pid := os.fork():
    os.waitpid(pid, 0)
print(gc.isenabled(), flush=True)
if pid:
    gc.disable()
    if os.fork() == 0:
        print(gc.isenabled(), flush=True)
os._exit(0)
"""


def test_both_sides_of_the_first_fork_collect() -> None:
    ran = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "True", "True", "False"]  # who switches it off later is let be
