"""A soak may run in pieces: a trial depends on seed and number alone, and kept ones are not repeated."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.soak import sensitivity as sensitivity_soak
from ci.soak import servers
from harness.observation import Exit
from harness.process.job import Ended, Job
from reproducers.tests import sensitivity
from reproducers.tests.sensitivity import Trial


class _Recorder:
    """In place of a pool, whose arms would start servers: keeps what it is asked to run."""

    def __init__(self) -> None:
        self.asked: list[Job] = []

    def submit(self, job: Job) -> Future[Ended]:
        self.asked.append(job)
        future: Future[Ended] = Future()
        future.set_result(Ended(exit=Exit(how="exception", message="no server"), seconds=0.0, log=job.folder))
        return future


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("REFAULT_CACHE", str(tmp_path / "cache"))
    return sensitivity_soak


def trial(number: int, logprob: float = 1.0) -> Trial:
    return Trial(number, 60, 16, token=False, logprob=logprob)


@given(st.integers(0, 9), st.integers(1, 8), st.integers(0, 5))
def test_a_trial_hangs_on_its_seed_and_number_alone(number: int, more: int, seed: int) -> None:
    short, long = (sensitivity.prompts(count, seed) for count in (number + 1, number + 1 + more))
    assert short == long[: number + 1]
    assert sensitivity._page(number, seed, short[number]) < len(short[number])


def test_what_the_record_holds_is_counted_and_not_tried_again(soak: Any, tmp_path: Path) -> None:
    record, pool = tmp_path / "record.jsonl", _Recorder()
    for number in (0, 2):
        soak._keep(record, "tiny-llama", 7, trial(number))
    soak._keep(record, "tiny-llama", 8, trial(1))
    soak._keep(record, "tiny-swa", 7, trial(1))
    assert not soak._soak(pool, "tiny-llama", range(4), 7, record)  # its arm ended badly
    assert [job.payload["numbers"] for job in pool.asked] == [[1, 3]]


@pytest.mark.parametrize(("unnoticed", "passes"), [(5, True), (6, False)])
def test_a_whole_record_is_judged_without_a_server(
    unnoticed: int, passes: bool, soak: Any, tmp_path: Path
) -> None:
    record, pool = tmp_path / "record.jsonl", _Recorder()
    for number in range(100):
        soak._keep(record, "tiny-llama", 0, trial(number, 0.0 if number < unnoticed else 1.0))
    assert soak._soak(pool, "tiny-llama", range(100), 0, record) is passes
    assert pool.asked == []


def test_trials_are_read_while_the_arm_writes_them(tmp_path: Path) -> None:
    (tmp_path / sensitivity.TRIALS).write_text(
        '{"number": 3, "prompt_tokens": 60, "first": 16, "token": false, "logprob": 1.0}\n{"numb'
    )
    assert sensitivity.read_trials(tmp_path) == [trial(3)]


@pytest.mark.parametrize("other", ["oob-read of k last=8", ""])
def test_a_repeated_server_must_show_the_same_signatures(monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    same = "oob-read of k last=9"
    shown = iter([same, same, same, other])
    run = lambda case: servers.Run("PASS", {"reverted faults": (next(shown),)}, 1.0, [])  # noqa: E731
    monkeypatch.setattr(servers, "_run", run)
    assert servers._repeated("24394", 2)
    assert not servers._repeated("24394", 2)
