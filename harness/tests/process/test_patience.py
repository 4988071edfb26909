"""Silence is counted from the last answer, less what the arm waited for a processor."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable

import pytest

from harness.process import patience, usage
from harness.process.job import Job
from harness.process.pool import Pool


class _Machine:
    """A clock, and how long each process has waited for a processor."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.delays: dict[int, float] = {}
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(usage, "run_delay", lambda pid: self.delays.get(pid, 0.0))

    def passes(self, seconds: float, **waiting: float) -> None:
        self.now += seconds
        for name, delay in waiting.items():
            pid = int(name.removeprefix("pid"))
            self.delays[pid] = self.delays.get(pid, 0.0) + delay


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> _Machine:
    return _Machine(monkeypatch)


def test_silence_runs_out(machine: _Machine) -> None:
    arm = patience.Patience(10)
    machine.passes(9)
    assert not arm.is_over([1])
    machine.passes(2)
    assert arm.is_over([1])


def test_an_answer_gives_all_the_time_again(machine: _Machine) -> None:
    arm = patience.Patience(10)
    for _ in range(5):
        machine.passes(9)
        assert not arm.is_over([1])
        arm.answered()


def test_waiting_for_a_processor_does_not_count(machine: _Machine) -> None:
    arm = patience.Patience(10)
    assert not arm.is_over([1])
    machine.passes(100, pid1=95)
    assert not arm.is_over([1])
    machine.passes(100, pid1=90)
    assert arm.is_over([1])


def test_one_process_that_waits_holds_the_others_up(machine: _Machine) -> None:
    arm = patience.Patience(10)
    assert not arm.is_over([1, 2])
    machine.passes(50, pid1=1, pid2=45)
    assert not arm.is_over([1, 2])


def test_what_a_process_waited_before_it_was_seen_does_not_count(machine: _Machine) -> None:
    arm = patience.Patience(10)
    machine.delays[2] = 500.0
    machine.passes(11)
    assert arm.is_over([2])


def test_the_kernel_counts_waiting() -> None:
    assert usage.run_delay(os.getpid()) >= 0.0
    assert usage.run_delay(1 << 30) == 0.0


def test_an_arm_that_answers_may_take_longer_than_its_limit_in_all(
    pool: Pool, job: Callable[..., Job]
) -> None:
    slow = dataclasses.replace(job("answers_slowly", seconds=1.5, each=0.7), questions=tuple(range(4)))
    ended = pool.submit(slow).result(timeout=60)
    assert (ended.exit.how, ended.answers) == ("clean", (0, 1, 2, 3))
    assert ended.seconds > 2.5


def test_an_arm_that_falls_silent_between_answers_is_ended(pool: Pool, job: Callable[..., Job]) -> None:
    silent = dataclasses.replace(
        job("answers_slowly", seconds=1.0, each=0.1, silent_at=2), questions=tuple(range(4))
    )
    ended = pool.submit(silent).result(timeout=60)
    assert (ended.exit.how, ended.answers) == ("time-out", (0, 1))
