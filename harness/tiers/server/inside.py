"""Inside one process of a server: the tree first, the attestation, the answers, the oracle, the report."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness import imports
from harness.errors import Unresolved
from harness.facts import Host
from harness.homes import OWN
from harness.host import (
    collecting,
    forking,
    import_stand_ins,
    interpreter,
    preload,
    without_accelerator,
)
from harness.process import alterations
from harness.process.job import write_json
from harness.process.testimony import Testimony
from harness.serving import reports
from harness.serving.evidence import EVENTS
from harness.source import importing
from harness.source.attest import Attestor
from harness.tiers.server import error_streams, log_events
from harness.tiers.server.processes import ATTESTATION, FAULTS

_TITLE = re.compile(r"^\w+::(?P<role>[a-z_]+?)(?:_(?P<rank>[A-Z].*))?(?::\d+)?$")
_OFTEN = frozenset({reports.STRAY, reports.EVENT})
"""A server that strays says so hundreds of times a second."""


class Report:
    """This process's folder among the reports; written whenever there is something new."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._reports = Path(settings["reports"])
        self._receiver, self._look = settings["receiver"], alterations.watched((OWN,), rest=1.0)
        self._open(_first_role())
        self.patches: list[str] = []
        names = {"functions_by_module": settings["functions"], "tree_hash": settings["tree"]}
        root, package = Path(settings["root"]), settings["package"]
        self.attestor = Attestor(root, package, **names, on_change=self.save)

    def _open(self, role: str) -> None:
        self._lock = threading.RLock()
        self._folder = self._reports / f"{role}.{os.getpid()}"
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / EVENTS).touch()
        stream = reports.connect(self._receiver) if self._receiver else None
        self._testimony = Testimony(stream, self._look, _OFTEN) if stream else None
        self._tell(reports.ROLE, role)

    def _tell(self, name: str, data: Any) -> None:
        """What counts where somebody hears it: the files are for people then."""
        if self._testimony:
            self._testimony.tell(name, data)

    @property
    def folder(self) -> Path:
        """Where this process reports; its name follows its role."""
        return self._folder

    def forked(self) -> None:
        """This process is a copy of the one that reported so far: it has loaded the same, and run nothing."""
        self._open("child")
        error_streams.take(self.folder)
        self.attestor.forget_entered()
        self.save()

    def save(self) -> None:
        with self._lock:
            attested = self._attested()
            write_json(self._folder / ATTESTATION, attested)
            self._tell(reports.ATTESTATION, attested)

    def _attested(self) -> dict[str, Any]:
        try:
            return self.attestor.report(self.patches).to_json()
        except Unresolved as problem:
            return {"problem": str(problem)}

    def patched(self, patch: str) -> None:
        """Note a change of this process for the attestation."""
        self.patches.append(patch)
        self.save()

    def titled(self, title: str) -> None:
        """Upstream names what this process is: the folder is named after it from now on."""
        if found := _TITLE.match(title):
            role = " ".join(filter(None, found.group("role", "rank")))
            with self._lock:
                self._folder = self._folder.rename(self._reports / f"{role}.{os.getpid()}")
                self._tell(reports.ROLE, role)

    def violation(self, line: Mapping[str, Any]) -> None:
        """Add a line to the faults; it is with the system when this returns, so that no crash loses it."""
        self._add(FAULTS, line)
        self._tell(reports.STRAY, line)

    def event(self, line: Mapping[str, Any]) -> None:
        """Add a failure that this process logged or did not catch; as safe from a crash as a stray."""
        placed = {"at": time.time(), **line}
        self._add(EVENTS, placed)
        self._tell(reports.EVENT, placed)

    def _add(self, name: str, line: Mapping[str, Any]) -> None:
        with self._lock, (self._folder / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def begin(settings: Mapping[str, Any]) -> None:
    """Entry of every process that is about to import the package under test."""
    report = Report(settings)
    importing.install(Path(settings["root"]), settings["package"], settings["bytecode"])
    report.attestor.install()
    report.patches += settings.get("patches", ())
    report.patches += [*error_streams.part(report.folder), *log_events.report(report.event)]
    report.patches += [*preload.PATCHES, *import_stand_ins.install()]
    imports.after({"setproctitle": functools.partial(_tell_titles, report=report)})
    if not Host(settings["host"]).has_devices:
        collecting.after_the_first_fork()
        report.patches += [forking.fork_for_spawn(report.forked), *interpreter.without_repetition()]
        without_accelerator.answer(settings["package"], report.patched)
        batches = _watch_batches(settings, report) if settings["oracle"] else None
        if settings["graphs"]:
            _record_graphs(settings, report, batches)
    elif settings["fences"]:
        _fence(settings, report)
    report.save()


def _first_role() -> str:
    """What a process is before upstream names it: the server itself, or one that it started."""
    spawned = (
        "multiprocessing.spawn" in sys.modules and sys.modules["multiprocessing.process"].parent_process()
    )
    return "child" if spawned else "server"


def _tell_titles(module: Any, report: Report) -> None:
    original: Callable[[str], None] = module.setproctitle

    def setproctitle(title: str) -> None:
        original(title)
        report.titled(title)

    module.setproctitle = setproctitle
    report.patched("setproctitle.setproctitle: tells the process's role")


def _watch_batches(settings: Mapping[str, Any], report: Report) -> Any:
    from harness.tiers.server import batches_on_cpu

    return batches_on_cpu.install(settings, report)


def _record_graphs(settings: Mapping[str, Any], report: Report, batches: Any) -> None:
    from harness.tiers.server import graphs_on_cpu

    graphs_on_cpu.install(settings, report.patched, batches.read if batches else graphs_on_cpu.unheard)


def _fence(settings: Mapping[str, Any], report: Report) -> None:
    from harness.tiers.server import batches_on_gpu

    batches_on_gpu.install(settings, report)
