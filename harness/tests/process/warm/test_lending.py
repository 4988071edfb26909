"""Pools that borrow: their arms are as any others, and whatever is killed, nothing is left or lost."""

import json
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.process import descendants
from harness.process.job import Trunk
from harness.process.pool import Pool
from harness.tests.process import trunk_entries
from harness.tests.process.warm import client, looking
from harness.tests.process.warm.conftest import Warm, job, pool_of, start

KINDS = ("branch", "plain")


def _described(pool: Pool, folder: Path, warm: Warm, kind: str) -> dict[str, Any]:
    ended = pool.submit(job("describes_itself", folder, warm.environments[kind])).result(timeout=30)
    assert ended.result is not None, ended
    return ended.result


def _is_lent(pool: Pool) -> bool:
    return bool(pool._lent)


@pytest.mark.parametrize("kind", KINDS)
def test_an_arm_that_is_lent_is_as_one_that_is_not(warm: Warm, tmp_path: Path, kind: str) -> None:
    seen: list[dict[str, Any]] = []
    for lender in (None, warm.lender):
        with pool_of(lender) as pool:
            asked = replace(
                job("returns", tmp_path / "arm", warm.environments[kind]), entry=f"{looking.__name__}:looks"
            )
            ended = pool.submit(asked).result(timeout=30)
            assert _is_lent(pool) == (lender is not None)
            assert ended.result is not None, ended
            seen.append(_without_chance(ended.result))
    for name in seen[0]:
        assert (name, seen[0][name]) == (name, seen[1][name])


def test_variables_that_no_import_asks_for_are_the_pools(
    warm: Warm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_TTY", "/dev/pts/7")
    monkeypatch.delenv("OLDPWD", raising=False)
    with pool_of(warm.lender) as pool:
        seen = _described(pool, tmp_path / "arm", warm, "branch")["environment"]
        assert _is_lent(pool)
    assert seen["SSH_TTY"] == "/dev/pts/7" and "OLDPWD" not in seen


def test_what_a_module_told_the_environment_of_its_folder_is_of_the_pools(
    begin: Callable[..., Warm], folder: Path
) -> None:
    text = "import os, tempfile; os.environ['KEPT'] = tempfile.mkdtemp(prefix='kept')"
    (folder / "modules" / "m_shared.py").write_text(text)
    warm = begin()
    with pool_of(warm.lender) as pool:
        seen = _described(pool, folder / "arm", warm, "branch")["environment"]
        (lent,) = pool._lent
        assert Path(seen["KEPT"]).parent == lent.scratch and Path(seen["KEPT"]).is_dir()
    assert not lent.scratch.exists()


def test_what_arms_learned_since_is_imported_by_the_fork(warm: Warm, tmp_path: Path) -> None:
    with pool_of(warm.lender) as pool:
        assert "fractions" not in _described(pool, tmp_path / "arm", warm, "branch")["modules"]
    (warm.folder / "learned").write_text("fractions", encoding="utf-8")
    with pool_of(warm.lender) as pool:
        assert "fractions" in _described(pool, tmp_path / "arm", warm, "branch")["modules"]
        assert _is_lent(pool)
    assert warm.line() == "ended: arms have learned more to import"  # once nobody asks


def test_several_pools_at_once_and_one_after_another(warm: Warm, tmp_path: Path) -> None:
    for _ in range(2):
        with pool_of(warm.lender) as one, pool_of(warm.lender, lanes=2) as two:
            futures = [
                pool.submit(job("returns", tmp_path / f"{number}{kind}", environment, number=number))
                for number, pool in enumerate((one, two))
                for kind, environment in warm.environments.items()
            ]
            assert [(future.result(timeout=30).result or {})["payload"] for future in futures] == [
                {"number": number} for number in (0, 0, 1, 1)
            ]
            assert [len(pool._lent) for pool in (one, two)] == [2, 2]
            assert [descendants.descendants(pool.supervisor) for pool in (one, two)] == [[], []]


def test_a_trunk_grows_below_the_supervisor_that_was_lent(warm: Warm, tmp_path: Path) -> None:
    shared = {"counted": str(tmp_path / "counted"), "protected": str(tmp_path / "file")}
    trunk = Trunk(name="one", entry=f"{trunk_entries.__name__}:parts", payload=shared)
    with pool_of(warm.lender, lanes=2) as pool:
        jobs = [
            replace(
                job("by_itself", tmp_path / str(n), warm.environments["branch"], n=n),
                entry=f"{trunk_entries.__name__}:by_itself",
                trunk=trunk,
            )
            for n in range(3)
        ]
        ended = [future.result(timeout=30) for future in [pool.submit(one) for one in jobs]]
        (lent,) = pool._lent
        assert descendants.descendants(pool.supervisor) == []
        assert [path for path in lent.scratch.iterdir() if path.name.isdigit()] == []  # each arm's is gone
    results = [one.result or {} for one in ended]
    assert (tmp_path / "counted").read_text(encoding="utf-8") == "grown "
    assert [one["made"]["list"] for one in results] == [[1, n] for n in range(3)]
    assert all(one["temporary"].startswith(f"{lent.scratch}/") for one in results)


def test_nothing_is_left_when_a_pool_is_closed(warm: Warm, tmp_path: Path) -> None:
    with pool_of(warm.lender) as pool:
        pool.submit(job("leaves_daemons", tmp_path / "arm", warm.environments["branch"], sleep=60))
        _wait_for(tmp_path / "arm" / "daemon")
        (lent,) = pool._lent
        below = [process.pid for process in descendants.descendants(lent.pid)]
        assert len(below) >= 4  # fork server, watchdog, arm, and what that left
        assert os.getsid(lent.pid) == lent.pid  # no signal for the warm process's terminal comes there
        started = time.monotonic()
    assert time.monotonic() - started < 2
    assert [pid for pid in (*below, lent.pid) if _is_running(pid)] == []
    assert not lent.scratch.exists()


def test_a_pool_that_is_killed_leaves_nothing(warm: Warm, tmp_path: Path) -> None:
    borrower = start(client.__name__, str(warm.folder))
    assert borrower.stdout
    supervisor, scratch = borrower.stdout.readline().split()
    below = [int(supervisor), *(process.pid for process in descendants.descendants(int(supervisor)))]
    assert len(below) >= 5
    borrower.kill()
    borrower.communicate()
    deadline = time.monotonic() + 1
    while (left := [pid for pid in below if _is_running(pid)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left == [] and not Path(scratch).exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_pool_goes_on_when_the_warm_process_ends(warm: Warm, tmp_path: Path, number: int) -> None:
    with pool_of(warm.lender) as pool:
        asked = job("leaves_daemons", tmp_path / "arm", warm.environments["branch"], sleep=1)
        future = pool.submit(asked)
        _wait_for(tmp_path / "arm" / "daemon")
        warm.process.send_signal(number)
        warm.process.wait()
        assert future.result(timeout=10).exit.how == "clean"
        again = pool.submit(job("returns", tmp_path / "next", warm.environments["branch"]))
        assert again.result(timeout=10).exit.how == "clean"
        assert len(pool._lent) == 1
        alone = pool.submit(job("returns", tmp_path / "alone", warm.environments["plain"]))
        assert alone.result(timeout=10).exit.how == "clean"
        assert len(pool._lent) == 1


@pytest.mark.parametrize("whom", ["refault-fork-server", "refault-supervisor"])
def test_a_process_that_was_lent_and_killed_is_replaced(warm: Warm, tmp_path: Path, whom: str) -> None:
    with pool_of(warm.lender) as pool:
        run = job("returns", tmp_path / "arm", warm.environments["branch"])
        assert pool.submit(run).result(timeout=10).exit.how == "clean"
        (lent,) = pool._lent
        below = [process for process in descendants.descendants(lent.pid) if process.name == whom[:15]]
        os.kill(below[0].pid if below else lent.pid, signal.SIGKILL)
        time.sleep(0.3)
        assert pool.submit(run).result(timeout=10).exit.how in ("clean", "lost")
        assert pool.submit(run).result(timeout=10).exit.how == "clean"
        assert len(pool._lent) == 1  # the second was started by the pool itself


def _without_chance(seen: dict[str, Any]) -> dict[str, Any]:
    """Numbers of sockets, addresses and the pool's folder differ from arm to arm."""
    text = json.dumps(seen).replace(str(Path(seen["temporary"]).parent), "SCRATCH")
    text = re.sub(r"socket:\[\d+\]", "socket", text)
    without: dict[str, Any] = json.loads(re.sub(r"0x[0-9a-f]+", "ADDRESS", text))
    return without


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _is_running(pid: int) -> bool:
    process = descendants.look_up(pid)
    return process is not None and not process.ended
