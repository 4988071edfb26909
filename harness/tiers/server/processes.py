"""A server's processes as seen from the arm that started it: what they are told, and what they report."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import harness
from harness.errors import Forged, Unresolved
from harness.facts import Fences, Host
from harness.host import boot, model_code
from harness.observation import Attestation, Fault
from harness.process.job import write_json
from harness.serving.reports import STRAY, Told
from harness.source.bytecode import Bytecode

VARIABLE = "REFAULT_SERVED"
ENTRY = "harness.tiers.server.inside:begin"
ATTESTATION, FAULTS = "attestation.json", "faults.jsonl"


@dataclass(frozen=True, kw_only=True)
class Served:
    """What every process of a server is told.

    `functions` maps modules to the functions to attest, `tree` is the tree's content hash, `reports`
    the folder for what the processes report, `host` what they run on, `fences` the device fences that
    they put around their buffers there. With `graphs` a CPU records and replays CUDA graphs, and references
    compute the native attention of the library `attention`. `models` are the folders of the models to
    serve: code of other models is left out. `bytecode` is the run's own. `receiver` is the name of who
    hears the processes, if anybody does: `reports` is for people then.
    """

    root: Path
    package: str
    tree: str
    functions: Mapping[str, Sequence[str]]
    reports: Path
    host: Host = Host.CPU
    oracle: bool = True
    fences: Fences | None = None
    graphs: bool = False
    attention: str | None = None
    bytecode: Mapping[str, str] = field(default_factory=lambda: Bytecode().to_json())
    receiver: str | None = None
    models: tuple[Path, ...] = ()

    def environment(self, folder: Path) -> dict[str, str]:
        """The variables of the server's environment; writes the settings into `folder`."""
        file = folder.absolute() / "served.json"
        write_json(file, self._to_json())
        above = Path(harness.__file__).parent.parent
        path = [str(Path(boot.__file__).parent), str(above), os.environ.get("PYTHONPATH", "")]
        variables = {VARIABLE: str(file), "PYTHONPATH": os.pathsep.join(filter(None, path))}
        return {**variables, **model_code.only(self.models, self.root / self.package)}

    def _to_json(self) -> dict[str, Any]:
        functions = {module: list(names) for module, names in self.functions.items()}
        paths = {"root": str(self.root.absolute()), "reports": str(self.reports.absolute())}
        fences = self.fences.to_json() if self.fences else None
        names = ("package", "tree", "host", "oracle", "graphs", "attention", "bytecode", "receiver")
        rest = {name: getattr(self, name) for name in names}
        return {**rest, **paths, "functions": functions, "fences": fences, "entry": ENTRY}


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A fault that the oracle saw in a server, and the requests that were being served.

    `requests` are the ids that the client sent, `mode` is upstream's name of what the batch did
    (extend, decode, …), `place` the line of the kernel or of the code that strayed.
    """

    fault: Fault
    requests: tuple[str, ...] = ()
    mode: str | None = None
    place: str | None = None
    batch: int = 0


@dataclass(frozen=True, kw_only=True)
class ProcessReport:
    """What one process of a server reported. `role` is server, scheduler, detokenizer, or upstream's word."""

    role: str
    pid: int
    attestation: Attestation
    violations: tuple[Violation, ...] = field(default=())


def collect(told: Iterable[Told]) -> tuple[ProcessReport, ...]:
    """The reports of every process that imported the package, by role and then by pid.

    Unresolved if a process has not attested, or says that it could not.
    """
    return tuple(sorted(map(_report, told), key=lambda report: (report.role, report.pid)))


def hold_to_be_heard(told: Iterable[Told], folder: Path) -> None:
    """Raises Forged where a process left a report in the folder and was not heard."""
    heard = {str(one.pid) for one in told}
    for left in sorted(path.name for path in folder.iterdir() if "." in path.name):
        if left.rpartition(".")[2] not in heard:
            raise Forged(f"{left} reported in a file, and was not heard")


def _report(told: Told) -> ProcessReport:
    data = told.attestation
    if data is None or "problem" in data:
        raise Unresolved(f"{told.name} has no attestation: {(data or {}).get('problem', 'see its log')}")
    violations = tuple(_violations(told.lines[STRAY], told.role))
    attested = Attestation.from_json(data)
    return ProcessReport(role=told.role, pid=told.pid, attestation=attested, violations=violations)


def _violations(lines: Iterable[Mapping[str, Any]], role: str) -> Iterator[Violation]:
    """The last word on each fault of each batch: its numbers grow while the batch runs."""
    last: dict[tuple[Any, ...], Violation] = {}
    for line in lines:
        violation = _violation(line, role)
        fault = violation.fault
        last[violation.batch, fault.kind, fault.buffer, fault.kernel, fault.numel, fault.message] = violation
    yield from last.values()


def _violation(data: Mapping[str, Any], role: str) -> Violation:
    fault = Fault.from_json({**data["fault"], "process": role})
    rest = {name: data[name] for name in ("mode", "place", "batch")}
    return Violation(fault=fault, requests=tuple(data["requests"]), **rest)
