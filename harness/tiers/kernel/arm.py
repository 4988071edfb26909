"""The kernel tier: one case on one arm, inside the arm's own process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness.errors import Unresolved
from harness.facts import FaultKind, KernelCase, Platform, Tier, Tolerance, Watch
from harness.host import interpreter, kernel_tuning, placement, platform_switches, preload, revert_toggle
from harness.memory import graphs, oracle
from harness.memory.oracle import Oracle
from harness.memory.outputs import compare, joined
from harness.memory.poison import Pattern, Poison
from harness.memory.stores import Stores
from harness.memory.summary import jsonable
from harness.memory.undefined import UNSTABLE, Dependence, Run, dependent, kept
from harness.observation import Either, Fault, Point, parted
from harness.observation.compare import values_of_orders
from harness.observation.normalise import message
from harness.process.testimony import Testimony
from harness.process.trunk import Alone, Own, Part, Parting
from harness.tiers import exceptions
from harness.tiers.entry import Entry, Patches
from harness.tiers.kernel import elements, emulated, seeds
from harness.tiers.kernel.emulated import EmulatedOracle
from harness.tiers.kernel.lab import Lab

Oracles = Callable[..., Oracle]
"""Makes the oracle of one run, under a poison, with or without a trace."""


def enter(payload: Mapping[str, Any], folder: Path, testimony: Testimony) -> dict[str, Any]:
    """Entry of the arm's child process: run every point asked for.

    `toggle` in the payload is a pull request whose fix upstream's own toggle is to undo first.
    """
    return _entered(payload, Alone(Own(payload, folder, testimony)))


def grow(shared: Mapping[str, Any], parting: Parting) -> dict[str, Any]:
    """Entry of a trunk: the same, for all arms whose trees differ in what is watched alone."""
    return _entered(shared, parting)


def _entered(shared: Mapping[str, Any], part: Part) -> dict[str, Any]:
    entry = Entry.begin(shared, part, Tier.KERNEL, _patches(Platform.parse(shared["platform"])))
    own = part()
    payload, platform = own.payload, Platform.parse(own.payload["platform"])
    on_device, chip, known = platform.host.has_devices, platform.emulates, payload.get("assembly")
    case = entry.case
    assert isinstance(case, KernelCase)
    if not on_device:
        entry.patched(kernel_tuning.by_default(payload["package"]))
    if case.graphs and not on_device:
        entry.patched([*graphs.install(), *placement.put(mark=graphs.on_host)])
    if case.pretends:
        entry.patched(platform_switches.pretend(Platform.parse(case.pretends), payload["package"]))
    if number := payload.get("toggle"):
        entry.patched(revert_toggle.undo(number, payload["package"]))
    journal = elements.asked(payload)
    memo = emulated.recalling(chip, known) if chip else None
    oracles = (
        emulated.begin(chip, journal, entry.origin)
        if chip
        else partial(Oracle, device=_device(platform), journal=journal, origin=entry.origin)
    )
    _answer(entry, case, oracles)
    executed = _executed(oracles()) if chip else {}
    missing = {"uncompiled": [asdict(source) for source in memo.missing]} if memo else {}
    return entry.result() | executed | missing | elements.told(journal, payload)


def _patches(platform: Platform) -> Patches:
    """Makes the changes that go ahead of the code under test, alike for all arms on such a platform."""
    on_device = platform.host.has_devices
    hidden = () if on_device else platform_switches.hide_hip()
    repeats = () if on_device or platform.emulates else interpreter.without_repetition()
    return lambda payload: (*preload.PATCHES, *_watching(payload), *hidden, *repeats)


def _watching(payload: Mapping[str, Any]) -> tuple[str, ...]:
    platform = Platform.parse(payload["platform"])
    if chip := platform.emulates:
        return emulated.patches(chip, payload.get("assembly") is not None)
    return oracle.patches(_device(platform))


def _device(platform: Platform) -> str:
    return "cuda" if platform.host.has_devices else "cpu"  # as torch has it on AMD hardware, too


def _executed(watched: Oracle) -> dict[str, Any]:
    """What was emulated, by kernel."""
    assert isinstance(watched, EmulatedOracle)
    return {"emulated": {name: one.to_json() for name, one in emulated.executed(watched.runs).items()}}


def _answer(entry: Entry, case: KernelCase, oracles: Oracles) -> None:
    """The points in turn, up to one that ends the device's context: nothing can be run behind that."""
    for params in entry.points():
        point = entry.keep(_point(entry, case, dict(params), oracles))
        if point.ends_the_device:
            return


def _point(entry: Entry, case: KernelCase, params: dict[str, Any], oracles: Oracles) -> Point:
    """One call of the case."""
    lab = _lab(entry, oracles(stores=Stores()))
    given = {name: case.params[name].check(value) for name, value in params.items()}
    results: dict[str, Any] = {}
    compared: dict[str, Any] = {}
    either: Either = {}
    try:
        outputs = _called(case, lab, given)
        results = {name: jsonable(value) for name, value in outputs.items()}
    except Exception as error:
        logging.getLogger(__name__).exception("point %s", params)
        lab.oracle.violations.add(exceptions.as_fault(error, entry.code, entry.undone, entry.origin))
    else:
        again = _Again(entry, case, given, lab, oracles)
        compared = _examine(case, given, outputs, lab, again.under)
        either = values_of_orders(results, again.reordered())
    return _judged(case.watch, params, lab, results, compared, either)


def _lab(entry: Entry, oracle: Oracle) -> Lab:
    return Lab(folder=entry.folder, root=entry.code, oracle=oracle, entered=entry.launched)


def _called(case: KernelCase, lab: Lab, given: Mapping[str, Any]) -> Mapping[str, Any]:
    seeds.reset(lab.device)
    with lab.oracle.calling(lab.root):
        outputs = case.call(lab, **given)
        lab.oracle.returned(outputs)
        return outputs


@dataclass(frozen=True)
class _Again:
    """The same call once more; what it does to memory is not told again."""

    entry: Entry
    case: KernelCase
    given: Mapping[str, Any]
    lab: Lab
    oracles: Oracles

    def under(self, pattern: Pattern) -> Mapping[str, Any] | None:
        """The outputs under another poison; None where it did not come to its end."""
        stores = Stores()
        outputs = self._call(f"under the {pattern.value} poison", poison=Poison(pattern), stores=stores)
        return kept(outputs) if outputs is not None else None

    def reordered(self) -> Iterator[Mapping[str, Any]]:
        """The results with racing stores in other orders, if there were any."""
        seen = self.lab.oracle.stores or Stores()
        for stores in seen.others():
            outputs = self._call(f"with other stores of {', '.join(seen.racing)}", stores=stores)
            if outputs is not None:
                yield {name: jsonable(value) for name, value in outputs.items()}

    def _call(self, what: str, **other: Any) -> Mapping[str, Any] | None:
        watching = self.oracles(traced=False, **other)
        try:
            return _called(self.case, _lab(self.entry, watching), self.given)
        except Exception as error:
            logging.getLogger(__name__).exception("once more %s", what)
            fault = exceptions.as_fault(error, self.entry.code, origin=self.entry.origin)
            if fault.kind == FaultKind.DEVICE_FAULT:  # of the process, and so of every point behind this
                self.lab.oracle.violations.add(fault)
            return None


def _examine(
    case: KernelCase, given: Mapping[str, Any], outputs: Mapping[str, Any], lab: Lab, again: Run
) -> dict[str, Any]:
    """Hold the declared outputs against the reference, and find those that depend on poison."""
    compared: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, expected in _expected(case, given).items():
        if name not in outputs:
            raise Unresolved(f"the case's reference names {name!r}, which the call does not return")
        comparison = compare(name, outputs[name], expected, _tolerance(case))
        compared[name] = dict(comparison.facts)
        faults += comparison.faults
    depends = dependent(kept(outputs), again) if lab.oracle.poison.drawn else Dependence()
    lab.notes.extend(f"{name} {UNSTABLE}" for name in depends.unstable)
    for fault in joined(depends.faults, faults):
        lab.oracle.violations.add(fault)
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
    watch: Watch, params: dict[str, Any], lab: Lab, results: dict[str, Any], compared: dict[str, Any],
    either: Either,
) -> Point:  # fmt: skip
    seen = list(lab.oracle.violations.faults())
    places = [f"{fault.kind} {fault.buffer} at {fault.seen.place}" for fault in seen if fault.seen]
    faults, findings = parted(seen, watch)
    return Point(
        params=params,
        faults=faults,
        findings=findings,
        results=results,
        compared=compared,
        either=either,
        notes=(*lab.notes, *places, *lab.oracle.notes(), *_chances(either)),
        trace=lab.oracle.trace(),
    )


def _chances(either: Either) -> Iterator[str]:
    """For people: what a device leaves to chance."""
    for path, values in either.items():
        yield f"{path} is one of {', '.join(map(str, values))}: stores race for it"
