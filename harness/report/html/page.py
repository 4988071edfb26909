"""Puts documents, and what else is known about their results, into the page."""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness import __version__
from harness.documents import Document
from harness.errors import GoldenError
from harness.facts import CaseKey, Subject
from harness.foreign import visible
from harness.golden import Golden, GoldenStore
from harness.history import Series, home, notable
from harness.observation.compare import one_line
from harness.report.html.logs import Logs
from harness.report.html.view import Background, ResultView, view
from harness.report.marks import MARKS
from harness.report.releases import MARKS as RELEASES
from harness.report.releases import Releases, against_declared, undone
from harness.verdict import SEVERITY, Result, Verdict

PACKED_FROM = 500
"""From this many results on the evidence is compressed; below it, it can be read without JavaScript."""
PACK = 50
_HEADINGS = ("Verdict", "Reproducer", "Tier", "Platform", "Seconds", "Trend", "Reason")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the page finds what the documents do not hold. Each part may be missing."""

    subjects: Mapping[str, Subject] = field(default_factory=dict)
    goldens: GoldenStore | None = None
    history: Sequence[Series] = ()
    logs: Logs = field(default_factory=Logs)


@dataclass(frozen=True)
class Runs:
    """Runs of one tree on one platform, and when they were."""

    version: str
    origin: str
    tree: str
    platform: str
    refault: str
    when: str


@dataclass(frozen=True)
class Choice:
    """One verdict to filter by, and how many results have it."""

    word: str
    mark: str
    tone: str
    count: int


_Read = Callable[[CaseKey], tuple[Golden | None, str | None]]
"""A case's golden, or why it cannot be read."""


def render(documents: Sequence[Document], sources: Sources, matrices: Sequence[Releases] = ()) -> str:
    """The whole page as HTML. It refers to no other file: styles and script are in it."""
    ordered = sorted(_rows(documents), key=_order)
    goldens = cache(partial(_golden, sources.goldens))
    views = [
        view(f"r{index}", result, document, _background(result, document, sources, goldens))
        for index, (document, result) in enumerate(ordered)
    ]
    templates, trends = _templates(), any(one.trends for one in views)
    return templates.get_template("page.html.j2").render(
        **_head(documents, matrices), runs=_runs(documents), matrices=matrices,
        results=views, named=_named(views), trends=trends,
        headings=[name for name in _HEADINGS if trends or name != "Trend"],
        packs=_packs(templates, views) if len(views) >= PACKED_FROM else [], pack_size=PACK,
        style=_inline(templates, "style.css"), script=_inline(templates, "page.js"),
    )  # fmt: skip


def _packs(templates: Environment, views: Sequence[ResultView]) -> list[str]:
    """The evidence of `PACK` results each: JSON, deflated, in base64."""
    evidence = templates.get_template("evidence.html.j2").module.evidence  # type: ignore[attr-defined]
    told = [str(evidence(one)) for one in views]
    parts = (json.dumps(told[start : start + PACK]).encode() for start in range(0, len(told), PACK))
    return [base64.b64encode(zlib.compress(part)).decode() for part in parts]


def _head(documents: Sequence[Document], matrices: Sequence[Releases]) -> dict[str, Any]:
    results = [result for _, result in _rows(documents)]
    counts = Counter(result.verdict for result in results)
    verdicts = [verdict for verdict in (*reversed(SEVERITY), None) if counts[verdict]]
    choices = [Choice(_word(one), *MARKS[one], counts[one]) for one in verdicts]
    words = [f"{choice.count} {choice.word}" for choice in choices]
    disagree = sum(len(matrix.disagreements) for matrix in matrices)
    words += [f"{disagree} of the matrix disagree"] if disagree else []
    summary = ", ".join(words) or ("matrix as declared" if matrices else "no results")
    tone = next((choice.tone for choice in choices if choice.tone in ("bad", "odd")), None)
    passed = counts[Verdict.PASS] > 0
    return {
        "title": f"Refault: {summary}",
        "summary": summary,
        # Without a PASS, or a matrix that is as declared, nothing was shown.
        "tone": tone or ("good" if (passed or not documents) and not disagree else "bad"),
        "several_trees": len({document.sglang.get("tree") for document in documents}) > 1,
        "verdicts": choices,
        "tiers": sorted({result.tier for result in results}),
        "platforms": sorted({str(result.platform) for result in results}),
        "refault": __version__,
    }


def _runs(documents: Sequence[Document]) -> list[Runs]:
    """Where the results come from, runs of the same tree on the same platform together."""
    groups: dict[Runs, list[datetime]] = {}
    for document in documents:
        groups.setdefault(_without_time(document), []).append(document.at)
    return [replace(of, when=_span(times)) for of, times in groups.items()]


def _without_time(document: Document) -> Runs:
    about = document.sglang
    return Runs(
        version=str(about.get("version") or "of unknown version"), origin=str(about.get("origin")),
        tree=str(about.get("tree", ""))[:12], platform=str(document.platform),
        refault=document.refault, when="",
    )  # fmt: skip


def _span(times: Sequence[datetime]) -> str:
    first, last = min(times), max(times)
    begun = f"{first:%Y-%m-%d %H:%M}"
    if len(times) == 1:
        return f"{begun} UTC"
    end = f"{last:%H:%M}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M}"
    return f"{len(times)} runs, {begun} to {end} UTC"


def _rows(documents: Sequence[Document]) -> Iterator[tuple[Document, Result]]:
    return ((document, result) for document in documents for result in document.results)


def _order(row: tuple[Document, Result]) -> tuple[int, CaseKey]:
    """Failing results first, the worst verdict before the others."""
    result = row[1]
    rank = -SEVERITY.index(result.verdict) if result.verdict else 1
    return rank, result.key


def _named(views: Sequence[ResultView]) -> list[str]:
    """What moved in the latest runs, each with the result in which it did."""
    return [
        f"{one.reproducer} {one.tier} {one.platform}: {line}"
        for one in views
        for trend in one.trends
        for line in trend.named
    ]


def _background(result: Result, document: Document, sources: Sources, goldens: _Read) -> Background:
    golden, problem = goldens(result.key)
    own = home(document.sglang, document.machine)
    series = (
        one
        for one in sources.history
        if one.key == result.key
        and one.params == one_line(result.params)
        and (one.line, one.host) == (own.line, own.host)
    )
    return Background(
        subject=sources.subjects.get(result.reproducer), golden=golden, golden_problem=problem,
        series=tuple((one, tuple(moved.what for moved in notable(one))) for one in series),
        logs=sources.logs.of(result, document.folder),
    )  # fmt: skip


def _golden(store: GoldenStore | None, key: CaseKey) -> tuple[Golden | None, str | None]:
    """A case's golden; one that cannot be read is told, not raised: the results still count."""
    try:
        return (store.load(key) if store else None), None
    except GoldenError as error:
        return None, str(error)


def _templates() -> Environment:
    loader = PackageLoader("harness.report.html", "")
    templates = Environment(
        loader=loader,
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["breakable"] = _breakable
    templates.filters |= {"against_declared": against_declared, "undone": undone}
    templates.filters["marks"] = lambda cell: RELEASES[cell.status]
    return templates


def _shown(value: Any) -> Any:
    """Every value on its way into the page: of what is not printable only breaks and tabs stay."""
    if isinstance(value, Markup):
        return Markup(visible(value, keep="\n\t"))
    return visible(value, keep="\n\t") if isinstance(value, str) else value


def _inline(templates: Environment, name: str) -> Markup:
    """A style sheet or a script of this package, as it stands: neither holds anything of a result."""
    assert templates.loader is not None
    return Markup(templates.loader.get_source(templates, name)[0])


def _breakable(name: str) -> Markup:
    """A name that may be broken after its underscores."""
    return Markup("_<wbr>").join(name.split("_"))


def _word(verdict: Verdict | None) -> str:
    return verdict.value if verdict else "one arm"
