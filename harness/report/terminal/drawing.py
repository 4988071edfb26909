"""The table and the evidence on a console.

On a terminal it uses colour and boxes; anywhere else (pipes, pytest) plain lines that are never cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.foreign import visible
from harness.observation.compare import named_params
from harness.report.terminal.aspects import evidence
from harness.report.terminal.lines import Plain, columns, say
from harness.report.terminal.text import explain, judged, summary
from harness.verdict import Result, Verdict

_REASON_WIDTH = 120
_COLOURS = {Verdict.PASS: "green", Verdict.UNSUPPORTED: "yellow", Verdict.UNRESOLVED: "magenta"}
_HEADINGS = ("reproducer", "tier", "platform", "verdict", "seconds", "reason")


def console(file: IO[str] | None = None, *, stderr: bool = False) -> Console:
    """A console that takes every text literally and obeys NO_COLOR and the terminal's width."""
    return Plain(file=file, stderr=stderr, highlight=False, markup=False, emoji=False)


def show(
    results: Sequence[Result], console: Console, *, detail: bool = False, expected: int | None = None
) -> None:
    """Print the table, then the evidence of failing results (of all with `detail`), then the counts.

    `expected` is how many results the run was to have: fewer make the table a partial one.
    """
    draw = _draw_boxes if console.is_terminal and not console.is_dumb_terminal else _draw_lines
    draw(results, console, [result for result in results if detail or result.failed])
    say(console, [summary(results, expected)])


def _cells(result: Result) -> list[str]:
    identity = list(result.key.to_json().values())
    return [visible(cell) for cell in (*identity, judged(result), f"{result.seconds:.1f}", result.reason)]


def _draw_lines(results: Sequence[Result], console: Console, detailed: Sequence[Result]) -> None:
    say(console, columns([_HEADINGS, *map(_cells, results)]))
    for result in detailed:
        say(console, ["", *explain(result).split("\n")])
    say(console, [""])


def _draw_boxes(results: Sequence[Result], console: Console, detailed: Sequence[Result]) -> None:
    wide = console.width >= _REASON_WIDTH
    console.print(_boxes(results, _HEADINGS if wide else _HEADINGS[:-1]))
    for result in results if not wide else ():
        console.print(Text(visible(f"{result.key!s}: {result.reason}")))
    for result in detailed:
        _draw_evidence(result, console)


def _boxes(results: Sequence[Result], headings: Sequence[str]) -> Table:
    table = Table(*headings)
    for result in results:
        cells = [Text(cell, style=style) for cell, style in zip(_cells(result), _styles(result), strict=True)]
        table.add_row(*cells[: len(headings)])
    for column in table.columns:
        column.overflow = "fold"
    return table


def _styles(result: Result) -> Iterator[str]:
    colour = _COLOURS.get(result.verdict, "red") if result.verdict else "default"
    return (colour if heading == "verdict" else "default" for heading in _HEADINGS)


def _draw_evidence(result: Result, console: Console) -> None:
    title = Text(visible(f"{judged(result)} {result.key!s}"))
    table = Table("", *result.arms, title=title, title_justify="left")
    for row in evidence(result):
        cells = ["\n".join(map(visible, row.arms[arm])) for arm in result.arms]
        table.add_row(row.aspect, *map(Text, cells))
    for column in table.columns[1:]:
        column.overflow = "fold"
    console.print()
    console.print(table)
    for text in (f"params: {named_params(result.params)}", *(f"drift: {text}" for text in result.drift)):
        console.print(Text(visible(text)))
