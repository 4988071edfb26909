"""Fork servers that are forks of one: what they share, what they do not, and what happens when one goes."""

import dataclasses
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.process.job import Ended, Environment, Job
from harness.process.pool import Pool

MakeJob = Callable[..., Job]
_NICE = os.getpriority(os.PRIO_PROCESS, 0)
"""How nice this process is already."""

ONCE = """
import os
with open(os.environ["COUNTED"], "a") as file:
    file.write("imported ")
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the search path of all processes, and a file that counts imports."""
    (tmp_path / "m_counted.py").write_text(ONCE)
    monkeypatch.setenv("COUNTED", str(tmp_path / "counted"))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def _branches(base: Environment) -> dict[str, Environment]:
    plain = Environment(preload=("m_counted", "m_own"), base=base)
    return {
        "one": dataclasses.replace(plain, variables={"MODE": "a", "COMMON": "yes"}),
        "two": dataclasses.replace(plain, variables={"COMMON": None}),
    }


def _run(pool: Pool, job: MakeJob, entry: str, environments: dict[str, Environment]) -> dict[str, Ended]:
    futures = {
        name: pool.submit(dataclasses.replace(job(entry, name=name), environment=environment))
        for name, environment in environments.items()
    }
    return {name: future.result(timeout=30) for name, future in futures.items()}


def test_what_is_common_is_imported_once_and_the_rest_by_each(job: MakeJob, modules: Path) -> None:
    (modules / "m_own.py").write_text("import os; MODE = os.environ.get('MODE')")
    base = Environment(
        variables={"COMMON": "yes"}, preload=("m_counted", "m_own"), arm_only=frozenset({"m_own"})
    )
    with Pool(lanes=2) as pool:
        ended = _run(pool, job, "describes_itself", _branches(base))
        assert (modules / "counted").read_text() == "imported "
        assert pool.notes == ("m_own not preloaded: Forbidden: it asks for m_own, which is left to the arms",)
        assert not pool.threaded
    seen: dict[str, dict[str, Any]] = {name: each.result or {} for name, each in ended.items()}
    assert all({"m_counted", "m_own"} <= set(each["modules"]) for each in seen.values())
    assert (seen["one"]["environment"]["MODE"], seen["one"]["environment"]["COMMON"]) == ("a", "yes")
    assert not {"MODE", "COMMON"} & seen["two"]["environment"].keys()


def test_arms_of_a_branch_are_as_much_on_their_own_as_any(job: MakeJob, modules: Path) -> None:
    (modules / "m_own.py").write_text("")
    with Pool(lanes=1) as pool:
        (ended,) = _run(pool, job, "describes_itself", {"one": _branches(Environment())["one"]}).values()
    seen = ended.result or {}
    links = [path for path in seen["files"].values() if path.startswith("socket:")]
    assert len(links) == 1  # to the pool, and none to a fork server


def test_a_branch_that_dies_takes_no_other_along(job: MakeJob, modules: Path) -> None:
    (modules / "m_own.py").write_text("import os\nif os.environ.get('MODE'):\n    os._exit(1)")
    with Pool(lanes=1) as pool:
        ended = _run(pool, job, "returns", _branches(Environment()))
        assert [each.exit.how for each in ended.values()] == ["lost", "clean"]
        assert "fork server ended" in (ended["one"].exit.message or "")
        again = _run(pool, job, "returns", _branches(Environment()))
        assert [each.exit.how for each in again.values()] == ["clean", "clean"]


def test_a_branch_that_hangs_is_given_up_alone(job: MakeJob, modules: Path) -> None:
    hangs = "import os, time\nif os.environ.get('MODE'):\n    time.sleep(600)"
    (modules / "m_own.py").write_text(hangs)
    branches = _branches(Environment())
    with Pool(lanes=1) as pool:
        assert _run(pool, job, "returns", {"two": branches["two"]})["two"].exit.how == "clean"
        pool._start_seconds = 1.0  # only now, so that a slow machine has time to start what is to start
        ended = _run(pool, job, "returns", {"one": branches["one"]})["one"]
        assert ended.exit.how == "lost" and "within 1 s" in (ended.exit.message or "")
        pool._start_seconds = 60.0
        again = _run(pool, job, "returns", branches)
        assert [each.exit.how for each in again.values()] == ["clean", "clean"]


@pytest.mark.parametrize("source", ["import os; os._exit(1)", "import time; time.sleep(600)"])
def test_a_base_that_fails_costs_an_arm_of_each_branch_at_most(
    job: MakeJob, modules: Path, source: str
) -> None:
    (modules / "m_fails.py").write_text(source)
    (modules / "m_own.py").write_text("")
    environments = _branches(Environment(preload=("m_fails",)))
    with Pool(lanes=1, start_seconds=1.5) as pool:
        assert _run(pool, job, "returns", environments)["one"].exit.how == "lost"
        pool._start_seconds = 60.0
        again = _run(pool, job, "returns", environments)
        assert [each.exit.how for each in again.values()] == ["clean", "clean"]


def test_where_a_first_result_is_wanted_it_waits_for_no_base_and_all_else_yields_to_it(
    job: MakeJob, modules: Path
) -> None:
    branches = _branches(Environment(preload=("m_counted",)))
    with Pool(lanes=2, first=True) as pool:
        pool.warm(branches["one"])
        deadline = time.monotonic() + 30
        while not (modules / "counted").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (modules / "counted").read_text() == "imported "  # and no arm was asked for yet
        ended = _run(pool, job, "describes_itself", branches)
        assert (modules / "counted").read_text() == "imported imported "  # once more for the others' base
    assert [(ended[name].result or {})["nice"] - _NICE for name in ("one", "two")] == [0, 10]


def test_else_all_are_equals(job: MakeJob, modules: Path) -> None:
    with Pool(lanes=2) as pool:
        ended = _run(pool, job, "describes_itself", _branches(Environment(preload=("m_counted",))))
    assert {(one.result or {})["nice"] for one in ended.values()} == {_NICE}
