"""The server tier: one case on one arm, a real server of a tiny model that is really talked to."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import catalogue
from harness.errors import FactsError, Unresolved
from harness.facts import CpuGraphs, FaultKind, Host, Platform, Raised, ServerCase
from harness.host import environment, graphs
from harness.models import Model, make
from harness.observation import Attestation, Fault, Point
from harness.process.job import write_json
from harness.process.testimony import Testimony
from harness.serving.ending import Ending
from harness.serving.launch import Command
from harness.serving.prepared import Prepared
from harness.serving.reports import Receiver, Told
from harness.serving.server import Server
from harness.tiers.arms import STANDING, digest
from harness.tiers.server import processes
from harness.tiers.server.check_answers import Judged, judge
from harness.tiers.server.faults import split
from harness.tiers.server.processes import ProcessReport, Served
from harness.tiers.undone import Undone
from harness.traffic.answers import faults
from harness.traffic.drive import Driven, drive, vocabulary

_LOOK_EVERY = 10.0
TIMES = "times.json"
"""In a server's folder: seconds from its start to `ready`, the `first` and `last` answer, and its `end`."""
_LAST_WORDS = 3.0
"""Seconds for a server that stopped answering to say why, and to end."""

_ENVIRONMENTS: Mapping[Host, Mapping[str, str | None]] = {
    Host.CPU: environment.CPU_KERNELS,
    Host.CUDA: environment.DEVICE_SERVERS,
    Host.ROCM: environment.DEVICE_SERVERS,
}


def enter(payload: Mapping[str, Any], folder: Path, testimony: Testimony) -> dict[str, Any]:
    """Entry of the arm's child process: a server for every point asked for, one after another."""
    case, runs, points = _case(payload), list[Run](), list[Point]()
    for number, params in enumerate(testimony.questions()):
        runs.append(Run(payload, folder / f"server-{number}", case, params))
        points.append(runs[-1].point())
        testimony.answer(points[-1].to_json())
    attested = _attested(runs, points)
    return {"points": [digest(point.to_json()) for point in points], "attestation": attested.to_json()}


def stand(payload: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Entry of an arm whose server is left up: tells where it is, and returns only when it has ended."""
    case = _case(payload)
    run = Run(payload, folder / "server-0", case, payload["point"])
    run.reports.mkdir(parents=True)
    model = run.model()
    with Server(run.command(model), run.folder) as server:
        if ending := server.wait_ready(case.ready_seconds):
            raise Unresolved(f"{ending.last_lines or ending.exit.how} (log: {ending.log})")
        command = shlex.join(("python3", "-m", "sglang.launch_server", *run.arguments(model)))
        told = {"url": server.url, "key": server.key, "log": str(server.log), "command": command}
        write_json(folder / STANDING, {**told, "model": str(model.path)})
        while not server.wait_end(_LOOK_EVERY):
            pass
        return {"ended": server.stop().last_lines}


def _case(payload: Mapping[str, Any]) -> ServerCase:
    case = catalogue.load(payload["reproducer"], payload["homes"]).server
    if case is None:
        raise FactsError(f"{payload['reproducer']}: server: the reproducer has no such case")
    return case.on_host(Platform.parse(payload["platform"]).host)


def _attested(runs: Sequence[Run], points: Sequence[Point]) -> Attestation:
    """Every process of every server; one of a later point is told from its forerunner by a number.

    Raises Unresolved where a server faulted before it came to the functions to attest: its fault is then
    the news, and not that they were not entered.
    """
    found: dict[str, Attestation] = {}
    for number, run in enumerate(runs):
        for report in processes.collect(run.told):
            name = report.role if not number else f"{report.role} of server {number}"
            found[_unused(name, found)] = report.attestation
    attested = Attestation.of_processes(found) if found else None
    if not attested or not attested.entered:
        _tell_why(runs, points)
    if not attested:
        raise Unresolved("no process of the server imported the code under test: see the server's log")
    return attested


def _tell_why(runs: Sequence[Run], points: Sequence[Point]) -> None:
    """The first fault of a server that nothing attests, with the server's log."""
    for run, point in zip(runs, points, strict=True):
        for fault in point.faults:
            raise Unresolved(
                f"nothing to attest had run when the server ended: {fault.signature} (log: {run.log})"
            )


def _unused(name: str, taken: Mapping[str, object]) -> str:
    names = (name, *(f"{name} {number}" for number in range(2, len(taken) + 2)))
    return next(name for name in names if name not in taken)


@dataclass
class Run:
    """One server of one arm at one point."""

    payload: Mapping[str, Any]
    folder: Path
    case: ServerCase
    params: Mapping[str, Any]
    told: tuple[Told, ...] = ()

    @property
    def host(self) -> Host:
        return Platform.parse(self.payload["platform"]).host

    @property
    def reports(self) -> Path:
        return self.folder / "reports"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def point(self) -> Point:
        """Start, talk, stop, and hold what came of it against what should have."""
        self.reports.mkdir(parents=True)
        with self.prepared() as prepared:
            model = self.model()
            with Receiver() as receiver:
                driven, ending = self.talk(model, receiver, prepared)
                self.told = receiver.told()
        processes.hold_to_be_heard(self.told, self.reports)
        if ending.unresolved:
            raise Unresolved(f"{ending.unresolved} (log: {ending.log})")
        drawn = self.case.traffic_at(self.params).sampling
        tolerance = self.case.tolerance_on(self.host)
        judged = judge(driven, model, tolerance, exact=self.exact, sampling=drawn)
        return self.observed(judged, ending, processes.collect(self.told))

    @property
    def exact(self) -> bool:
        """Whether two runs must agree on every token: only float32 tells near ties apart."""
        return self.case.dtype_on(self.host) == "float32"

    @property
    def graphs(self) -> CpuGraphs | None:
        """What graphs the CPU captures, if that is where the arm runs."""
        return None if self.host.has_devices else self.case.graphs

    def model(self) -> Model:
        """The model, made if it is not there; in the type that the arm's machine computes in."""
        dtype = self.case.dtype_on(self.host)
        return make(self.case.model, Path(self.payload["models"]), dtype=dtype)

    @contextmanager
    def prepared(self) -> Iterator[Prepared | None]:
        """A process that waits to be the server, where that needs no accelerator and no import of its own."""
        own = any(not name.startswith("SGLANG_") for name in self.case.environment)
        found = None if self.host.has_devices or own else Prepared.here()
        try:
            yield found
        finally:
            if found:
                found.discard()

    def talk(self, model: Model, receiver: Receiver, prepared: Prepared | None) -> tuple[Driven, Ending]:
        """All the traffic, and how the server ended; no answers where it never was ready."""
        command = self.command(model, receiver.name)
        with Server(command, self.folder, told=receiver.events, prepared=prepared) as server:
            if ending := server.wait_ready(self.case.ready_seconds):
                return Driven(rounds=((),)), ending
            driven = drive(
                self.case.traffic_at(self.params),
                server,
                vocabulary(model.path),
                self.case.patience,
                rests=FaultKind.LEAK in self.case.watch.kinds,
            )
            if driven.is_over:
                server.wait_end(_LAST_WORDS)
            ending = server.stop(faults(driven.all, self.case.patience))
            self.note_times(server, driven, ending)
            return driven, ending

    def note_times(self, server: Server, driven: Driven, ending: Ending) -> None:
        """Writes TIMES; the answers are left out where none came."""
        moments = {"ready": server.ready}
        if driven.moments:
            moments |= {"first": driven.moments[0], "last": driven.moments[-1]}
        times = {name: moment - server.started for name, moment in moments.items()}
        write_json(self.folder / TIMES, {**times, "end": ending.seconds})

    def command(self, model: Model, receiver: str | None = None) -> Command:
        payload = self.payload
        told = Served(
            root=Path(payload["root"]),
            package=payload["package"],
            tree=payload["tree"],
            functions=payload["functions"],
            reports=self.reports,
            host=self.host,
            fences=self.case.fences and self.case.fences.at(self.params),
            bytecode=payload["bytecode"],
            receiver=receiver,
            graphs=self.graphs is not None,
            attention=self.graphs.attention if self.graphs else None,
            models=tuple(filter(None, (model.path, model.draft))),
        )
        own = {**self.case.environment, **told.environment(self.folder)}
        whole = environment.merged(_ENVIRONMENTS[self.host], own)
        return Command(arguments=self.arguments(model), environment=whole)

    def arguments(self, model: Model) -> tuple[str, ...]:
        """The command line's, but for what the server gets afresh each time: port and key."""
        draft = str(model.draft) if model.draft else None
        code = Path(self.payload["root"]) / self.payload["package"]
        sizes = graphs.arguments(code, self.graphs.sizes) if self.graphs else ()
        if self.host.has_devices:
            sizes += graphs.without_prefill(code)
        words = self.case.command(self.host, self.params, str(model.path), draft)
        return (*(graphs.spelt(code, word) for word in words), *sizes)

    def observed(self, judged: Judged, ending: Ending, reports: Sequence[ProcessReport]) -> Point:
        """The point: what was seen by the oracle, in the answers, in the log and at the end."""
        violations = [violation for report in reports for violation in report.violations]
        found, findings, notes = split(self.case.watch, violations, judged.faults, ending)
        self.refuse_broken(found)
        # In a coarse type two runs may choose differently where the reference is near a tie.
        binding = not found and self.exact and self.case.answers_bind
        return Point(
            params=self.params,
            faults=found,
            findings=findings,
            results={"requests": judged.requests} if binding else {},
            compared={**judged.compared, **({} if binding else {"requests": judged.requests})},
            notes=(*notes, *judged.notes),
            trace=judged.trace if binding else (),
        )

    def refuse_broken(self, seen: Sequence[Fault]) -> None:
        """Unresolved if a reverted arm's server raised what only a broken revert raises."""
        undone, code = Undone.of(self.payload), Path(self.payload["root"]) / self.payload["package"]
        for fault in seen if undone else ():
            told = Raised.told(fault.message or "") if fault.kind == FaultKind.EXCEPTION else None
            if undone and told and (why := undone.broken(told, code)):
                raise Unresolved(f"{why} (log: {self.log})")
