"""Results as Markdown for the summary of a CI job: counts, failing results with reasons, then the rest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

from harness.documents import Document
from harness.foreign import visible
from harness.history import Series, home, notable
from harness.report.releases import Releases, status_told
from harness.report.terminal import judged
from harness.verdict import SEVERITY, Result, Verdict

LIMIT = 900_000
"""A summary of more bytes than 1 MiB is refused by GitHub; what is over this is left out, and said to be."""
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$@&])")


def render(
    documents: Sequence[Document], history: Sequence[Series] = (), matrices: Sequence[Releases] = ()
) -> str:
    """The summary of one or more runs. What moved against `history` is named before anything else."""
    text = ""
    lines = _lines(documents, history) if documents or not matrices else iter(())
    for line in chain(lines, *map(_matrix, matrices)):
        if len((text + line).encode()) > LIMIT:
            return f"{text}\nThe rest is left out: a job's summary may be no longer.\n"
        text += line + "\n"
    return text


def _lines(documents: Sequence[Document], history: Sequence[Series]) -> Iterator[str]:
    results = [(document, result) for document in documents for result in document.results]
    yield f"# Refault: {_counts([result for _, result in results])}"
    yield ""
    for document in documents:
        yield f"- {_about(document)}"
    yield from _moved(results, history)
    yield from _failing(results)
    yield from _rest(results)


def _matrix(matrix: Releases) -> Iterator[str]:
    """Releases by bugs, and where what was measured is not what is declared."""
    yield from ("", f"# Releases, measured on {escaped(matrix.platform)}", "")
    yield from (f"- **DISAGREES** {escaped(text)}" for text in matrix.disagreements)
    bugs = matrix.bugs
    yield from ("", f"| release | {' | '.join(map(escaped, bugs))} |", f"| --- |{' --- |' * len(bugs)}")
    for release in matrix.releases:
        cells = (escaped(status_told(matrix.at(release, bug))) for bug in bugs)
        yield f"| {escaped(release)} | {' | '.join(cells)} |"


def _counts(results: Sequence[Result]) -> str:
    counts = Counter(result.verdict for result in results)
    order = (*reversed(SEVERITY), None)
    words = [f"{counts[one]} {one.value if one else 'one arm'}" for one in order if counts[one]]
    return ", ".join(words) or "no results"


def _about(document: Document) -> str:
    told = document.sglang
    tree = str(told.get("tree", ""))[:12]
    version = escaped(str(told.get("version") or "of unknown version"))
    machine = escaped(str(document.platform))
    return f"SGLang {version} (tree `{_code(tree)}`) on {machine}, {document.at:%Y-%m-%d %H:%M} UTC"


def _moved(results: Sequence[tuple[Document, Result]], history: Sequence[Series]) -> Iterator[str]:
    seen = {
        (result.key, own.line, own.host)
        for document, result in results
        for own in (home(document.sglang, document.machine),)
    }
    of_these = [one for one in history if (one.key, one.line, one.host) in seen]
    moved = [one for series in of_these for one in notable(series)]
    if moved:
        yield from ("", "## Moved", "")
    for one in moved:
        identity = f"{one.series.key} ({one.series.line})"
        yield f"- **{escaped(identity)}**: {escaped(one.what)}"


def _failing(results: Sequence[tuple[Document, Result]]) -> Iterator[str]:
    failing = sorted((row for row in results if row[1].failed), key=_severity)
    if failing:
        yield from ("", "## Failing", "")
    for _, result in failing:
        assert result.verdict is not None  # no failing result lacks one
        yield f"- **{judged(result)} {escaped(str(result.key))}**: {escaped(result.reason)}"
        for name, arm in result.arms.items():
            yield from (f"  - {name}: `{_code(fault.signature)}`" for fault in arm.main.faults[:3])


def _rest(results: Sequence[tuple[Document, Result]]) -> Iterator[str]:
    rest = [result for _, result in results if not result.failed]
    if not rest:
        return
    yield from ("", "<details><summary>The others</summary>", "")
    yield from (
        "| verdict | reproducer | tier | platform | seconds | reason |",
        "| --- | --- | --- | --- | ---: | --- |",
    )
    for result in sorted(rest, key=lambda result: str(result.key)):
        cells = (
            judged(result),
            *result.key.to_json().values(),
            f"{result.seconds:.1f}",
            result.reason,
        )
        yield f"| {' | '.join(map(escaped, cells))} |"
    yield from ("", "</details>")


def _severity(row: tuple[Document, Result]) -> tuple[int, str]:
    verdict = row[1].verdict or Verdict.PASS
    return -SEVERITY.index(verdict), str(row[1].key)


def escaped(text: str) -> str:
    """Text on one line in which Markdown finds nothing to obey, mentions and HTML included."""
    return _SPECIAL.sub(r"\\\1", visible(" ".join(text.split())))


def _code(text: str) -> str:
    return visible(" ".join(text.split())).replace("`", "'")
