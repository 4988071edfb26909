"""Results as plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from harness.foreign import visible
from harness.observation.compare import named_params
from harness.report.terminal.aspects import Row, evidence
from harness.verdict import Result, Verdict


def explain(result: Result) -> str:
    """The verdict with its evidence as plain text; also what a failing test shows."""
    number = f" (#{result.pr or result.issue})" if result.pr or result.issue else ""
    lines = [f"{judged(result)} {result.key}{number}: {result.reason}"]
    if result.params:
        lines.append(f"  {'params':<11} {named_params(result.params)}")
    for row in evidence(result):
        lines += _row_lines(row)
    lines += [f"  {'drift' if not index else '':<11} {text}" for index, text in enumerate(result.drift)]
    return "\n".join(visible(line) for line in lines)


def _row_lines(row: Row) -> Iterator[str]:
    aspect = row.aspect
    for arm, lines in row.arms.items():
        for index, line in enumerate(lines):
            yield f"  {aspect:<11} {arm if not index else '':<8}  {line}"
            aspect = ""


def summary(results: Sequence[Result], expected: int | None = None) -> str:
    """The counts in one line, and how many results a partial table lacks."""
    bugs = _counts([result for result in results if not result.configuration])
    configurations = _counts([result for result in results if result.configuration])
    apart = f"configurations: {configurations}" if configurations else ""
    told = "; ".join(filter(None, (bugs, apart))) or "no results"
    absent = (expected or 0) - len(results)
    return f"{told}; partial: {absent} of {expected} were not run" if absent > 0 else told


def _counts(results: Sequence[Result]) -> str:
    counts = Counter(map(word, results))
    order = [*(verdict.value for verdict in Verdict), word(None)]
    return ", ".join(f"{counts[one]} {one}" for one in order if counts[one])


def word(result: Result | None) -> str:
    """A verdict's word; one arm alone has no verdict."""
    return result.verdict.value if result and result.verdict else "one arm"


def judged(result: Result) -> str:
    """A result's verdict, with where its arms ran, and what it rests on, where that is not the usual."""
    return f"{word(result)} ({', '.join(result.qualities)})" if result.qualities else word(result)
