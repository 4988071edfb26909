"""Python tracebacks in a log: which process raised what, and in which function."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_START = "Traceback (most recent call last):"
_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
_FRAME = re.compile(r'File "(?P<path>[^"]+)", line \d+, in (?P<function>\S+)')
_END = re.compile(r"(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?")
_LOG_LINE = re.compile(r"\[\d{4}-\d\d-\d\d[ T][\d:.,]+(?P<ranks>[^\]]*)\]|(?:INFO|WARNING|ERROR|DEBUG): ")
_SEEN_BY = re.compile(r"\b(?P<who>\w+) hit an exception")
_ROLES = {"Scheduler": "scheduler", "DetokenizerManager": "detokenizer", "TokenizerManager": "server"}
_PACKAGE = re.compile(r"(?:^|/)sglang/")


@dataclass(frozen=True)
class Raised:
    """The end of one chain of tracebacks. `line` is that of its last line in the log, from 0."""

    type: str
    message: str
    function: str | None
    process: str | None
    line: int

    @property
    def text(self) -> str:
        where = f" in {self.function}" if self.function else ""
        return f"{self.type}{where}: {self.message}" if self.message else f"{self.type}{where}"


def find(lines: Sequence[str]) -> Iterator[Raised]:
    """Every chain of tracebacks, in the log's order.

    Of a chain its last exception counts, which is the one that was not handled; of what Triton's
    interpreter raises, the first, which it only wraps, once for each call level.
    """
    chain: list[Raised] = []
    at = 0
    while at < len(lines):
        if _START in lines[at]:
            raised, end = _read(lines, at)
            if chain and not _are_chained(lines, chain[-1].line, at):
                yield _of(chain)
                chain = []
            chain += [raised] if raised else []
            at = end
        else:
            at += 1
    if chain:
        yield _of(chain)


def _of(chain: Sequence[Raised]) -> Raised:
    return chain[0] if chain[-1].type.endswith("InterpreterError") else chain[-1]


def _are_chained(lines: Sequence[str], before: int, after: int) -> bool:
    return any(line.strip().startswith(_CHAINED) for line in lines[before:after])


def _read(lines: Sequence[str], start: int) -> tuple[Raised | None, int]:
    """The traceback that starts at `start`, and the line after it; None if it breaks off."""
    indent = len(lines[start]) - len(lines[start].lstrip())
    function = None
    for at in range(start + 1, len(lines)):
        line = lines[at][indent:] if lines[at][:indent].isspace() or not indent else lines[at]
        if _START in line:
            return None, at
        if frame := _FRAME.search(line):
            # The deepest of upstream's own functions names the place; libraries come and go below it.
            function = frame["function"] if _PACKAGE.search(frame["path"]) else function
        elif line and not line[0].isspace() and not _LOG_LINE.match(line) and (end := _END.fullmatch(line)):
            last = end["type"].rpartition(".")[2]
            return Raised(last, end["message"] or "", function, process_at(lines, start), at), at + 1
    return None, len(lines)


def process_at(lines: Sequence[str], at: int) -> str | None:
    """The role of the process that wrote this line, as far as the line or the one before it tells."""
    for line in lines[at : at - 2 if at > 1 else None : -1]:
        if seen := _SEEN_BY.search(line):
            return _ROLES.get(seen["who"], seen["who"])
        if "ASGI application" in line:
            return "server"
        if (prefix := _LOG_LINE.match(line)) and "TP" in (prefix["ranks"] or ""):
            return "scheduler"
    return None
