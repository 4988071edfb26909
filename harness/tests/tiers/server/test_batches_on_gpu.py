from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.memory.violations import Where
from harness.observation import Fault
from harness.tiers.server.batches_on_gpu import Served, _last_look, _wrap_runner, _wrap_scheduler

FAULT = Fault(kind="index-range", buffer="page_table", kernel="scatter_", numel=2)


class Report:
    """Keeps what a process would have written."""

    def __init__(self) -> None:
        self.lines: list[Mapping[str, Any]] = []
        self.patches: list[str] = []
        self.attestor: Any = None

    def violation(self, line: Mapping[str, Any]) -> None:
        self.lines.append(line)

    def patched(self, patch: str) -> None:
        self.patches.append(patch)


class Sweeps:
    """Finds one stray index at each look but the first."""

    def __init__(self, served: Served) -> None:
        self.served, self.looks, self.forwards = served, 0, 0

    def poll(self) -> None:
        self.looks += 1
        if self.looks > 1:
            self.served.index(FAULT, np.array([2]), Where("row 1 of 4"))

    def after_forward(self) -> None:
        self.forwards += 1


def batch(*requests: str) -> SimpleNamespace:
    return SimpleNamespace(
        reqs=[SimpleNamespace(rid=name) for name in requests], forward_mode=SimpleNamespace(name="DECODE")
    )


def test_a_stray_is_the_running_batchs_and_written_again_as_it_grows() -> None:
    report = Report()
    served = Served(report)
    served.serve(batch("a", "b"))
    for _ in range(2):
        served.index(FAULT, np.array([2]))
        served.tell()
    served.serve(batch("c"))
    served.index(FAULT, np.array([3]))
    told = [(line["requests"], line["batch"], line["fault"]["count"]) for line in report.lines]
    assert told == [(["a", "b"], 1, 1), (["a", "b"], 1, 2), (["c"], 2, 1)]


def test_what_strays_before_any_batch_is_nobodys() -> None:
    report = Report()
    Served(report).add(FAULT)
    assert [(line["requests"], line["mode"], line["batch"]) for line in report.lines] == [([], None, 0)]


def test_a_scheduler_is_looked_after_around_its_batches() -> None:
    report = Report()
    served = Served(report)
    sweeps: Any = Sweeps(served)
    ran: list[str] = []

    class Scheduler:
        def run_batch(self, batch: Any) -> str:
            ran.append("run")
            return "result"

        def process_batch_result(self, batch: Any, result: str) -> None:
            ran.append(result)

    _wrap_scheduler(SimpleNamespace(__name__="scheduler", Scheduler=Scheduler), sweeps, served, report)
    one = Scheduler()
    one.process_batch_result(batch("a"), one.run_batch(batch("a")))
    assert ran == ["run", "result"] and sweeps.looks == 3
    assert [line["fault"]["count"] for line in report.lines] == [1, 2]
    assert all(line["requests"] == ["a"] for line in report.lines)


def test_every_forward_has_its_zones_looked_at() -> None:
    report = Report()
    sweeps: Any = Sweeps(Served(report))

    class ModelRunner:
        def forward(self, batch: Any) -> Any:
            return batch

    _wrap_runner(SimpleNamespace(__name__="runner", ModelRunner=ModelRunner), sweeps, sweeps.served, report)
    assert ModelRunner().forward(3) == 3 and sweeps.forwards == 1
    assert report.patches == ["runner.ModelRunner.forward: zones are looked at behind it"]


class Ends:
    """Fences at the end of a process: a stray that grew since it was told, and a device that may be gone."""

    def __init__(self, served: Served, ends_in: Exception | None, lost: str | None) -> None:
        self._served, self._ends_in, self.context = served, ends_in, SimpleNamespace(lost=lost)

    def check(self) -> None:
        self._served.index(FAULT, np.array([5]))
        if self._ends_in:
            raise self._ends_in


@pytest.mark.parametrize("lost", [None, "device-side assert triggered"])
@pytest.mark.parametrize("ends_in", [None, RuntimeError("the host is out of memory")])
def test_the_last_numbers_are_told_on_every_end(
    lost: str | None, ends_in: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    report = Report()
    served = Served(report)
    served.index(FAULT, np.array([2]))
    ends: Any = Ends(served, ends_in, lost)
    try:
        _last_look(ends, served)
    except RuntimeError as error:
        assert error is ends_in
    else:
        assert ends_in is None
        assert [record.getMessage() for record in caplog.records] == ([f"CUDA error: {lost}"] if lost else [])
    assert [line["fault"]["count"] for line in report.lines] == [1, 2]
