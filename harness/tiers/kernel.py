"""The kernel tier: one case on one arm, inside the arm's own process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import Unresolved
from harness.facts import ENDING_KINDS, KernelCase, Tolerance, Watch
from harness.host import preload, pretence
from harness.memory import oracle
from harness.memory.oracle import Oracle
from harness.memory.outputs import compare, uninitialised
from harness.memory.summary import jsonable
from harness.observation import Fault, Point
from harness.tiers import exceptions
from harness.tiers.entry import Entry
from harness.tiers.lab import Lab
from harness.tiers.normalise import message

PATCHES = (*preload.PATCHES, *oracle.PATCHES)


def enter(payload: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Entry of the arm's child process: run every point asked for and return their JSON."""
    entry = Entry.begin(payload, folder, "kernel", PATCHES)
    case = entry.case
    assert isinstance(case, KernelCase)
    if case.pretends:
        entry.patched(pretence.pretend(case.pretends, payload["package"]))
    given, code = payload["points"], entry.root / payload["package"]
    points = [entry.keep(_point(case, params, code, folder, entry.launched)) for params in given]
    return entry.result(points)


def _point(
    case: KernelCase, params: dict[str, Any], root: Path, folder: Path, entered: Callable[[str], None]
) -> Point:
    """One call of the case; `root` is the package under test, for an installed tree has others beside it."""
    lab = Lab(folder=folder, root=root, oracle=Oracle(), entered=entered)
    given = {name: case.params[name].check(value) for name, value in params.items()}
    results: dict[str, Any] = {}
    compared: dict[str, Any] = {}
    try:
        outputs = case.call(lab, **given)
        results = {name: jsonable(value) for name, value in outputs.items()}
    except Exception as error:
        logging.getLogger(__name__).exception("point %s", params)
        lab.oracle.strays.add(exceptions.as_fault(error, root))
    else:
        compared = _examine(case, given, outputs, lab)
    return _judged(case.watch, params, lab, results, compared)


def _examine(
    case: KernelCase, given: Mapping[str, Any], outputs: Mapping[str, Any], lab: Lab
) -> dict[str, Any]:
    """Look for poison in the declared outputs, then hold them against the reference."""
    compared = {}
    found = {(fault.kind, fault.buffer): fault for fault in uninitialised(outputs)}
    for name, expected in _expected(case, given).items():
        if name not in outputs:
            raise Unresolved(f"the case's reference names {name!r}, which the call does not return")
        comparison = compare(name, outputs[name], expected, _tolerance(case))
        compared[name] = dict(comparison.facts)
        for fault in comparison.faults:
            found.setdefault((fault.kind, fault.buffer), fault)
    for fault in found.values():
        lab.oracle.strays.add(fault)
    return compared


def _expected(case: KernelCase, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the reference says; its own failure is never the fault of the code under test."""
    if case.reference is None:
        return {}
    try:
        return case.reference(**given)
    except Exception as error:
        raise Unresolved(
            f"the case's reference failed: {type(error).__name__}: {message(str(error))}"
        ) from error


def _tolerance(case: KernelCase) -> Tolerance:
    assert case.tolerance is not None  # a reference without one is refused when the case is made
    return case.tolerance


def _judged(
    watch: Watch, params: dict[str, Any], lab: Lab, results: dict[str, Any], compared: dict[str, Any]
) -> Point:
    seen = list(lab.oracle.strays.faults())
    places = [f"{fault} at {place}" for fault, place in lab.oracle.strays.places().items()]
    return Point(
        params=params,
        faults=tuple(fault for fault in seen if watched(watch, fault)),
        findings=tuple(fault for fault in seen if not watched(watch, fault)),
        results=results,
        compared=compared,
        notes=(*lab.notes, *places, *lab.oracle.fences.notes()),
        trace=lab.oracle.trace(),
    )


def watched(watch: Watch, fault: Fault) -> bool:
    """Whether a fault is part of the verdict, or a finding beside it."""
    if fault.kind in ENDING_KINDS:
        return True
    return fault.kind in watch.kinds and (not watch.buffers or fault.buffer in watch.buffers)
