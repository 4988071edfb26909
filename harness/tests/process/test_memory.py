"""A memory limit ends an arm that runs away, quickly, and never looks like a crash."""

import dataclasses
from collections.abc import Callable

import pytest

from harness.process.arm import is_about_memory
from harness.process.job import Ended, Environment, Job
from harness.process.pool import Pool
from harness.tests.process.conftest import Start

_ABSURD_MB = 4000


@pytest.mark.parametrize("entry", ["grows", "grows_in_a_child", "grows_in_shared_memory", "numpy_gradually"])
def test_growth_is_ended(run: Start, entry: str) -> None:
    ended = run(entry)
    _assert_out_of_memory(ended)
    assert ended.exit.message == "used more than its limit of 256 MB"


def test_an_absurd_request_is_refused(run: Start) -> None:
    ended = run("numpy_at_once", megabytes=_ABSURD_MB)
    _assert_out_of_memory(ended)
    assert ended.error and "ArrayMemoryError" in ended.error["type"]


def test_a_request_somewhat_over_the_limit_is_ended_once_it_is_used(run: Start) -> None:
    _assert_out_of_memory(run("numpy_at_once", megabytes=400))


def test_torch_is_told_apart_too(job: Callable[..., Job]) -> None:
    torch = Environment(preload=("torch",))
    with Pool(lanes=1) as pool:
        for entry in ("torch_at_once", "torch_gradually"):
            asked = dataclasses.replace(job(entry, megabytes=_ABSURD_MB, name=entry), environment=torch)
            _assert_out_of_memory(pool.submit(asked).result(timeout=60))
        assert not pool.threaded


@pytest.mark.parametrize("entry", ["raises_about_memory", "aborts_for_memory"])
def test_want_of_memory_is_known_by_what_it_leads_to(run: Start, entry: str) -> None:
    _assert_out_of_memory(run(entry))


def test_what_stays_below_the_limit_is_left_alone(run: Start) -> None:
    assert run("numpy_at_once", megabytes=150).exit.how == "clean"
    assert run("asks_for_much_but_uses_little", megabytes=450).exit.how == "clean"


def test_what_forks_share_is_counted_once(run: Start) -> None:
    assert run("forks_many_small", megabytes=100).exit.how == "clean"


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError(), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"), True),
        (OSError(2, "No such file"), False),
        (RuntimeError("index out of range"), False),
    ],
)
def test_errors_about_memory(error: BaseException, memory: bool) -> None:
    assert is_about_memory(error) == memory
    outer = ValueError("no")
    outer.__cause__ = error
    assert is_about_memory(outer) == memory


def test_a_ring_of_causes_ends() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert not is_about_memory(first)


def _assert_out_of_memory(ended: Ended) -> None:
    assert ended.exit.how == "out-of-memory", ended
    assert ended.result is None
