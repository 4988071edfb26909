"""`refault warm` beside other commands, from its first import to Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.commands.interruption import SIGNALLED
from harness.tests.test_cli import processes_of, wait_until
from harness.tests.toyland import checkout
from harness.tests.toyland.checkout import Checkout

LOADED = 60.0
"""Seconds within which a loaded machine has imported what arms share."""
CHANCE = frozenset({"at", "digest", "log", "run", "seconds"})


@pytest.fixture
def place(tmp_path: Path) -> Checkout:
    """With a cache of its own, in which nothing is learned yet."""
    return checkout.lay_out(tmp_path / "checkout", tmp_path / "cache", ("pr101_stray_store",))


@contextmanager
def _begun(place: Checkout) -> Iterator[subprocess.Popen[str]]:
    how: dict[str, Any] = {"cwd": place.root, "env": place.environment, "process_group": 0, "text": True}
    with subprocess.Popen(place.command("warm"), stderr=subprocess.PIPE, **how) as process:
        try:
            yield process
        finally:
            process.kill()


def _said(process: subprocess.Popen[str], what: str) -> str:
    """All that it says up to a line with this."""
    assert process.stderr
    told = ""
    since = time.monotonic()
    while what not in told:
        line = process.stderr.readline()
        assert line and time.monotonic() - since < LOADED, told
        told += line
    return told


def _results(place: Checkout, name: str) -> Any:
    """What a run tells but for what differs from run to run; nothing of it is a warning."""
    done = place.refault("repro", "101", "--json", f"../{name}.json")
    assert done.returncode == 1 and "warning" not in done.stderr, done.stderr  # it is UNRECORDED
    return _without_chance(json.loads((place.root.parent / f"{name}.json").read_text(encoding="utf-8")))


def _without_chance(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: _without_chance(value) for name, value in told.items() if name not in CHANCE}
    return list(map(_without_chance, told)) if isinstance(told, list) else told


def test_runs_beside_it_tell_the_same(place: Checkout) -> None:
    with _begun(place) as warm:
        assert "importing what arms share …" in _said(warm, "ready after ")
        first = _results(place, "first")
        assert _said(warm, "starting anew").splitlines()[0].endswith("lent a fork server")
        _said(warm, "ready after ")
        second = _results(place, "second")
        assert _said(warm, "lent a fork server").count("\n") == 1
        os.killpg(warm.pid, signal.SIGINT)
        assert warm.wait(10) == SIGNALLED + signal.SIGINT
        wait_until(lambda: processes_of(place) == [], 3)
    assert first == second == _results(place, "alone")
    assert not (place.cache / "warm" / "socket").exists()


def test_a_second_one_is_refused(place: Checkout) -> None:
    with _begun(place) as warm:
        _said(warm, "importing")
        wait_until((place.cache / "warm" / "lock").exists, LOADED)
        time.sleep(0.1)
        done = place.refault("warm")
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1] == (
            f"refault: `refault warm` runs already for this cache (process {warm.pid}): end it first"
        )


def test_no_time_at_all_is_no_idle_time(place: Checkout) -> None:
    done = place.refault("warm", "--idle", "0")
    assert done.returncode == 2 and "--idle" in done.stderr and len(done.stderr.splitlines()) == 1
