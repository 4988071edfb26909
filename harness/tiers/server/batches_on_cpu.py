"""The oracle around each batch of a scheduler: what strays is written down with the requests served."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from harness import imports
from harness.host.attention import Stray
from harness.memory import oracle
from harness.memory.oracle import Oracle
from harness.memory.violations import Elements, Violations, Where
from harness.observation import Fault
from harness.source.attest import Attestor

SCHEDULER = "srt.managers.scheduler"


class Reports(Protocol):
    """Where a process writes what it saw."""

    attestor: Attestor

    def violation(self, line: Mapping[str, Any]) -> None: ...

    def patched(self, patch: str) -> None: ...


def install(settings: Mapping[str, Any], report: Reports) -> Batches:
    """Watch `Scheduler.run_batch` of the package once it is imported."""
    name, batches = f"{settings['package']}.{SCHEDULER}", Batches(settings, report)
    imports.after({name: functools.partial(_wrap, batches=batches, report=report)})
    return batches


def _wrap(module: Any, batches: Batches, report: Reports) -> None:
    original: Callable[..., Any] = module.Scheduler.run_batch

    @functools.wraps(original)
    def run_batch(self: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
        with batches.one(batch):
            return original(self, batch, *args, **kwargs)

    module.Scheduler.run_batch = run_batch
    report.patched(f"{module.__name__}.Scheduler.run_batch: inside the oracle")
    for patch in oracle.patches("cpu"):
        report.patched(f"{patch} while a batch runs")


class Batches:
    """Runs each batch in an oracle of its own: a server lives too long for one that remembers."""

    def __init__(self, settings: Mapping[str, Any], report: Reports) -> None:
        self._code = Path(settings["root"]) / settings["package"]
        self._kernels = frozenset(name for names in settings["functions"].values() for name in names)
        self._report = report
        self._number = 0
        self._violations: Reported | None = None

    @contextmanager
    def one(self, batch: Any) -> Iterator[None]:
        """Watch while the block runs `batch`, and write down what strays."""
        self._number += 1
        violations = self._violations = Reported(functools.partial(self._write, batch, self._number))
        watched = Oracle(violations=violations, traced=False)
        try:
            with watched.watching(self._code, self._entered):
                yield
        finally:
            self._violations = None
            violations.tell()

    def read(self, stray: Stray) -> None:
        """A reference for native attention read outside a table: told of the batch that runs, if one does."""
        if self._violations is None:
            return
        fault = Fault(kind=stray.kind, buffer=stray.buffer, kernel=stray.kernel, numel=stray.numel)
        self._violations.access(fault, np.asarray(stray.elements, dtype=np.int64))

    def _entered(self, kernel: str) -> None:
        if kernel in self._kernels:
            self._report.attestor.entered(kernel)

    def _write(self, batch: Any, number: int, fault: Fault, place: str | None) -> None:
        served = {"requests": [str(request.rid) for request in batch.reqs], "mode": batch.forward_mode.name}
        self._report.violation({"fault": fault.to_json(), **served, "place": place, "batch": number})


class Reported(Violations):
    """Violations that are written when they are first seen, and again once their numbers are complete."""

    def __init__(self, write: Callable[[Fault, str | None], None]) -> None:
        super().__init__()
        self._write = write
        self._known = 0
        self._written: set[Fault] = set()

    def access(self, fault: Fault, elements: Elements, where: Where | None = None) -> None:
        super().access(fault, elements, where)
        self._tell_new()

    def index(self, fault: Fault, indices: Elements, where: Where | None = None) -> None:
        super().index(fault, indices, where)
        self._tell_new()

    def add(self, fault: Fault, where: Where | None = None) -> None:
        super().add(fault, where)
        self._tell_new()

    def _tell_new(self) -> None:
        if (known := len(self._violations) + len(self._plain)) > self._known:
            self._known = known
            self.tell()

    def tell(self) -> None:
        """Write each fault whose numbers are not those that were written last."""
        for fault in self.faults():
            if fault not in self._written:
                self._written.add(fault)
                self._write(fault.unseen(), fault.seen.place if fault.seen else None)
