"""A memory fault as a drawing: the buffer as a strip, its fences, and the elements that strayed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeGuard

from harness.facts import EXTENT, FaultKind
from harness.observation import Event, Fault

Role = Literal["fence", "buffer", "used", "unused", "stray", "gap", "missing", "wrong", "neighbour"]

CELLS = 64
"""A part of at most this many elements is drawn element by element."""
ROWS = 64
"""A buffer of at most this many rows is drawn with its rows."""
_LABELS = {FaultKind.WRONG_VALUE: "wrong", FaultKind.NAN: "nan", FaultKind.RACE: "either"}
_END = 5.0
_LEAST = 16.0
_TO_SCALE_FROM = 9.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """A stretch of elements, `first` to `last` inclusive, `share` percent of the strip wide.

    `cells` and `rows` are how many of each to rule, 0 for none; `amount` says how many elements are meant.
    A part without a label is an end.
    """

    role: Role
    first: int = 0
    last: int = 0
    label: str = ""
    amount: str = ""
    share: float = _END
    cells: int = 0
    rows: int = 0

    @property
    def elements(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True)
class Strip:
    """The parts from left to right; `told` says the same in words, `to_scale` whether widths are elements."""

    parts: tuple[Part, ...]
    told: str
    to_scale: bool


def draw(fault: Fault, trace: Sequence[Event] = ()) -> Strip | None:
    """The drawing of one fault, or None for one that names no elements (an exception, a signature).

    Rows come from the shape under which `trace` names the buffer, where one has as many elements.
    """
    middle = tuple(_middle(fault, _row_length(fault, trace)))
    if not middle:
        return None
    return _laid_out(middle, _ends(fault), told(fault))


def _ends(fault: Fault) -> Role | None:
    """What lies on both sides: the fences of a buffer, or, for one row of it, the rows beside it."""
    if not fault.sort.is_of_memory:
        return None
    return "neighbour" if fault.kind == FaultKind.INDEX_RANGE else "fence"


def draw_seen(fault: Fault) -> Strip | None:
    """The drawing of a server's fault as it was first seen: its numbers depend on what the traffic met."""
    if fault.seen is None or fault.seen.first is None:
        return None
    one = fault.seen
    strip = draw(replace(fault, **{name: getattr(one, name) for name in EXTENT}))
    return strip and replace(strip, told=f"{strip.told}: as it was first seen")


def draw_sound(fault: Fault, trace: Sequence[Event]) -> Strip | None:
    """What a fault hit, in an arm where it stays whole; None where `trace` does not tell it.

    Shown beside the fault: how large the buffer (or its row) is there, and the widest extent used of it.
    """
    uses = [use for use in _uses(fault, trace) if 0 <= use.first <= use.last < use.numel]
    if not uses:
        return None
    use = max(uses, key=lambda use: use.last - use.first)
    parts = [_part("used", use.first, use.last, use.verb)]
    if use.first > 0:
        parts.insert(0, _part("unused", 0, use.first - 1, "unused"))
    if use.last < use.numel - 1:
        parts.append(_part("unused", use.last + 1, use.numel - 1, "unused"))
    holds = f"{'a row of ' if use.is_row else ''}{fault.buffer} holds {_elements(use.numel)}"
    where = f"index {use.first}" if use.first == use.last else f"indices {use.first} to {use.last}"
    does = {"written": "writes", "read": "reads"}.get(use.verb, "uses")
    ends: Role = "neighbour" if use.is_row else "fence"
    return _laid_out(tuple(parts), ends, f"{holds}; {fault.kernel} {does} inside it, at {where}")


def _laid_out(middle: tuple[Part, ...], ends: Role | None, sentence: str) -> Strip:
    total = sum(part.elements for part in middle)
    end = (Part(role=ends),) if ends else ()
    room = 100 - 2 * sum(part.share for part in end)
    to_scale = all(part.elements * room / total >= _TO_SCALE_FROM for part in middle)
    parts = tuple(_sized(part, _share(part, total, len(middle), room, to_scale)) for part in middle)
    return Strip((*end, *parts, *end), sentence, to_scale)


def told(fault: Fault) -> str:
    """One fault as a sentence with all its numbers; also what stands for the drawing where it is not seen."""
    who = fault.kernel or "the code under test"
    name, numel = fault.buffer or "the buffer", fault.numel
    holds = f"{name} holds {_elements(numel)}" if numel is not None else name
    if fault.kind == FaultKind.INDEX_RANGE:
        return f"a row of {name} holds {_elements(numel)}; {who} uses {_range(fault)}, {fault.count} times"
    if fault.sort.violations:
        does = "writes" if fault.kind == FaultKind.OOB_WRITE else "reads"
        return f"{holds}; {who} {does} {_elements(fault.count)} outside it, at {_range(fault)}"
    if fault.kind == FaultKind.SHORT_BUFFER and numel is not None and fault.needed is not None:
        return f"{holds}; its use needs {fault.needed}, {fault.needed - numel} more"
    if fault.sort.is_of_values and fault.count is not None:
        verb = "is" if fault.count == 1 else "are"
        return f"{holds}; {fault.count} of them {verb} {_what(fault)}, at {_range(fault)}"
    return fault.signature


def _what(fault: Fault) -> str:
    """How elements are that a fault of values names."""
    if fault.kind == FaultKind.RACE:
        return f"left to chance by programs of {fault.kernel or 'a launch'}"
    return "wrong" if fault.kind == FaultKind.WRONG_VALUE else "not a number"


# --- the parts -----------------------------------------------------------------------------------


def _middle(fault: Fault, row: int) -> Iterator[Part]:
    """Everything between the two ends."""
    if fault.numel is None:
        return
    if fault.kind == FaultKind.SHORT_BUFFER and fault.needed is not None:
        yield _body(fault.numel, row)
        if fault.needed > fault.numel:
            yield _part("missing", fault.numel, fault.needed - 1, "missing")
    elif fault.first is None or fault.last is None:
        return
    elif fault.sort.violations:
        yield from _violations(fault, fault.numel, fault.first, fault.last, row)
    elif fault.sort.is_of_values and 0 <= fault.first <= fault.last < fault.numel:
        yield from _within(fault, fault.numel, fault.first, fault.last)


def _violations(fault: Fault, numel: int, first: int, last: int, row: int) -> Iterator[Part]:
    if first < 0:
        yield _part("stray", first, min(last, -1), "stray", _count(fault))
        if last < -1:
            yield _part("gap", last + 1, -1, "skipped")
    if numel:
        body = _body(numel, row)
        yield replace(body, label="one row") if fault.kind == FaultKind.INDEX_RANGE else body
    if last >= numel:
        start = max(first, numel)
        if start > numel:
            yield _part("gap", numel, start - 1, "skipped")
        yield _part("stray", start, last, "stray", _count(fault))


def _within(fault: Fault, numel: int, first: int, last: int) -> Iterator[Part]:
    rest = "buffer" if fault.kind == FaultKind.RACE else "right"
    if first > 0:
        yield _part("buffer", 0, first - 1, rest)
    yield _part("wrong", first, last, _LABELS[FaultKind(fault.kind)], _count(fault))
    if last < numel - 1:
        yield _part("buffer", last + 1, numel - 1, rest)


def _body(numel: int, row: int) -> Part:
    rows = numel // row if row and numel % row == 0 else 0
    label = f"buffer, {rows} rows of {row}" if rows > 1 else "buffer"
    ruled = rows if 1 < rows <= ROWS else 0
    return Part(role="buffer", first=0, last=numel - 1, label=label, amount=_elements(numel), rows=ruled)


def _part(role: Role, first: int, last: int, label: str, amount: str = "") -> Part:
    return Part(role=role, first=first, last=last, label=label, amount=amount or _elements(last - first + 1))


def _count(fault: Fault) -> str:
    """How many elements went astray, which may be fewer than lie between the first and the last."""
    if fault.count is None or fault.first is None or fault.last is None:
        return ""
    if fault.kind == FaultKind.INDEX_RANGE:
        return f"{fault.count} times"
    span = fault.last - fault.first + 1
    return _elements(fault.count) if fault.count == span else f"{fault.count} of {span} elements"


def _sized(part: Part, share: float) -> Part:
    cells = part.elements if part.elements <= CELLS and part.role != "gap" else 0
    return replace(part, share=share, cells=cells)


def _share(part: Part, total: int, parts: int, room: float, to_scale: bool) -> float:
    if to_scale:
        return round(part.elements * room / total, 3)
    return round(_LEAST + (room - parts * _LEAST) * (part.elements / total), 3)


# --- what the trace knows of the buffer ----------------------------------------------------------


def _row_length(fault: Fault, trace: Sequence[Event]) -> int:
    """The last dimension of the buffer under the shape that has `numel` elements; 0 where none is known."""
    for shape in _shapes(fault, trace):
        if len(shape) > 1 and math.prod(shape) == fault.numel:
            return int(shape[-1])
    return 0


def _shapes(fault: Fault, trace: Sequence[Event]) -> Iterator[list[int]]:
    for event in trace:
        for told in (event, *_arguments(event)):
            if fault.buffer and told.get("buffer") == fault.buffer and _are_whole(told.get("shape")):
                yield told["shape"]


def _are_whole(told: Any) -> TypeGuard[list[int]]:
    """Whether these are whole numbers: a trace comes from a file, and its events have any form."""
    return isinstance(told, list) and all(type(one) is int for one in told)


def _arguments(event: Event) -> list[dict[str, Any]]:
    arguments = event.get("args")
    found = arguments.values() if isinstance(arguments, dict) else ()
    return [one for one in found if isinstance(one, dict)]


@dataclass(frozen=True, kw_only=True)
class _Use:
    """One use of a buffer, or of one row of it: elements `first` to `last` of `numel`."""

    numel: int
    first: int
    last: int
    verb: str
    is_row: bool = False


def _uses(fault: Fault, trace: Sequence[Event]) -> Iterator[_Use]:
    """Every use of the fault's buffer by its kernel or operation."""
    for event in trace:
        if not fault.kernel or not fault.buffer:
            return
        if event.get("kernel") == fault.kernel:
            for argument in _arguments(event):
                if argument.get("buffer") == fault.buffer:
                    yield from _extents(fault, argument)
        elif event.get("op") == fault.kernel and event.get("buffer") == fault.buffer:
            yield from _spans(fault, event)


def _extents(fault: Fault, argument: dict[str, Any]) -> Iterator[_Use]:
    verb = "written" if fault.kind == FaultKind.OOB_WRITE else "read"
    extent = argument.get(verb)
    if _are_whole(extent) and len(extent) == 2 and _are_whole(argument.get("shape")):
        numel = math.prod(argument["shape"])
        yield _Use(numel=numel, first=extent[0], last=extent[1], verb=verb)


def _spans(fault: Fault, event: Event) -> Iterator[_Use]:
    """An indexing operation tells the span of its indices in the dimension they index."""
    told = event.get("indices", ()) if fault.kind == FaultKind.INDEX_RANGE else ()
    for index in told if isinstance(told, list | tuple) else ():
        if not isinstance(index, dict) or index.get("extent") != fault.numel:
            continue
        if _are_whole(span := index.get("span")) and len(span) == 2:
            first, last = span
            yield _Use(numel=index["extent"], first=first, last=last, verb="used", is_row=True)


def _elements(count: int | None) -> str:
    return "elements" if count is None else f"{count} element{'' if count == 1 else 's'}"


def _range(fault: Fault) -> str:
    if fault.first is None or fault.last is None:
        return "indices that are not known"
    return f"index {fault.first}" if fault.first == fault.last else f"indices {fault.first} to {fault.last}"
