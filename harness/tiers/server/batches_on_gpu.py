"""Device fences in a scheduler's process: what strays is written down with the requests being served.

Zones are looked at by the device behind every forward and at the end of every captured graph. The
host looks at the device's flags when it has launched a batch, and again when it has its result.
"""

from __future__ import annotations

import atexit
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import imports
from harness.memory.device import install as fences
from harness.memory.violations import Elements, Violations, Where
from harness.observation import Fault
from harness.tiers.server.batches_on_cpu import SCHEDULER, Reported, Reports

RUNNER = "srt.model_executor.model_runner"


class Served(Violations):
    """Violations of whatever batch is being served: each batch's are told apart, and written at once."""

    def __init__(self, report: Reports) -> None:
        super().__init__()
        self._report = report
        self._number = 0
        self._current = self._reported((), None)

    def serve(self, batch: Any) -> None:
        """From now on this batch is the one that strays."""
        self._number += 1
        requests = [str(request.rid) for request in batch.reqs]
        self._current = self._reported(requests, batch.forward_mode.name if batch.forward_mode else None)

    def _reported(self, requests: Sequence[str], mode: str | None) -> Reported:
        served = {"requests": list(requests), "mode": mode, "batch": self._number}
        return Reported(lambda fault, place: self._write(fault, place, served))

    def _write(self, fault: Fault, place: str | None, served: Mapping[str, Any]) -> None:
        self._report.violation({"fault": fault.to_json(), **served, "place": place})

    def access(self, fault: Fault, elements: Elements, where: Where | None = None) -> None:
        self._current.access(fault, elements, where)

    def index(self, fault: Fault, indices: Elements, where: Where | None = None) -> None:
        self._current.index(fault, indices, where)

    def add(self, fault: Fault, where: Where | None = None) -> None:
        self._current.add(fault, where)

    def tell(self) -> None:
        """Write numbers that grew since they were written first."""
        self._current.tell()


def install(settings: Mapping[str, Any], report: Reports) -> None:
    """Fence this process's buffers as the settings ask, before the package makes any."""
    asked, package = settings["fences"], settings["package"]
    violations = Served(report)
    installed = fences.install(
        fences.Wanted(
            root=str(Path(settings["root"]) / package),
            only=frozenset(asked["only"]),
            rows=frozenset(asked["rows"]),
            electric=asked["electric"],
            assertions=not asked["no_index_assertions"],
        ),
        violations,
    )
    changes: Mapping[str, Callable[..., None]] = {SCHEDULER: _wrap_scheduler, RUNNER: _wrap_runner}
    imports.after(
        {
            f"{package}.{name}": functools.partial(
                change, installed=installed, violations=violations, report=report
            )
            for name, change in changes.items()
        }
    )
    for patch in fences.PATCHES:
        report.patched(f"{patch}: device fences")
    atexit.register(_last_look, installed, violations)


def _wrap_runner(module: Any, installed: fences.Installed, violations: Served, report: Reports) -> None:
    original: Callable[..., Any] = module.ModelRunner.forward

    @functools.wraps(original)
    def forward(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        installed.after_forward()
        return result

    module.ModelRunner.forward = forward
    report.patched(f"{module.__name__}.ModelRunner.forward: zones are looked at behind it")


def _wrap_scheduler(module: Any, installed: fences.Installed, violations: Served, report: Reports) -> None:
    run, done = module.Scheduler.run_batch, module.Scheduler.process_batch_result

    @functools.wraps(run)
    def run_batch(self: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
        installed.poll()  # what the batches before this one did
        violations.serve(batch)
        result = run(self, batch, *args, **kwargs)
        installed.poll()
        violations.tell()
        return result

    @functools.wraps(done)
    def process_batch_result(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = done(self, *args, **kwargs)
        installed.poll()
        violations.tell()
        return result

    module.Scheduler.run_batch, module.Scheduler.process_batch_result = run_batch, process_batch_result
    for name in ("run_batch", "process_batch_result"):
        report.patched(f"{module.__name__}.Scheduler.{name}: tells what strayed")


def _last_look(installed: fences.Installed, violations: Served) -> None:
    """As the process ends: what strayed since the last look, unless the device's context is gone.

    Then that is said in a record of the log, which explains nothing that the code under test told before.
    """
    try:
        installed.check()
    finally:
        violations.tell()
    if installed.context.lost is not None:
        logging.getLogger(__name__).error("CUDA error: %s", installed.context.lost)
