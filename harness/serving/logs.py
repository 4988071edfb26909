"""Faults that a server's log tells of, and failures of the machinery that must not be taken for one.

Patterns are kept as short as tells them apart, since upstream's wording changes: each is tested on a
line that was recorded or publicly reported (harness/tests/serving/samples.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.facts.checks import ENDING_KINDS
from harness.normalise import message
from harness.observation import Fault
from harness.serving import tracebacks
from harness.serving.tracebacks import Raised

_LONGEST_LINE = 4096
"""Characters of a line that are looked at."""
LAST_LINES = 20
"""Lines of the log that stand for an end nobody can name."""


@dataclass(frozen=True)
class Sign:
    """A pattern, and what a line with it is: its group `text` is the message, `who` the process.

    `mark` is in every line that matches: looking for it first makes long logs short work.
    """

    kind: str
    mark: str
    pattern: re.Pattern[str]
    process: str | None = None

    def match(self, line: str) -> re.Match[str] | None:
        return self.pattern.search(line) if self.mark in line else None


def _sign(kind: str, mark: str, pattern: str, process: str | None = None) -> Sign:
    return Sign(kind, mark, re.compile(pattern), process)


SIGNS = (
    # CUDA's runtime through torch (c10_cuda_check_implementation), the same through HIP.
    _sign("device-fault", " error: ", r"(?P<text>(?:CUDA|HIP) error: .*?)(?:$|\. |; )"),
    # The same through the driver, at Triton's launches.
    _sign("device-fault", "Triton Error [", r"(?P<text>Triton Error \[(?:CUDA|HIP)\]: [^.;]*)"),
    # Device-side assertions, printed by the device itself, once for every thread that fails.
    _sign(
        "device-fault",
        "Assertion ",
        r"(?P<file>\b[\w.]+\.\w+:\d+): .*thread: \[\d+,\d+,\d+\] (?P<text>Assertion .*failed)",
    ),
    # ROCm's runtime: what its memory-event handler and its queue-error callback print before they abort.
    _sign("device-fault", "Memory access fault", r"(?P<text>Memory access fault by GPU node)"),
    _sign("device-fault", "HSA_STATUS_ERROR_", r"(?P<text>HSA_STATUS_ERROR_(?!OUT_OF_RESOURCES)\w+)"),
    _sign("device-fault", "HW Exception", r"(?P<text>HW Exception by GPU node)"),
    _sign("nan", "NaN ", r"(?P<text>NaN (?:in the|detected)[^.;]*)"),
    # Upstream's own checks of its pools, while idle and while busy.
    _sign(
        "leak",
        "etected",
        r"(?P<text>(?:\b\w+ ){0,2}(?:memory leak|Mem Leak|pool leak) [Dd]etected.*)",
        "scheduler",
    ),
    _sign("hang", "atchdog timeout", r"(?P<text>(?:\b\w+ )?[Ww]atchdog timeout)"),
    _sign(
        "crash",
        "crashed with exit code",
        r"Subprocess (?P<who>\w+?)(?:_\d+)? \(pid=\d+\) (?P<text>crashed with exit code -?\d+)",
    ),
    _sign("crash", "Fatal Python error", r"(?P<text>Fatal Python error: .*)"),
    _sign("crash", "terminate called", r"(?P<text>terminate called .*)"),
)

_STORAGE = re.compile(r"No space left on device|File too large|Disk quota exceeded")
"""What makes a log, and with it all that it does not say, worthless."""
_LACKING = re.compile(
    r"ddress already in use|\b[Pp]ort\b.* (?:already in use|is not available)|port at \d+ is not available"
    r"|bad_alloc|[Cc]annot allocate memory|can't allocate memory|MemoryError\b"
    r"|(?:CUDA|HIP)(?: error:|\]:)? out of memory|Too many open files"
    r"|launch_server(?:\.py)?: error: "
)
_LACKING_MARKS = (
    "already in use", "is not available", "bad_alloc", "allocate memory", "MemoryError", "out of memory",
    "Too many open files", "error: ",
)  # fmt: skip
_LACKING_MODULE = re.compile(r"No module named '(?!sglang)")
"""Counts where it was raised alone: upstream probes for many modules and warns of those not there."""

_OWN_DOING = re.compile(r"disconnected from the client side|KeyboardInterrupt|CancelledError|url: /freeze_gc")
"""Tracebacks of a server that is well: our own aborts cause them, and so does a warm-up that is left out.

From 0.5.18 on a server then asks itself for /freeze_gc while its port may not listen yet, and warns.
"""
_PEER_GONE = re.compile(r"[Cc]onnection (?:closed|reset|refused)|[Bb]roken pipe|BrokenPipe|EOFError")


@dataclass(frozen=True)
class Reading:
    """What a log says: faults in the order in which they came, and what else went wrong.

    `lacking` is what the machine or the command line lacked: nothing follows for the code under
    test where a server died of it. `storage` says that the log itself is not whole.
    """

    faults: tuple[Fault, ...] = ()
    lacking: str | None = None
    storage: str | None = None


def read(text: str) -> Reading:
    """The faults of a log, each once, without those that only follow from an earlier one."""
    lines = [line[:_LONGEST_LINE] for line in text.splitlines()]
    raised = [one for one in tracebacks.find(lines) if not _OWN_DOING.search(one.text)]
    lacking = [one.text for one in raised if _LACKING_MODULE.search(one.message)]
    lacking += [line for line in lines if _is_lacking(line)]
    storage = [match[0] for match in _STORAGE.finditer(text)]
    found = [(one.line, fault) for one in raised if (fault := _of_exception(one))]
    ends = {one.line for one in raised}
    found += [(at, fault) for at, fault in _of_lines(lines) if at not in ends]
    ordered = [fault for _, fault in sorted(found, key=lambda pair: pair[0])]
    return Reading(_causes(_merged(ordered)), _first(lacking), _first(storage))


def _is_lacking(line: str) -> bool:
    return any(mark in line for mark in _LACKING_MARKS) and bool(_LACKING.search(line))


def _first(lines: Sequence[str]) -> str | None:
    return message(lines[0]) if lines else None


def last_lines(text: str, count: int = LAST_LINES) -> str:
    """The end of a log: what there is to say about an end that no pattern knows."""
    return "\n".join([line for line in text.splitlines() if line.strip()][-count:])


def _of_exception(raised: Raised) -> Fault | None:
    """The fault a traceback amounts to: what its message tells of, else the exception itself."""
    told = f"{raised.type}: {raised.message}"
    if _is_lacking(told) or _STORAGE.search(told) or _LACKING_MODULE.search(told):
        return None
    fault = _of_line(told, raised.process)
    return fault or Fault(kind="exception", process=raised.process, message=message(raised.text))


def _of_lines(lines: Sequence[str]) -> Iterator[tuple[int, Fault]]:
    for at, line in enumerate(lines):
        # A line of source inside a traceback is indented, and is no report.
        if line[:1].isspace() or _is_lacking(line):
            continue
        if fault := _of_line(line, None):
            yield at, replace(fault, process=fault.process or tracebacks.process_at(lines, at))


def _of_line(line: str, process: str | None) -> Fault | None:
    for sign in SIGNS:
        if match := sign.match(line):
            groups = match.groupdict()
            where = f" at {groups['file']}" if "file" in groups else ""
            who = groups.get("who") or sign.process or process
            return Fault(kind=sign.kind, process=who, message=message(groups["text"] + where))
    return None


def _merged(faults: Sequence[Fault]) -> list[Fault]:
    """Each (kind, message) once, with a process if any report of it names one."""
    kept: dict[tuple[str, str | None], Fault] = {}
    for fault in faults:
        known = kept.setdefault((fault.kind, fault.message), fault)
        if known.process is None and fault.process is not None:
            kept[fault.kind, fault.message] = replace(known, process=fault.process)
    return list(kept.values())


def _causes(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """Without what a fault that ended a process brings about in itself and in those that talk to it."""
    kept: list[Fault] = []
    for fault in faults:
        ended = {before.kind for before in kept} & ENDING_KINDS
        if fault.kind == "crash" and ended:
            continue
        follows = "device-fault" in ended or (ended and _PEER_GONE.search(fault.message or ""))
        if fault.kind == "exception" and follows:
            continue
        kept.append(fault)
    return tuple(kept)
