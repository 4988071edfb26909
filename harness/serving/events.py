"""What a log tells of, one event after another, before it is asked what follows from what."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.observation import Fault
from harness.observation.normalise import message
from harness.serving import shortages, signs, tracebacks
from harness.serving.lines import Line, behind
from harness.serving.tracebacks import Raised

_OWN_DOING = re.compile(r"disconnected from the client side|KeyboardInterrupt|CancelledError|url: /freeze_gc")
"""Tracebacks of a server that is well: our own aborts cause them, and so does a warm-up that is left out.

From 0.5.18 on a server then asks itself for /freeze_gc while its port may not listen yet, and warns.
"""
_QUOTES = re.compile(
    r"\b(?:Receive|Finish|Received|Finished)\b.{0,40}\b(?:obj|rid|request)|(?:Req)?Input\(rid=|sampling_params="
    r"|server_args=|ServerArgs\(|ChatCompletionRequest\(|CompletionRequest\(|\"event\": ?\"request\."
    r"|\bprompt(?:_token)?s?=|\"prompt\":"
    r"|\"messages\":|\bmessages=\[|\btext='|\btext=\"|\"text\": ?\""
)
"""Records that quote what clients sent, or how the server was started: nothing in them happened."""
_AT_WORK = re.compile(r"Decode batch|Prefill batch|fired up and ready|HTTP/1\.1\" 200")
_WHAT = re.compile(r"^\s*what\(\): +(?P<text>.*)")
_WHAT_WITHIN = 6


@dataclass(frozen=True)
class Event:
    """One thing that a log tells of. A shortage is in `lacking` or `storage`; else there is a fault."""

    at: int
    fault: Fault | None = None
    weight: str = "cause"
    ranks: str = ""
    ends: bool = True
    lacking: str | None = None
    storage: str | None = None


def find(lines: Sequence[Line]) -> list[Event]:
    """All events, in the log's order."""
    raised = list(tracebacks.find(lines))
    own = {at for one in raised for at in one.own}
    events = [event for one in raised if (event := _of_raised(one))]
    events += _of_lines(lines, own)
    return sorted(events, key=lambda event: event.at)


def _of_raised(raised: Raised) -> Event | None:
    if _OWN_DOING.search(raised.whole) or _OWN_DOING.search(raised.text):
        return None
    told = _told(raised)
    if raised.handled:
        return _of_handled(raised, told)
    if full := shortages.storage(raised.whole):
        return Event(raised.line, storage=full)
    if shortages.lacks(raised.whole) or shortages.lacks_module(raised.message):
        return Event(raised.line, lacking=message(_lack(raised)))
    if told:
        sign, fault = told
        process = fault.process or raised.process
        ends = raised.ends or sign.kind == "device-fault"
        return Event(raised.line, replace(fault, process=process), sign.weight, raised.ranks, ends)
    fault = Fault(kind="exception", process=raised.process, message=message(raised.text))
    return Event(raised.line, fault, "cause", raised.ranks, raised.ends)


def _told(raised: Raised) -> tuple[signs.Sign, Fault] | None:
    """What the lines of its message tell of: each by itself, since the next one is another sentence."""
    said = (f"{raised.type}: {raised.message}", *raised.more)
    return next((told for line in said if (told := signs.of(line))), None)


def _of_handled(raised: Raised, told: tuple[signs.Sign, Fault] | None) -> Event | None:
    """Whoever wrote it went on; a device's context stays broken all the same."""
    if told is None or told[0].kind != "device-fault" or shortages.lacks(raised.whole):
        return None
    return Event(raised.line, replace(told[1], process=told[1].process or raised.process), told[0].weight)


def _lack(raised: Raised) -> str:
    """The line of the message that names the shortage."""
    said = (raised.text, *raised.more)
    return next((line for line in said if shortages.lacks(line) or shortages.lacks_module(line)), raised.text)


def _of_lines(lines: Sequence[Line], own: set[int]) -> Iterator[Event]:
    at_work = max((line.at for line in lines if _AT_WORK.search(line.text)), default=-1)
    taken: set[int] = set()
    for line in lines:
        if line.at in own or line.at in taken or not line.text:
            continue
        if (line.starts_record and _QUOTES.search(line.text)) or _QUOTES.match(line.text):
            continue
        yield from _of_line(lines, line, at_work, taken)


def _of_line(lines: Sequence[Line], line: Line, at_work: int, taken: set[int]) -> Iterator[Event]:
    text = line.text
    if text.startswith("terminate called"):
        text = _with_what(lines, line, taken)
    if full := shortages.storage(text):
        if not shortages.goes_on(text) and line.at > at_work:
            yield Event(line.at, storage=full)
        return
    if shortages.lacks(text):
        if _counts(line, at_work):
            yield Event(line.at, lacking=message(text[:2000]), ends=False)
        return
    if told := signs.of(text):
        sign, fault = told
        yield Event(line.at, replace(fault, process=fault.process or line.process), sign.weight, line.ranks)


def _counts(line: Line, at_work: int) -> bool:
    """Whether a shortage mattered: nobody found another way, and no work was done after it."""
    return not shortages.goes_on(line.text) and line.level not in ("W", "I", "D") and line.at > at_work


def _with_what(lines: Sequence[Line], line: Line, taken: set[int]) -> str:
    """`terminate called …` with the exception's own words, which stand on a later line."""
    for following in behind(lines, line.at, _WHAT_WITHIN):
        if what := _WHAT.match(following.text):
            taken.add(following.at)
            return f"{line.text}: {what['text']}"
    return line.text
