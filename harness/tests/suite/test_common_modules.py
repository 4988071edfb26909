"""What kinds of arms have in common is found out once, and what is apart stays so."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from harness.observation import Exit
from harness.process.job import Ended, Environment, Job
from harness.process.preload_cache import PreloadCache
from harness.suite import common_modules
from harness.suite.common_modules import CommonModules


class _Pool:
    """Says of each job that modules whose names begin with `c` are common, or nothing."""

    def __init__(self, answers: bool = True) -> None:
        self.jobs: list[Job] = []
        self._answers = answers

    def submit(self, job: Job) -> Future[Ended]:
        self.jobs.append(job)
        common = [name for name in job.payload["modules"] if name.startswith("c")]
        result = {"common": common} if self._answers else None
        future: Future[Ended] = Future()
        future.set_result(Ended(exit=Exit(how="clean"), seconds=1, log=Path("log.txt"), result=result))
        return future


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common_modules, "WORTH", 2)


def _modules(folder: Path, key: str = "torch 2") -> CommonModules:
    return CommonModules(*(PreloadCache(folder / f"{name}.json", key) for name in ("common", "apart")))


def _sort(folder: Path, pool: Any, *names: str) -> None:
    _modules(folder).sort(names, pool, folder / "arm", Environment(arm_only=frozenset({"sglang", "triton"})))


def test_what_was_sorted_is_not_sorted_again(tmp_path: Path) -> None:
    pool = _Pool()
    _sort(tmp_path, pool, "c1", "t1", "c2")
    assert _modules(tmp_path).known == ("c1", "c2")
    _sort(tmp_path, pool, "c1", "t1", "c2", "t2", "c3")
    assert _modules(tmp_path).known == ("c1", "c2", "c3")
    _sort(tmp_path, pool, "c1", "t1", "c2", "t2", "c3", "t3")  # one alone is not worth it
    assert [job.payload["modules"] for job in pool.jobs] == [["c1", "t1", "c2"], ["t2", "c3"]]
    assert pool.jobs[0].payload["apart"] == ["sglang", "triton"]


def test_other_software_has_other_modules(tmp_path: Path) -> None:
    _sort(tmp_path, _Pool(), "c1", "t1")
    assert _modules(tmp_path, "torch 3").known == ()


def test_where_nothing_was_found_out_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _sort(tmp_path, _Pool(answers=False), "c1", "t1")
    assert _modules(tmp_path).known == () and "was not found out (log: log.txt)" in caplog.text
