"""The kernel tier: one case on one arm, inside the arm's own process."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness import catalogue
from harness.facts import ENDING_KINDS, KernelCase, Watch
from harness.host import preload
from harness.memory import oracle
from harness.memory.oracle import Oracle
from harness.memory.summary import jsonable
from harness.observation import Fault, Point
from harness.process.job import write_json
from harness.source.attest import Attestor
from harness.tiers import exceptions
from harness.tiers.arms import ATTESTATION
from harness.tiers.lab import Lab

PATCHES = (*preload.PATCHES, *oracle.PATCHES)

def enter(payload: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Entry of the arm's child process: run every point asked for and return their JSON."""
    root = Path(payload["root"])
    sys.path.insert(0, str(root))
    sys.dont_write_bytecode = True
    attestor = _attest(payload, root, folder)
    case = catalogue.load(payload["reproducer"]).kernel
    assert case is not None
    for module in case.imports:
        importlib.import_module(module)
    kernels = {name for names in payload["functions"].values() for name in names}

    def launched(kernel: str) -> None:
        if kernel in kernels:
            attestor.entered(kernel)

    points = [_point(case, params, root, folder, launched) for params in payload["points"]]
    return {"points": [point.to_json() for point in points], "attestation": attestor.report(PATCHES).to_json()}


def _attest(payload: Mapping[str, Any], root: Path, folder: Path) -> Attestor:
    def save() -> None:
        write_json(folder / ATTESTATION, attestor.report(PATCHES).to_json())

    attestor = Attestor(root, payload["package"], payload["functions"], payload["tree"], on_change=save)
    attestor.install()
    return attestor


def _point(case: KernelCase, params: dict[str, Any], root: Path, folder: Path, entered: Callable[[str], None]) -> Point:
    lab = Lab(folder=folder, root=root, oracle=Oracle(), entered=entered)
    results: dict[str, Any] = {}
    try:
        outputs = case.call(lab, **{name: case.params[name].check(value) for name, value in params.items()})
        results = {name: jsonable(value) for name, value in outputs.items()}
    except Exception as error:
        logging.getLogger(__name__).exception("point %s", params)
        lab.oracle.strays.add(exceptions.as_fault(error, root))
    return _judged(case.watch, params, lab, results)


def _judged(watch: Watch, params: dict[str, Any], lab: Lab, results: dict[str, Any]) -> Point:
    seen = list(lab.oracle.strays.faults())
    places = [f"{fault} at {place}" for fault, place in lab.oracle.strays.places().items()]
    return Point(
        params=params,
        faults=tuple(fault for fault in seen if watched(watch, fault)),
        findings=tuple(fault for fault in seen if not watched(watch, fault)),
        results=results,
        notes=(*lab.notes, *places),
        trace=lab.oracle.trace(),
    )


def watched(watch: Watch, fault: Fault) -> bool:
    """Whether a fault is part of the verdict, or a finding beside it."""
    if fault.kind in ENDING_KINDS:
        return True
    return fault.kind in watch.kinds and (not watch.buffers or fault.buffer in watch.buffers)

