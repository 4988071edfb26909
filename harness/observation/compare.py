"""Differences between what a golden holds and what an arm showed, each in one readable line."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.facts import Tolerance
from harness.facts.cases import RECORDED
from harness.observation import Either, Event, Fault, Naming, Point

DEFAULT_TOLERANCE = RECORDED


class _Absent:
    """Stands for a value that one side does not have; None would be a value."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


@dataclass(frozen=True)
class Difference:
    """One place where an arm departs from its golden."""

    where: str
    golden: Any
    seen: Any

    @property
    def text(self) -> str:
        """The difference in one line."""
        return f"{self.where}: golden {_shown(self.golden)}, seen {_shown(self.seen)}"


@dataclass(frozen=True)
class TraceDifference:
    """Where two traces part: `index` is that of the first differing event, `following` counts the rest.

    `name` is the event's type and the kernel or operation it names; `first` is what differs in it.
    """

    index: int
    length: int
    name: str
    first: Difference
    following: int

    @property
    def text(self) -> str:
        """The parting in one line; events are counted from 0, as the JSON lists them."""
        more = f"; {self.following} of the events after it differ too" if self.following else ""
        start = f"trace differs from event {self.index} of {self.length} on ({self.name})"
        return f"{start}, {self.first.text}{more}"


def plain(value: Any) -> Any:
    """`value` as strict JSON has it: tuples as lists, and NaN and the infinities as strings."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:  # nearly all there is
        return value
    if kind is dict or isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def one_line(value: Any) -> str:
    """`value` as compact strict JSON with sorted keys."""
    return _dumped(plain(value))


def _dumped(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(", ", ": "), allow_nan=False)


def same_params(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two sets of parameters name one point, however they were read."""
    return one.keys() == other.keys() and one_line(one) == one_line(other)


def changed_params(default: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in which a point differs from the default one."""
    return {name: value for name, value in params.items() if plain(default.get(name)) != plain(value)}


def named_params(params: Mapping[str, Any]) -> str:
    """Parameters as a person would give them: `page_size=16, seq_lens=64,64`."""
    return ", ".join(f"{name}={_as_given(value)}" for name, value in params.items()) or "without parameters"


def trace_digest(trace: Sequence[Event]) -> str:
    """sha256 of a trace without its floats, whose last bits differ between builds."""
    return hashlib.sha256(_dumped(_without_floats(plain(trace))).encode()).hexdigest()


def point_differences(
    golden: Point, seen: Point, tolerance: Tolerance, *, names_bind: bool = True
) -> list[Difference]:
    """What binds: outcome, fault signatures and declared results.

    Unless `names_bind`, faults agree that differ in nothing but what `Naming.TYPES` leaves out.
    """
    outcome = list(value_differences("outcome", golden.outcome, seen.outcome, tolerance))
    faults = _fault_differences(
        "faults", golden.faults, seen.faults, Naming.ALL if names_bind else Naming.TYPES
    )
    results = value_differences("results", golden.results, seen.results, tolerance)
    return [*outcome, *faults, *(one for one in results if not _by_chance(one, golden, seen, tolerance))]


def values_of_orders(results: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> Either:
    """What is another value in the results of another order of racing stores, with all that it may be."""
    found: dict[str, list[Any]] = {}
    for other in others:
        for one in value_differences("results", results, other, DEFAULT_TOLERANCE):
            if ABSENT not in (one.golden, one.seen):
                values = found.setdefault(one.where, [one.golden])
                values.extend([one.seen] if one.seen not in values else [])
    return found


def _by_chance(one: Difference, golden: Point, seen: Point, tolerance: Tolerance) -> bool:
    """Whether the golden's value and the one seen are two that the order of racing stores chooses between."""
    known = [*golden.either.get(one.where, ()), *seen.either.get(one.where, ())]
    return all(any(_equal(value, choice, tolerance) for choice in known) for value in (one.golden, one.seen))


def naming_differences(golden: Point, seen: Point) -> list[Difference]:
    """Faults that agree but for their names; none where anything else about the faults differs too."""
    if _fault_differences("faults", golden.faults, seen.faults, Naming.TYPES):
        return []
    return _fault_differences("faults", golden.faults, seen.faults)


def finding_differences(golden: Point, seen: Point) -> list[Difference]:
    """Findings that came or went; never part of a verdict."""
    return _fault_differences("findings", golden.findings, seen.findings)


def trace_difference(
    golden: Sequence[Event], seen: Sequence[Event], tolerance: Tolerance
) -> TraceDifference | None:
    """The first event in which two traces part; None where they agree."""
    pairs = list(_paired(golden, seen))
    parted = [(index, first) for index, pair in enumerate(pairs) if (first := _first(*pair, tolerance))]
    if not parted:
        return None
    index, first = parted[0]
    before, after = pairs[index]
    name = str(_event_name(after if before is ABSENT else before))
    return TraceDifference(index, len(pairs), name, first, len(parted) - 1)


def value_differences(where: str, golden: Any, seen: Any, tolerance: Tolerance) -> Iterator[Difference]:
    """Walk two JSON values: floats within `tolerance`, everything else exactly and of one type."""
    yield from _differences(where, plain(golden), plain(seen), tolerance)


def _differences(where: str, golden: Any, seen: Any, tolerance: Tolerance) -> Iterator[Difference]:
    """The same of two values that are plain."""
    if isinstance(golden, dict) and isinstance(seen, dict):
        yield from _mapping_differences(where, golden, seen, tolerance)
    elif isinstance(golden, list) and isinstance(seen, list):
        yield from _list_differences(where, golden, seen, tolerance)
    elif not _equal(golden, seen, tolerance):
        yield Difference(where, golden, seen)


def _mapping_differences(
    where: str, golden: dict[str, Any], seen: dict[str, Any], tolerance: Tolerance
) -> Iterator[Difference]:
    found = []
    for name in sorted({*golden, *seen}):
        pair = golden.get(name, ABSENT), seen.get(name, ABSENT)
        found.append((name, list(_differences(f"{where}.{name}", *pair, tolerance))))
    told = any(differences for name, differences in found if name != "sha256")
    # A hash beside the values it was made from says nothing that they do not say better.
    for name, differences in found:
        if not (name == "sha256" and told):
            yield from differences


def _list_differences(
    where: str, golden: list[Any], seen: list[Any], tolerance: Tolerance
) -> Iterator[Difference]:
    if len(golden) != len(seen):
        yield Difference(f"{where}.length", len(golden), len(seen))
    for index, pair in enumerate(zip(golden, seen, strict=False)):
        yield from _differences(f"{where}[{index}]", *pair, tolerance)


def _equal(golden: Any, seen: Any, tolerance: Tolerance) -> bool:
    # bool is an int and 1 == 1.0 in Python; in an output they are a change of type.
    if type(golden) is not type(seen):
        return False
    if isinstance(golden, float):
        return bool(abs(golden - seen) <= tolerance.absolute + tolerance.relative * abs(golden))
    return bool(golden == seen)


def _fault_differences(
    where: str, golden: Sequence[Fault], seen: Sequence[Fault], naming: Naming = Naming.ALL
) -> list[Difference]:
    gone, come = _unmatched(golden, seen, naming), _unmatched(seen, golden, naming)
    width = max(len(gone), len(come))
    gone, come = _padded(gone, width), _padded(come, width)
    return [Difference(where, old, new) for old, new in zip(gone, come, strict=True)]


def _unmatched(some: Sequence[Fault], others: Sequence[Fault], naming: Naming) -> list[str]:
    """The signatures of those faults that have no counterpart."""
    free, found = Counter(fault.told(naming) for fault in others), []
    for fault in sorted(some, key=lambda fault: fault.signature):
        if free[told := fault.told(naming)]:
            free[told] -= 1
        else:
            found.append(fault.signature)
    return found


def _padded(items: Sequence[Any], width: int) -> list[Any]:
    return [*items, *[ABSENT] * (width - len(items))]


def _paired(golden: Sequence[Event], seen: Sequence[Event]) -> Iterator[tuple[Any, Any]]:
    width = max(len(golden), len(seen))
    return zip(_padded(golden, width), _padded(seen, width), strict=True)


def _first(golden: Any, seen: Any, tolerance: Tolerance) -> Difference | None:
    if golden is ABSENT or seen is ABSENT:
        return Difference("event", _event_name(golden), _event_name(seen))
    return next(value_differences("event", golden, seen, tolerance), None)


def _event_name(event: Any) -> Any:
    if event is ABSENT:
        return ABSENT
    what = next((event[name] for name in ("kernel", "op", "function", "name") if event.get(name)), "")
    return f"{event.get('event', 'event')} {what}".strip()


def _without_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_floats(item) for item in value]
    return "float" if isinstance(value, float) else value


def _as_given(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, str | _Absent) else one_line(value)
