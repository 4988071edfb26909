"""A gate's decision for people: lines for the terminal, Markdown, and one HTML page."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from harness.facts.reproducer import short
from harness.foreign import visible
from harness.gate.decision import Decision
from harness.gate.entries import Entry
from harness.report.markdown import escaped

_HEADINGS = (
    ("blocking", "What blocks"),
    ("quarantined", "Quarantined"),
    ("borne", "Failures that the policy lets through"),
    ("beside", "Failures of which the policy asks nothing"),
    ("spared", "Not asked of this release"),
    ("retired", "Retired: shown on a release of its own, and nothing of this build"),
    ("passed", "What passed"),
)
_COLUMNS = ("reproducer", "tier", "platform", "verdict", "reason")
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
h1 strong { padding: .1em .5em; border: 3px solid; border-radius: .3em }
.table { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #8888; padding: .4em .8em .4em 0; text-align: left; vertical-align: top }
td:last-child { min-width: 20rem; overflow-wrap: anywhere }
tr:first-child th { white-space: nowrap }
@media (max-width: 46rem) {
  table, tr, td { display: block }
  tr:first-child { display: none }
  tr { border-bottom: 1px solid #8888; padding: .5em 0 }
  td { border: 0; padding: .1em 0; overflow-wrap: anywhere }
  td:nth-child(2), td:nth-child(3), td:nth-child(4) { display: inline-block; padding-right: .8em }
  td:first-child, td:nth-child(4) { font-weight: 600 }
  td:last-child { min-width: 0 }
}
"""


def lines(decision: Decision) -> Iterator[str]:
    """The decision for a terminal: what blocks in full, the rest counted."""
    where = ", ".join(map(str, decision.platforms))
    for entry, names in _grouped(decision.blocking):
        place = "" if entry.lacking == "refused" else f"{', '.join(names)} {entry.tier} {entry.platform}: "
        yield f"{entry.word:<11} {place}{entry.reason}"
        yield f"{'':<11} -> {entry.remedy}" if entry.remedy else ""
    yield from (f"quarantined {_place(entry)}: {entry.reason}" for entry in decision.quarantined)
    yield from (
        f"let through {_place(entry)}: {entry.word}: {entry.reason}" for entry in decision.let_through
    )
    yield from (f"beside      {_place(entry)}: {entry.word}: {entry.reason}" for entry in decision.unasked)
    yield from (f"not asked   {_place(entry)}: {entry.reason}" for entry in decision.not_yet_asked)
    yield from (f"retired     {_place(entry)}: {entry.reason}" for entry in decision.retired)
    counts = f"{len(decision.passed)} passed, {len(decision.blocking)} block"
    yield f"{decision.word.upper()}: {decision.build.name} by {decision.policy.name} on {where}: {counts}"


def markdown(decision: Decision) -> str:
    """The decision as a job summary."""
    head = [f"# Gate: {decision.word.upper()}", "", escaped(_about(decision)), ""]
    for name, heading in _HEADINGS:
        if entries := decision.lists[name]:
            head += [f"## {heading}", "", f"| {' | '.join(_COLUMNS)} |"]
            head += ["| --- | --- | --- | --- | --- |", *map(_row, entries), ""]
    return "\n".join(head)


def page(decision: Decision) -> str:
    """The decision as one HTML page that needs nothing else."""
    title = _html(f"Gate: {decision.word} for {decision.build.name}")
    tables = "".join(_table(heading, decision.lists[name]) for name, heading in _HEADINGS)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><h1>Gate: <strong>{decision.word.upper()}</strong></h1><p>{_html(_about(decision))}</p>"
        f"{tables}</body></html>\n"
    )


def _about(decision: Decision) -> str:
    results = ", ".join(decision.sources) or "none"
    return (
        f"{decision.build.name}, by {decision.policy.name}, on {', '.join(map(str, decision.platforms))}. "
        f"Results: {results}."
    )


def _grouped(entries: Sequence[Entry]) -> Iterator[tuple[Entry, list[str]]]:
    """Entries that differ in the reproducer alone, as one."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.tier, str(entry.platform), entry.word, entry.reason), []).append(entry)
    for group in groups.values():
        yield group[0], [short(entry.reproducer) for entry in group]


def _html(text: str) -> str:
    return html.escape(visible(" ".join(text.split())))


def _word(entry: Entry) -> str:
    return entry.verdict.value if entry.verdict else "missing"


def _place(entry: Entry) -> str:
    return " ".join(_cells(entry)[:3])


def _cells(entry: Entry) -> tuple[str, ...]:
    return entry.reproducer, entry.tier, str(entry.platform), entry.word, entry.told


def _row(entry: Entry) -> str:
    return f"| {' | '.join(map(escaped, _cells(entry)))} |"


def _table(heading: str, entries: Sequence[Entry]) -> str:
    if not entries:
        return ""
    names = "".join(f"<th scope=col role=columnheader>{name}</th>" for name in _COLUMNS)
    rows = "".join(
        f"<tr role=row>{''.join(f'<td role=cell>{_html(cell)}</td>' for cell in _cells(entry))}</tr>"
        for entry in entries
    )
    table = f"<table role=table><tr role=row>{names}</tr>{rows}</table>"
    return f'<h2>{heading}</h2><div class="table" tabindex=0 role=region aria-label="{heading}">{table}</div>'
