"""What became of many patches, as a table, and the file in which each is kept as soon as it is known."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from ci.drafts.check import Result, Word
from ci.drafts.shapes import Shape
from harness.errors import BadInput

AT_MOST = 5.0
"""Seconds of a processor that a draft may take."""
_BAD = (Word.CRASH, Word.FALSE)


def kept(file: Path) -> list[Result]:
    """The results of an earlier run, which need not be made again. BadInput if the file is another's."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    try:
        return [_result(json.loads(line)) for line in lines]
    except (TypeError, ValueError, KeyError) as error:
        raise BadInput(f"{file} holds no results of drafts ({error}): name another with --out") from error


def _result(told: dict[str, object]) -> Result:
    return Result(**{**told, "shape": Shape(told["shape"]), "word": Word(told["word"])})  # type: ignore[arg-type]


def keep(file: Path, result: Result) -> None:
    """Add one result as a line of JSON."""
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(asdict(result)) + "\n")


def line(result: Result) -> str:
    """One result, as it is told while others run."""
    told = f"  {result.told}" if result.told else ""
    return f"{result.word:13} {result.cpu:6.2f} s  {result.edits:3} edits  {result.name} {result.shape}{told}"


def table(results: Sequence[Result]) -> Iterator[str]:
    """The figures of all, then every result that is neither exact nor comments only."""
    counts = Counter(one.word for one in results)
    yield from (f"{word:14}{counts[word]:5}" for word in Word)
    yield f"{'all':14}{len(results):5}"
    if results:
        yield from _seconds([one.cpu for one in results])
    for one in results:
        if one.word not in (Word.EXACT, Word.IMPORTS, Word.COMMENTS) or one.told:
            yield line(one)


def _seconds(cpu: Sequence[float]) -> Iterator[str]:
    over = sum(one > AT_MOST for one in cpu)
    yield (
        f"seconds of a processor: median {statistics.median(cpu):.2f}, largest {max(cpu):.2f}, "
        f"over {AT_MOST:g}: {over}"
    )


def expectations(results: Sequence[Result]) -> Iterator[str]:
    """Of each recipe what it expects, and what came of it."""
    for one in results:
        if one.expected:
            yield f"{one.name} ({one.shape})\n    expected: {one.expected}\n    got:      {line(one)}"


def is_sound(results: Sequence[Result]) -> bool:
    """Whether nothing crashed and no draft said more than is so."""
    return bool(results) and not any(one.word in _BAD for one in results)
