"""What kinds of arms share from suite to suite: what each learned, and what they have in common."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.machine.workspace import Workspace
from harness.observation import Exit
from harness.process.job import Ended, Environment, Job
from harness.suite import common_modules
from harness.suite.environments import Environments

LEARNED = ("json", "triton.language", "openai")


class _Pool:
    """All arms learned the same; nothing of Triton's is common."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def learned(self, environment: Environment) -> tuple[str, ...]:
        return LEARNED

    def submit(self, job: Job) -> Future[Ended]:
        self.jobs.append(job)
        common = [name for name in job.payload["modules"] if not name.startswith("triton")]
        future: Future[Ended] = Future()
        future.set_result(Ended(exit=Exit(how="clean"), seconds=1, log=Path(), result={"common": common}))
        return future


def _suite(folder: Path, *kinds: str) -> tuple[dict[str, Environment], list[Job]]:
    bench: Any = SimpleNamespace(
        workspace=Workspace(folder),
        machine=SimpleNamespace(facts={"torch": "2"}),
        homes=(),
    )
    pool: Any = _Pool()
    environments = Environments(bench, "sglang")
    made = environments.every(kinds)
    environments.save(pool, folder / "arm")
    return made, pool.jobs


def test_the_third_suite_has_a_base_with_what_the_second_found_common(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common_modules, "WORTH", 1)
    first, jobs = _suite(tmp_path, "kernel", "codegen")
    assert jobs == [] and not any(each.base for each in first.values())
    second, jobs = _suite(tmp_path, "kernel", "codegen")
    assert [job.payload["modules"] for job in jobs] == [list(LEARNED)]
    assert not any(each.base for each in second.values())
    third, jobs = _suite(tmp_path, "kernel", "codegen", "server")
    assert jobs == []
    bases = {kind: each.base and each.base.preload[1:] for kind, each in third.items()}
    assert bases == {"kernel": ("json", "openai"), "codegen": ("json", "openai"), "server": None}
    assert set(LEARNED) <= set(third["kernel"].preload)


def test_one_kind_alone_has_nothing_in_common(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common_modules, "WORTH", 1)
    for _ in range(3):
        _, jobs = _suite(tmp_path, "kernel", "server")
        assert jobs == []
