"""Where machine code in an emulator did something else than its kernel in Triton's interpreter.

Either may be wrong, so that it is no verdict on the code under test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.facts import Tolerance
from harness.observation import Element, Event, Fault, Observation, Point
from harness.observation.compare import named_params, same_params, value_differences

APART = Tolerance(absolute=2e-2, relative=2e-2, reason="XF32 on gfx942 keeps ten bits of a product's factors")
"""How far floats may be from the interpreter's. Whole numbers are the same."""
_WRITTEN = ("dtype", "shape", "written", "wrote")
"""What a launch tells of an argument that does not depend on what a compiler leaves out."""


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """One difference, in one line of `text`. `launch` is the number of the first launch that wrote something
    else to `argument` of `kernel`, where one did; `element` is the first one there, once it was looked for.
    """

    params: Mapping[str, Any]
    text: str
    kernel: str | None = None
    launch: int | None = None
    argument: str | None = None
    element: Element | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Disagreement:
        element = Element.from_json(data["element"]) if data.get("element") else None
        return cls(**{**data, "element": element})


def first(emulated: Observation, interpreted: Observation) -> Disagreement | None:
    """The first difference between two fixed arms; None where they agree."""
    for point in emulated.points:
        other = next((one for one in interpreted.points if same_params(one.params, point.params)), None)
        if other is None:
            return Disagreement(params=point.params, text="the interpreter showed no such point")
        if found := next(_of(point, other), None):
            return found
    return None


def _of(point: Point, other: Point) -> Iterator[Disagreement]:
    """The differences at one point, launches first: what follows from one shows in the results."""
    if point.faults and point.signatures == other.signatures:
        return  # what follows a stray access is nobody's to know
    yield from _launches(point, other)
    if point.signatures != other.signatures:
        told = f"{_faults(point)} in the machine code, {_faults(other)} in the interpreter"
        yield Disagreement(params=point.params, text=told)
    for one in value_differences("results", other.results, point.results, APART):
        text = f"{one.where}: {one.seen} in the machine code, {one.golden} in the interpreter"
        yield Disagreement(params=point.params, text=text)


def _faults(point: Point) -> str:
    return "; ".join(map(_placed, point.faults[:2])) or "no fault"


def _placed(fault: Fault) -> str:
    """A fault with its place: the opcode and the lane, where machine code strayed."""
    return f"{fault.signature} at {fault.seen.place}" if fault.seen and fault.seen.place else fault.signature


def launches(trace: Sequence[Event]) -> list[Event]:
    """The launches of a trace."""
    return [event for event in trace if event["event"] == "launch"]


def _launches(point: Point, other: Point) -> Iterator[Disagreement]:
    ours, theirs = launches(point.trace), launches(other.trace)
    for number, (one, two) in enumerate(zip(ours, theirs, strict=False)):
        yield from _launch(point, number, one, two)
    if len(ours) != len(theirs):
        text = f"{len(ours)} launches in the machine code, {len(theirs)} in the interpreter"
        yield Disagreement(params=point.params, text=text)


def _launch(point: Point, number: int, one: Event, two: Event) -> Iterator[Disagreement]:
    kernel = str(one["kernel"])
    if (kernel, one["grid"]) != (two["kernel"], two["grid"]):
        text = f"launch {number} is of {kernel} {one['grid']}, and {two['kernel']} {two['grid']} there"
        yield Disagreement(params=point.params, text=text, kernel=kernel)
        return
    both = _arguments(one), _arguments(two)
    for name in dict.fromkeys(name for some in both for name in some):
        ours, theirs = ({key: some.get(name, {}).get(key) for key in _WRITTEN} for some in both)
        if not (ours["written"] or theirs["written"]):
            continue  # what was read alone may be left out by a compiler, and so may the way to it
        for found in value_differences(name, theirs, ours, APART):
            seen = f"{found.where} is {found.seen} in the machine code, {found.golden} in the interpreter"
            text = f"launch {number} of {kernel}: {seen}"
            yield Disagreement(params=point.params, text=text, kernel=kernel, launch=number, argument=name)


def _arguments(launch: Event) -> dict[str, Mapping[str, Any]]:
    """What a launch was given, and what it reached by addresses that it loaded, by name.

    A tensor that was reached in several places has as many entries, whose order is nobody's.
    """
    reached = [(str(one["buffer"]), one) for one in launch.get("reached", ())]
    often = Counter(name for name, _ in reached)
    return {**{name: one for name, one in reached if often[name] == 1}, **launch.get("args", {})}


def told(found: Disagreement) -> str:
    """A disagreement as a reason has it."""
    at = f" at {named_params(found.params)}" if found.params else ""
    return f"disagreement with the interpreter on the fixed arm{at}: {found.text}"
