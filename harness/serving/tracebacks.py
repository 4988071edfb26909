"""Python tracebacks in a log: which process raised what, in which function, and whether it was handled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from harness.serving import roles
from harness.serving.lines import Line, behind

START = "Traceback (most recent call last):"
_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
_FRAME = re.compile(r'File "(?P<path>[^"]+)", line \d+(?:, in (?P<function>\S+))?')
_TYPE = r"[A-Za-z_][\w.]*(?:\([A-Za-z_][\w.]*\))?"
_END = re.compile(rf"(?P<type>{_TYPE})(?:: ?(?P<message>.*))?")
_LIKE_AN_EXCEPTION = re.compile(
    r"\w\.\w|(?:Error|Exception|Exit|Interrupt|Warning|Failed|Failure|Fault|Timeout|Group|Abort|Iteration)\)?$"
)
_LEVELS = frozenset({"INFO", "WARNING", "ERROR", "DEBUG", "CRITICAL"})
_SEEN_BY = re.compile(r"\b(?P<who>\w+) hit an exception")
_ENDS_PROCESS = re.compile(r"hit an exception|Initialization failed|warmup error")
_UNHANDLED = re.compile(
    r"in ASGI application|[Uu]ncaught|[Uu]nhandled|Exception in (?:thread|callback)|never retrieved"
    r"|sigquit|SIGQUIT|--- Logging error"
)
_SPEAKS_OF_FAILURE = re.compile(
    r"(?i)error|fail|exception|warn|unable|cannot|could ?n[o']t|ignor|skip|retry|invalid|unexpected"
    r"|unsupported"
)
_PACKAGE = re.compile(r"(?:^|/)sglang/(?!.*(?:site|dist)-packages/(?!sglang/))")
_INCOMPLETE = re.compile(r":$|raised:$|following error.*$|TorchScript interpreter\.$|^\W*$")
_ELSE = re.compile(
    r"Fatal Python error|terminate called|Killed$|Aborted|Segmentation fault|Memory access fault|HW Exception"
    r"|\S+: .*: Assertion `"
)
"""What a dying process, or a shell, writes: never a message's next line."""
_LONGEST = 400
"""Lines of one traceback: Python itself cuts deep recursion short."""
_MESSAGE_LINES = 8


@dataclass(frozen=True)
class Raised:
    """The end of one chain of tracebacks.

    `start` and `line` are its first and last line in the log, from 0, and `own` all of its lines;
    `more` are further lines of its message, `code` the source line that raised. `handled` tells that a
    logging record reports it: whoever wrote that went on. `ends` tells that its process said to end of it.
    """

    type: str
    message: str
    function: str | None
    process: str | None
    line: int
    start: int = 0
    ranks: str = ""
    more: tuple[str, ...] = ()
    code: str = ""
    handled: bool = False
    ends: bool = True
    own: frozenset[int] = field(default=frozenset(), repr=False)

    @property
    def text(self) -> str:
        where = f" in {self.function}" if self.function else ""
        told = self.told
        return f"{self.type}{where}: {told}" if told else f"{self.type}{where}"

    @property
    def told(self) -> str:
        """The message: with its next line where the first is only the lead; else the line that raised."""
        if not _INCOMPLETE.search(self.message):
            return self.message
        if not self.message and self.code.startswith("assert"):
            return self.code
        following = next((line for line in self.more if line.strip()), "").strip()
        return " ".join(filter(None, (self.message, following))) or self.code

    @property
    def whole(self) -> str:
        """Everything it says, in one line."""
        return " ".join((f"{self.type}: {self.message}", *self.more))


def find(lines: Sequence[Line]) -> Iterator[Raised]:
    """Every chain of tracebacks, in the log's order.

    Of a chain its last exception counts, which is the one that was not handled; of what Triton's
    interpreter raises, the first, which it only wraps, once for each call level; of a group, what it holds.
    """
    chain: list[Raised] = []
    for raised in _single(lines):
        if chain and not _is_chained(lines, chain[-1], raised):
            yield _of(chain)
            chain = []
        chain.append(_inherited(chain[-1], raised) if chain else raised)
    if chain:
        yield _of(chain)


def _inherited(before: Raised, after: Raised) -> Raised:
    """The next of a chain: the first one's heading stands for all."""
    return replace(
        after,
        start=before.start,
        process=before.process or after.process,
        ranks=before.ranks or after.ranks,
        handled=before.handled,
        ends=before.ends,
        own=before.own | after.own,
    )


def _of(chain: Sequence[Raised]) -> Raised:
    if chain[-1].type.endswith("InterpreterError"):
        return replace(chain[0], line=chain[-1].line, own=chain[-1].own)
    return chain[-1]


def _is_chained(lines: Sequence[Line], before: Raised, after: Raised) -> bool:
    between = lines[before.line : after.start]
    if lines[after.start].source != lines[before.line].source:
        return False
    if before.type.endswith("ExceptionGroup"):
        return len(between) <= 4
    return any(line.text.strip().startswith(_CHAINED) for line in between)


def _single(lines: Sequence[Line]) -> list[Raised]:
    """Every traceback that comes to its end, by where it starts.

    Where one starts before another of its source has ended, two processes write at once: the end that
    comes first is taken for the later one's.
    """
    open_at: dict[str, list[_Open]] = {}
    found: list[Raised] = []
    for line in lines:
        mine = open_at.setdefault(line.source, []) if START in line.text else open_at.get(line.source)
        if mine is None:
            continue
        if START in line.text:
            mine.append(_Open(lines, line))
        elif mine and (raised := mine[-1].take(line)):
            found.append(raised)
            mine.pop()
        elif mine and line.at - mine[-1].start.at > _LONGEST:
            mine.pop()
    return sorted(found, key=lambda raised: raised.line)


class _Open:
    """A traceback whose end has not come yet."""

    def __init__(self, lines: Sequence[Line], start: Line) -> None:
        self._lines, self.start = lines, start
        head = start.text.partition(START)[0]
        self._indent = len(head) if not head.strip() else 0
        self._function: str | None = None
        self._role: str | None = None
        self._code = ""
        self._own = {start.at}
        self._in_frames = False

    def take(self, line: Line) -> Raised | None:
        """The exception, if this line ends the traceback."""
        text = line.text[self._indent :] if line.text[: self._indent].isspace() else line.text
        if frame := _FRAME.search(text):
            self._see(frame["path"], frame["function"] or "")
            self._own.add(line.at)
        elif text[:1].isspace():
            self._code = text.strip() if set(text) - set(" ^~") else self._code
            self._own.add(line.at)
        elif text and not line.starts_record:
            return self._ended(line, text)
        return None

    def _see(self, path: str, function: str) -> None:
        # The deepest of upstream's own functions names the place; libraries come and go below it.
        self._in_frames = True
        self._role = self._role or roles.of_function(function)
        self._function = function if _PACKAGE.search(path) else self._function

    def _ended(self, line: Line, text: str) -> Raised | None:
        end = _END.fullmatch(text)
        if not end or end["type"] in _LEVELS or not self._is_exception(end):
            return None
        more = tuple(_more(self._lines, line.at))
        heading = _heading(self._lines, self.start)
        return Raised(
            type=end["type"].rpartition(".")[2],
            message=end["message"] or "",
            function=self._function,
            process=heading.process or self._role,
            line=line.at,
            start=self.start.at,
            ranks=heading.ranks,
            more=more,
            code=self._code,
            handled=heading.handled,
            ends=heading.ends,
            own=frozenset({*self._own, line.at}),
        )

    def _is_exception(self, end: re.Match[str]) -> bool:
        """A name by itself must look like one; one with a message may be anything that ends the frames."""
        if _LIKE_AN_EXCEPTION.search(end["type"]):
            return True
        return self._in_frames and end["message"] is not None and end["type"][:1].isupper()


def _more(lines: Sequence[Line], at: int) -> Iterator[str]:
    """Further lines of a message, up to what cannot be of it."""
    for number, line in enumerate(behind(lines, at, _MESSAGE_LINES)):
        if line.starts_record or START in line.text or line.text.startswith(_CHAINED):
            return
        if _ELSE.match(line.text):
            return
        if not line.text.strip() and number:
            return
        yield line.text


@dataclass(frozen=True)
class _Heading:
    process: str | None = None
    ranks: str = ""
    handled: bool = False
    ends: bool = True


def _heading(lines: Sequence[Line], start: Line) -> _Heading:
    """What introduces a traceback: its own line, or a record just above it."""
    head = start.text.partition(START)[0]
    if head.strip() not in ("", "Exception Group"):
        return _introduced(start, head)
    above = _record_above(lines, start)
    return _introduced(above, above.text) if above else _Heading(ends=not _in_thread(lines, start))


def _introduced(line: Line, text: str) -> _Heading:
    seen = _SEEN_BY.search(text)
    process = roles.of_name(seen["who"]) if seen else line.process
    if "in ASGI application" in text:
        process = "server"
    ends = bool(_ENDS_PROCESS.search(text))
    handled = not ends and not _UNHANDLED.search(text)
    return _Heading(process=process, ranks=line.ranks, handled=handled, ends=ends)


def _in_thread(lines: Sequence[Line], start: Line) -> bool:
    return start.at > 0 and bool(_UNHANDLED.search(lines[start.at - 1].text))


def _record_above(lines: Sequence[Line], start: Line) -> Line | None:
    """The record that this traceback belongs to: the one above it, if it speaks of a failure."""
    for line in reversed(lines[max(0, start.at - 3) : start.at]):
        if line.source != start.source or not line.text.strip():
            return None
        if line.starts_record:
            told = _SPEAKS_OF_FAILURE.search(line.text) or line.level in ("E", "W", "C")
            return line if told and not re.search("sigquit|SIGQUIT", line.text) else None
        if line.is_indented or START in line.text:
            return None
    return None
