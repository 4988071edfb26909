"""Servers left up by `refault serve` and `--keep`, and servers under way, when somebody ends the command."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.tests.suite.test_kept_servers import is_healthy
from harness.tests.test_cli import STARTED, processes_of, wait_until
from harness.tests.toyland import checkout
from harness.tests.toyland.checkout import Checkout

NAMES = ("config_toy", "pr202_wrong_token", "pr206_endless_drain")
AT_ONCE = 3.0
"""Seconds within which nothing may be left after the command is ended."""


@pytest.fixture
def place(tmp_path: Path, cache: Path) -> Checkout:
    return checkout.lay_out_server(tmp_path / "checkout", cache, NAMES)


@contextmanager
def begun(place: Checkout, *words: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a group of its own, as a terminal starts one."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**place.environment, "SPT_NOENV": "1"}  # else a process that is titled hides its own
    how: dict[str, Any] = {"cwd": place.root, "env": environment, "start_new_session": True}
    with subprocess.Popen(place.command(*words), **how, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def standing(process: subprocess.Popen[str], count: int) -> list[tuple[str, str, str]]:
    """(address, key, how to ask it) of so many servers, as soon as the command has told them."""
    assert process.stdout
    told = ""
    while told.count("ask it") < count:
        line = process.stdout.readline()
        assert line, f"it ended: {told} {process.communicate()}"
        told += line
    patterns = (r"arm: (\S+)", r"Bearer (\w+)", r"ask it\s+(.*)")
    return list(zip(*(re.findall(pattern, told) for pattern in patterns), strict=True))


def interrupt(process: subprocess.Popen[str]) -> str:
    """Ctrl-C: what it says then; it is gone at once."""
    since = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - since < AT_ONCE and "Traceback" not in err
    return out + err


def test_serve_tells_how_to_talk_to_the_server_and_ctrl_c_ends_it(place: Checkout) -> None:
    with begun(place, "serve", "toy", "--arm", "fixed") as process:
        ((url, key, command),) = standing(process, 1)
        assert is_healthy(url, key) and not is_healthy(url, "another key")
        # The toy takes an id and a word on streaming with each request, which upstream does not need.
        command = command.replace('{"input_ids"', '{"rid": "a", "stream": false, "input_ids"')
        answered = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
        assert '"output_ids"' in answered.stdout, answered
        interrupt(process)
        assert process.returncode == 130
        assert processes_of(place) == [] and not is_healthy(url, key)


@pytest.mark.parametrize(("name", "arms"), [("toy", 1), pytest.param("202", 2, marks=pytest.mark.nightly)])
def test_keep_leaves_every_arm_up_after_the_verdict(name: str, arms: int, place: Checkout) -> None:
    with begun(place, "repro", name, "--tier", "server", "--keep") as process:
        servers = [(url, key) for url, key, _ in standing(process, arms)]
        assert all(is_healthy(*server) for server in servers)
        interrupt(process)
        assert process.returncode == 1  # UNRECORDED, which is the run's own end
        assert processes_of(place) == []


@pytest.mark.parametrize("end", [pytest.param("interrupt", marks=pytest.mark.nightly), "kill"])
def test_nothing_outlives_a_run_that_is_ended_under_way(end: str, place: Checkout) -> None:
    with begun(place, "run", "206", "--tier", "server") as process:
        wait_until(lambda: _scheduling(place) >= 2, STARTED)
        if end == "interrupt":
            interrupt(process)
        else:
            process.kill()
            process.wait()
        wait_until(lambda: processes_of(place) == [], AT_ONCE)
        assert process.returncode == (130 if end == "interrupt" else -signal.SIGKILL)


def _scheduling(place: Checkout) -> int:
    """How many schedulers of this checkout run."""
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            titled = (folder / "cmdline").read_bytes().startswith(b"sglang::scheduler")
            found += titled and str(place.root).encode() in (folder / "environ").read_bytes()
        except OSError:
            continue  # it has ended meanwhile
    return found


@pytest.mark.nightly
def test_repeating_tells_each_arm_s_rate(place: Checkout) -> None:
    done = place.refault("repro", "202", "--tier", "server", "--repeat", "2", timeout=300)
    assert done.returncode == 1, done.stderr
    assert "faults in 0/2" in done.stdout and "2/2" in done.stdout
