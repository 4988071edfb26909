"""Arms that are forks of one trunk: what they share, what is their own, and what is done where none grows."""

import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.process import descendants, trunks
from harness.process.confine import Protected
from harness.process.job import Ended, Job, Trunk
from harness.process.limits import Limits
from harness.process.pool import Pool
from harness.process.protection import Protection, refused
from harness.tests.process.conftest import PLAIN

MakeJob = Callable[..., Job]
ENTRIES = "harness.tests.process.trunk_entries"


@pytest.fixture
def job(tmp_path: Path) -> MakeJob:
    def make(entry: str, n: int = 0, name: str = "one", **payload: Any) -> Job:
        shared = {"counted": str(tmp_path / "counted"), "protected": str(tmp_path / "protected/file")}
        return Job(
            entry=f"{ENTRIES}:by_itself",
            payload={"n": n, **payload},
            folder=tmp_path / f"{name}.{n}",
            limits=Limits(30, 256),
            environment=PLAIN,
            trunk=Trunk(name=name, entry=f"{ENTRIES}:{entry}", payload=shared),
        )

    return make


@pytest.fixture
def run(pool: Pool) -> Callable[..., list[Ended]]:
    """Submits all jobs at once, and waits for them."""

    def together(*jobs: Job, pool: Pool = pool) -> list[Ended]:
        return [future.result(timeout=60) for future in [pool.submit(job) for job in jobs]]

    return together


def test_what_arms_have_in_common_is_done_once_and_each_goes_on_from_there(
    run: Callable[..., list[Ended]], job: MakeJob, tmp_path: Path
) -> None:
    ended = run(*(job("parts", n) for n in range(4)))
    results = [one.result or {} for one in ended]
    assert (tmp_path / "counted").read_text() == "grown "
    assert len({one["made"]["pid"] for one in results}) == 1
    assert [one["made"]["list"] for one in results] == [[1, n] for n in range(4)]
    assert [one.told["list"] for one in ended] == [[1, n] for n in range(4)]
    assert len({one["pid"] for one in results} | {one["made"]["pid"] for one in results}) == 5
    assert all(one["session"] == one["pid"] for one in results)
    assert [one["folder"] for one in results] == [str(tmp_path / f"one.{n}") for n in range(4)]
    assert len({one["temporary"] for one in results}) == 4


def test_each_name_is_a_trunk_of_its_own(
    run: Callable[..., list[Ended]], job: MakeJob, tmp_path: Path
) -> None:
    ended = run(*(job("parts", n, name) for n in range(2) for name in ("one", "two")))
    assert (tmp_path / "counted").read_text() == "grown grown "
    assert len({(one.result or {})["made"]["pid"] for one in ended}) == 2


def test_a_trunk_ends_behind_its_last_arm(run: Callable[..., list[Ended]], job: MakeJob) -> None:
    (ended,) = run(job("parts"))
    assert _goes((ended.result or {})["made"]["pid"])


def _goes(pid: int) -> bool:
    """Whether a process has ended, or does within some seconds."""
    deadline = time.monotonic() + 10
    while (found := descendants.look_up(pid)) and not found.ended and time.monotonic() < deadline:
        time.sleep(0.01)
    return found is None or found.ended


@pytest.mark.parametrize("entry", ["raises_before", "crashes", "never_parts", "starts_a_thread"])
def test_where_none_grows_arms_are_run_by_themselves(
    entry: str, run: Callable[..., list[Ended]], job: MakeJob
) -> None:
    ended = run(*(job(entry, n, entry) for n in range(3)))
    assert [one.result for one in ended] == [{"alone": n} for n in range(3)]


def test_it_is_tried_once(run: Callable[..., list[Ended]], job: MakeJob, tmp_path: Path) -> None:
    for n in range(2):
        run(job("raises_before", n, "once"))
    assert (tmp_path / "counted").read_text() == "grown "


def test_one_that_hangs_is_ended(job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trunks, "SECONDS", 1.0)
    with Pool(lanes=2, learn=False) as own:
        assert own.submit(job("hangs")).result(timeout=60).result == {"alone": 0}
        left = [one for one in descendants.descendants(own.supervisor) if "trunk" in one.name]
        assert all(_goes(one.pid) for one in left)


def test_where_a_first_result_is_wanted_arms_do_not_wait_for_another_s_trunk(job: MakeJob) -> None:
    with Pool(lanes=1, first=True) as pool:
        pool.submit(replace(job("hangs"), effort=1.0))
        alone = pool.submit(replace(job("parts", name="alone"), trunk=None))
        assert alone.result(timeout=30).exit.how == "clean"


def test_nor_is_a_lane_taken_by_what_takes_longer_while_their_own_grows(job: MakeJob) -> None:
    ended: list[str] = []
    with Pool(lanes=1, first=True) as pool:
        for name, trunk, effort in (("soon", True, 1.0), ("later", False, 2.0)):
            asked = replace(job("parts", name=name), effort=effort)
            future = pool.submit(asked if trunk else replace(asked, trunk=None))
            future.add_done_callback(lambda _, name=name: ended.append(name))  # type: ignore[misc]
        future.result(timeout=30)
    assert ended == ["soon", "later"]


def test_what_a_lane_holds_back_is_cancelled_with_its_pool(job: MakeJob) -> None:
    with Pool(lanes=1, first=True) as pool:
        soon, later = pool.submit(job("hangs")), pool.submit(replace(job("parts", 1), trunk=None, effort=9.0))
        time.sleep(0.3)  # a lane has taken it by then
    for future in (soon, later):
        with pytest.raises(CancelledError):
            future.result(timeout=5)


def test_what_an_arm_raises_is_its_own(run: Callable[..., list[Ended]], job: MakeJob) -> None:
    (ended,) = run(job("raises_behind"))
    assert ended.exit.how == "exception" and (ended.error or {})["message"] == "this arm's own"


def test_a_stray_fork_is_nobodys_arm(run: Callable[..., list[Ended]], job: MakeJob) -> None:
    ended = run(*(job("forks_of_its_own", n) for n in range(2)))
    assert [one.result for one in ended] == [{"n": 0}, {"n": 1}]


def test_what_is_altered_before_arms_part_is_told_of_each(
    run: Callable[..., list[Ended]], job: MakeJob
) -> None:
    for ended in run(*(job("alters", n) for n in range(2))):
        assert ended.result is None and "socket.SOMAXCONN" in (ended.exit.message or "")


def test_what_is_altered_after_it_was_noticed_is_told_too(
    run: Callable[..., list[Ended]], job: MakeJob
) -> None:
    (ended,) = run(job("alters_what_was_noticed"))
    assert ended.result is None and "harness.tests.samples.__name__" in (ended.exit.message or "")


@pytest.mark.skipif(bool(refused()), reason="this machine lets no process have read-only folders")
def test_an_arm_writes_its_own_folders_alone(job: MakeJob, tmp_path: Path) -> None:
    protected = Protected((tmp_path,), ())
    (tmp_path / "protected").mkdir()
    files = {
        "own": str(tmp_path / "one.0/file"),
        "another's": str(tmp_path / "one.1/file"),
        "protected": str(tmp_path / "protected/file"),
    }
    with Pool(lanes=2, learn=False, protection=Protection.READ_ONLY) as own:
        first, second = (replace(job("writes", n, files=files), protected=protected) for n in range(2))
        ended = [future.result(timeout=60) for future in [own.submit(first), own.submit(second)]]
        (before,) = [own.submit(replace(job("writes_before", name="two"), protected=protected))]
        assert (before.result(timeout=60).result or {}) == {"n": 0, "written": False}
    assert [one.result for one in ended] == [
        {"own": True, "another's": False, "protected": False},
        {"own": False, "another's": True, "protected": False},
    ]


def test_arms_that_wait_for_a_trunk_are_cancelled_with_their_pool(job: MakeJob) -> None:
    with Pool(lanes=1, learn=False) as own:
        futures: list[Future[Ended]] = [own.submit(job("hangs", n)) for n in range(2)]
        time.sleep(0.5)
    assert all(future.cancelled() for future in futures)
