"""The lines of a log without what others put around them: containers, launchers, colours, progress bars.

A line's *source* tells writers apart that a launcher has labelled: ray's actors, torchrun's ranks, the
containers of one deployment. Lines of one source belong together even where others write between them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_COLOURS = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
_BREAK = re.compile(r"\r\n|[\n\r]")
_DOCKER = '{"log":'
_STAMP = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_LABELS = (
    re.compile(r"\[(?P<label>rank\d+)\]: ?"),  # torchrun, and torch's own excepthook
    re.compile(r"\[(?P<label>default\d+)\]: ?"),
    re.compile(r"\[(?P<label>\d+,\d+)\]<std(?:err|out)>: ?"),  # mpirun
    re.compile(r"\x20*(?P<label>\d{1,4}): (?=\S| )"),  # srun --label
    re.compile(r"\((?P<label>[\w.:-]+ (?:rank=\d+ )?pid=\d+(?:, [\w.=: -]+)?)\) ?"),  # ray
    re.compile(r"\[(?P<label>(?:pod/)?[\w.-]+/[\w.-]+(?:/[\w.-]+)?)\] "),  # kubectl --prefix
    re.compile(r"(?P<label>[A-Za-z][\w.-]*) +\| ?"),  # docker compose
    re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?P<label>[\w.-]+ [\w.@/-]+\[\d+\]): "),  # journald
    re.compile(rf"{_STAMP} (?P<label>std(?:out|err) [FP]) "),  # a node's own files in kubernetes
    re.compile(rf"{_STAMP} (?=\[|\w|\s|\()(?P<label>)"),  # docker logs --timestamps
)
_BAR = re.compile(r"[^|\n]{0,200}?\d+%\|[^|\n]{0,400}\| *[\d.]+\w?/[\d.]+\w? \[[^\]\n]{0,200}\](?: *(?=\S))?")
_GROUP = re.compile(r" *(?:\+-\+-+ (?:\d+|\.\.\.) -+ *$|\+-+ *$|\| ?|\+ (?=Exception Group))")
_REPEATED = re.compile(r" \[repeated \d+x across cluster\].*$")

_RECORD = re.compile(
    r"\[\d{4}-\d\d-\d\d[ T][\d:.,]+(?P<ranks>[^\]]*)\] ?"
    r"|(?:INFO|WARNING|ERROR|DEBUG|CRITICAL) \d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \[?[\w./]+:\d+\] ?"
    r"|\d{4}-\d\d-\d\d[ T][\d:.,]+ - [\w.]+ - (?=[A-Z]+ - )"
)
_LEVEL = re.compile(r"(?P<level>INFO|WARNING|ERROR|DEBUG|CRITICAL)(?::\s+| - )")
_NATIVE = re.compile(
    r"\[?(?P<level>[IWEF])\d{3,4} \d\d:\d\d:\d\d(?:\.\d+)? [^\]]{0,80}\] ?|\[(?P<old>[WE]) [\w./:-]+\] ?"
)
_RANK = re.compile(r"\b(?:TP|DP|PP|EP|CP)\d+\b")
_LONGEST_PREFIXES = 6


@dataclass(frozen=True)
class Line:
    """One line: `text` is what its writer wrote, `at` its number in the log, from 0.

    `ranks` are those of upstream's prefix ("DP0 TP1"). `starts_record` is true where a logging record
    begins; `level` is a record's or a native line's, as one letter, where it says so.
    """

    at: int
    text: str
    source: str = ""
    ranks: str = ""
    starts_record: bool = False
    level: str | None = None

    @property
    def process(self) -> str | None:
        """The role that the prefix alone tells: upstream gives ranks to schedulers only."""
        return "scheduler" if "TP" in self.ranks else None

    @property
    def is_indented(self) -> bool:
        return self.text[:1].isspace()


def split(text: str) -> list[Line]:
    """The lines of a log; a progress bar's returns end lines too."""
    return [_line(at, raw) for at, raw in enumerate(_BREAK.split(text))]


def behind(lines: Sequence[Line], at: int, most: int) -> Iterator[Line]:
    """Up to `most` lines after `at` that come from the same source."""
    source, seen = lines[at].source, 0
    for line in lines[at + 1 : at + 1 + 40 * most]:
        if seen == most:
            return
        if line.source == source:
            seen += 1
            yield line


def _line(at: int, raw: str) -> Line:
    text = _unpacked(_COLOURS.sub("", raw) if "\x1b" in raw else raw)
    text, source = _labelled(text)
    text = _without_bar(text)
    text = _REPEATED.sub("", _GROUP.sub("", text, count=1) if _GROUP.match(text) else text)
    return _read(at, text.rstrip(), source)


def _unpacked(text: str) -> str:
    """The line itself where docker keeps it as JSON."""
    if not text.startswith(_DOCKER):
        return text
    try:
        packed = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return str(packed.get("log", "")).rstrip("\n")


def _labelled(text: str) -> tuple[str, str]:
    """The line without its labels, and the labels."""
    labels: list[str] = []
    for _ in range(_LONGEST_PREFIXES):
        if text.startswith("[2") and _RECORD.match(text):
            break
        found = next((match for label in _LABELS if (match := label.match(text))), None)
        if found is None or _RECORD.match(text):
            break
        labels += [found["label"]] if found["label"] else []
        text = text[found.end() :]
    return text, " ".join(labels)


def _without_bar(text: str) -> str:
    """What was written behind a progress bar, which ends without a line's end."""
    while "%|" in text and (bar := _BAR.match(text)):
        text = text[bar.end() :]
    return text


def _read(at: int, text: str, source: str) -> Line:
    if native := _NATIVE.match(text):
        return Line(at, text[native.end() :], source, level=native["level"] or native["old"])
    record = _RECORD.match(text)
    rest = text[record.end() :] if record else text
    if inner := _NATIVE.match(rest):
        return Line(at, rest[inner.end() :], source, level=inner["level"] or inner["old"], starts_record=True)
    level = _LEVEL.match(rest)
    ranks = " ".join(_RANK.findall(record["ranks"] or "")) if record and record["ranks"] else ""
    rest = rest[level.end() :] if level else rest
    letter = level["level"][0] if level else None
    return Line(at, rest, source, ranks, bool(record or level), letter)
