"""Results for people: the table of verdicts, and the evidence of each with both arms side by side.

On a terminal it uses colour and boxes; anywhere else (pipes, pytest) plain lines that are never cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.compare import changed_params, named_params, one_line
from harness.observation import Fault, Observation, Point
from harness.verdict import Result, Verdict

SHOWN = 5
"""How many findings, notes and other points are listed before the rest is only counted."""

_REASON_WIDTH = 120
_COLOURS = {Verdict.PASS: "green", Verdict.UNSUPPORTED: "yellow", Verdict.UNRESOLVED: "magenta"}
_HEADINGS = ("reproducer", "tier", "platform", "verdict", "seconds", "reason")


@dataclass(frozen=True)
class Row:
    """One aspect of the evidence, as lines for each observed arm."""

    aspect: str
    arms: dict[str, list[str]]


def console(file: IO[str] | None = None, *, stderr: bool = False) -> Console:
    """A console that takes every text literally and obeys NO_COLOR and the terminal's width."""
    return Console(file=file, stderr=stderr, highlight=False, markup=False, emoji=False)


def show(
    results: Sequence[Result], console: Console, *, detail: bool = False, expected: int | None = None
) -> None:
    """Print the table, then the evidence of failing results (of all with `detail`), then the counts.

    `expected` is how many results the run was to have: fewer make the table a partial one.
    """
    draw = _draw_boxes if console.is_terminal and not console.is_dumb_terminal else _draw_lines
    draw(results, console, [result for result in results if detail or result.failed])
    _print(console, summary(results, expected))


def summary(results: Sequence[Result], expected: int | None = None) -> str:
    """The counts in one line, and how many results a partial table lacks."""
    bugs, configurations = (
        _counts([result for result in results if result.configuration is apart]) for apart in (False, True)
    )
    apart = f"configurations: {configurations}" if configurations else ""
    told = "; ".join(filter(None, (bugs, apart))) or "no results"
    absent = (expected or 0) - len(results)
    return f"{told}; partial: {absent} of {expected} were not run" if absent > 0 else told


def _counts(results: Sequence[Result]) -> str:
    counts = Counter(map(word, results))
    order = [*(verdict.value for verdict in Verdict), word(None)]
    return ", ".join(f"{counts[word]} {word}" for word in order if counts[word])


def explain(result: Result) -> str:
    """The verdict with its evidence as plain text; also what a failing test shows."""
    number = f" (#{result.pr or result.issue})" if result.pr or result.issue else ""
    lines = [f"{word(result)} {_name(result)}{number}: {result.reason}"]
    if result.params:
        lines.append(f"  {'params':<11} {named_params(result.params)}")
    for row in evidence(result):
        lines += _row_lines(row)
    lines += [f"  {'drift' if not index else '':<11} {text}" for index, text in enumerate(result.drift)]
    return "\n".join(printable(line) for line in lines)


def evidence(result: Result) -> list[Row]:
    """Both arms, aspect by aspect; aspects that say nothing in either arm are left out."""
    rows = []
    for aspect, tell in _ASPECTS:
        arms = {name: tell(result, observation) for name, observation in result.arms.items()}
        if any(arms.values()):
            rows.append(Row(_worded(aspect, result), arms))
    return rows


# --- what an arm tells ---------------------------------------------------------------------------


def _outcome(result: Result, seen: Observation) -> list[str]:
    if seen.unresolved:
        return [f"unresolved: {seen.unresolved}"]
    if seen.main.outcome == "clean":
        return ["clean"]
    return ["signature" if _only_signatures(seen.main) else "fault"]


def _exit(result: Result, seen: Observation) -> list[str]:
    how = seen.exit
    code = f"code {how.code}" if how.code is not None else None
    words = [how.how, *(word for word in (how.signal, code, how.message) if word)]
    return [] if how.how == "clean" else [", ".join(words)]


def _faults(result: Result, seen: Observation) -> list[str]:
    return [fault.signature for fault in seen.main.faults] or ["none"]


def _findings(result: Result, seen: Observation) -> list[str]:
    places: dict[str, list[Point]] = {}
    for point in seen.points:
        for text in _signatures(point.findings):
            places.setdefault(text, []).append(point)
    return _capped([text + _found_at(seen.main, points) for text, points in places.items()])


def _found_at(main: Point, points: list[Point]) -> str:
    """Where a finding was made, unless that is the default point alone."""
    first = "the default point" if points[0] is main else _named(main, points[0])
    others = f" and {len(points) - 1} more" if len(points) > 1 else ""
    return "" if points == [main] else f", at {first}{others}"


def _results(result: Result, seen: Observation) -> list[str]:
    return [f"{name}: {one_line(value)}" for name, value in seen.main.results.items()]


def _compared(result: Result, seen: Observation) -> list[str]:
    return [f"{name}: {one_line(value)}" for name, value in seen.main.compared.items()]


def _notes(result: Result, seen: Observation) -> list[str]:
    return _capped(list(seen.main.notes))


def _other_points(result: Result, seen: Observation) -> list[str]:
    others = seen.points[1:]
    faulty = [point for point in others if point.faults]
    told = [f"{_named(seen.main, point)}: {'; '.join(_signatures(point.faults))}" for point in faulty]
    only_signatures = result.evidence == "signature" and all(map(_only_signatures, faulty))
    word = "have the signature" if only_signatures else "fault"
    return [f"{len(faulty)} of {len(others)} {word}", *_capped(told)] if others else []


def _trace(result: Result, seen: Observation) -> list[str]:
    return [f"{len(seen.main.trace)} events, digest {seen.main.digest[:12]}"] if seen.points else []


def _attestation(result: Result, seen: Observation) -> list[str]:
    if seen.attestation is None:
        return ["none"]
    modules = [f"{module.name} {module.sha256[:12]}" for module in seen.attestation.modules]
    return [*modules, f"entered {', '.join(seen.attestation.entered) or 'nothing'}"]


def _log(result: Result, seen: Observation) -> list[str]:
    return [seen.log] if seen.log else []


_ASPECTS: tuple[tuple[str, Callable[[Result, Observation], list[str]]], ...] = (
    ("outcome", _outcome),
    ("exit", _exit),
    ("faults", _faults),
    ("results", _results),
    ("compared", _compared),
    ("points", _other_points),
    ("findings", _findings),
    ("notes", _notes),
    ("trace", _trace),
    ("attestation", _attestation),
    ("log", _log),
)


def _only_signatures(point: Point) -> bool:
    """Whether nothing went wrong at a point but what its compiled form shows."""
    return all(fault.kind == "signature" for fault in point.faults)


def _signatures(faults: Sequence[Fault]) -> list[str]:
    return [fault.signature for fault in faults]


def _named(main: Point, point: Point) -> str:
    return named_params(changed_params(main.params, point.params))


def _worded(aspect: str, result: Result) -> str:
    # A compiled signature identifies code; it is no fault, and is not called one. An exception is.
    shown = all(_only_signatures(arm.main) for arm in result.arms.values() if arm.points)
    return "signatures" if aspect == "faults" and result.evidence == "signature" and shown else aspect


def _capped(lines: list[str]) -> list[str]:
    rest = len(lines) - SHOWN
    return [*lines[:SHOWN], f"and {rest} more, {len(lines)} in all"] if rest > 0 else lines


# --- drawing -------------------------------------------------------------------------------------


def word(result: Result | None) -> str:
    """A verdict's word; one arm alone has no verdict."""
    return result.verdict.value if result and result.verdict else "one arm"


def _name(result: Result) -> str:
    return f"{result.reproducer} {result.tier} {result.platform}"


def _cells(result: Result) -> list[str]:
    identity = [result.reproducer, result.tier, result.platform]
    return [printable(cell) for cell in (*identity, word(result), f"{result.seconds:.1f}", result.reason)]


def _draw_lines(results: Sequence[Result], console: Console, detailed: Sequence[Result]) -> None:
    table = [list(_HEADINGS), *map(_cells, results)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        _print(console, "  ".join(padded).rstrip())
    for result in detailed:
        _print(console, f"\n{explain(result)}")
    _print(console, "")


def _draw_boxes(results: Sequence[Result], console: Console, detailed: Sequence[Result]) -> None:
    wide = console.width >= _REASON_WIDTH
    headings = _HEADINGS if wide else _HEADINGS[:-1]
    table = Table(*headings)
    for result in results:
        cells = [Text(cell, style=style) for cell, style in zip(_cells(result), _styles(result), strict=True)]
        table.add_row(*cells[: len(headings)])
    for column in table.columns:
        column.overflow = "fold"
    console.print(table)
    for result in results if not wide else ():
        console.print(Text(printable(f"{_name(result)}: {result.reason}")))
    for result in detailed:
        _draw_evidence(result, console)


def _styles(result: Result) -> Iterator[str]:
    colour = _COLOURS.get(result.verdict, "red") if result.verdict else "default"
    return (colour if heading == "verdict" else "default" for heading in _HEADINGS)


def _draw_evidence(result: Result, console: Console) -> None:
    table = Table("", *result.arms, title=Text(f"{word(result)} {_name(result)}"), title_justify="left")
    for row in evidence(result):
        cells = ["\n".join(row.arms[name]) for name in result.arms]
        table.add_row(row.aspect, *(Text(printable(cell, keep="\n")) for cell in cells))
    for column in table.columns[1:]:
        column.overflow = "fold"
    console.print()
    console.print(table)
    for text in (f"params: {named_params(result.params)}", *(f"drift: {text}" for text in result.drift)):
        console.print(Text(printable(text)))


def _row_lines(row: Row) -> Iterator[str]:
    aspect = row.aspect
    for name, lines in row.arms.items():
        for index, line in enumerate(lines):
            yield f"  {aspect:<11} {name if not index else '':<8}  {line}"
            aspect = ""


def _print(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)


def printable(text: str, keep: str = "") -> str:
    """Text without control characters, which a message may carry and a terminal would obey."""
    return "".join(letter if letter.isprintable() or letter in keep else " " for letter in text)
