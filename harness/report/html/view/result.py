"""One result with everything that the page shows of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.documents import Document
from harness.facts import Reproducer, Subject
from harness.golden import Golden
from harness.history import Series
from harness.observation.compare import named_params
from harness.report.html.view.arm import ArmView, arm_view
from harness.report.html.view.between import TokensView, answers, parting, result_differences
from harness.report.html.view.commands import Command, commands
from harness.report.html.view.golden import GoldenView, golden_view
from harness.report.html.view.trend import Trend, trend
from harness.report.html.view.wording import Capped
from harness.report.marks import MARKS
from harness.verdict import Result


@dataclass(frozen=True, kw_only=True)
class ResultView:
    """One row of the verdict table with its evidence. `key` is its anchor in the page."""

    key: str
    reproducer: str
    title: str
    tier: str
    platform: str
    sglang: str
    word: str
    mark: str
    tone: str
    evidence: str
    reason: str
    seconds: float
    params: str
    links: tuple[tuple[str, str], ...]
    bug: Capped
    arms: tuple[ArmView, ...]
    parting: str | None
    tokens: tuple[TokensView, ...]
    differences: Capped
    drift: Capped
    golden: GoldenView | None
    commands: tuple[Command, ...]
    provenance: Capped
    trends: tuple[Trend, ...]
    search: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Background:
    """What the page knows beside a result: reproducer, golden, history, logs, as far as there are any."""

    subject: Subject | None = None
    golden: Golden | None = None
    golden_problem: str | None = None
    series: tuple[tuple[Series, tuple[str, ...]], ...] = ()  # each with what is worth naming in it
    logs: Mapping[str, str] = field(default_factory=dict)


def view(key: str, result: Result, document: Document, known: Background) -> ResultView:
    """One result for the page. `key` becomes the anchor."""
    mark, tone = MARKS[result.verdict]
    word = result.verdict.value if result.verdict else "one arm"
    title = known.subject.title if known.subject else ""
    told = (*result.key.to_json().values(), title, word, result.reason, *_numbers(result))
    return ResultView(
        key=key, reproducer=result.reproducer, title=title, tier=result.tier, platform=str(result.platform),
        sglang=str(document.sglang.get("version") or "of unknown version"),
        word=word, mark=mark, tone=tone, evidence=result.evidence, reason=result.reason,
        seconds=result.seconds, params=named_params(result.params), links=_links(result),
        bug=Capped.of(list(_bug(known.subject))),
        arms=tuple(arm_view(result, seen, known.logs) for seen in result.arms.values()),
        parting=parting(result), tokens=tuple(answers(result)), differences=result_differences(result),
        drift=Capped.of(result.drift),
        golden=golden_view(result, document.sglang.get("tree"), known.golden, known.golden_problem),
        commands=tuple(commands(result, document, known.subject)), provenance=_provenance(document),
        trends=tuple(trend(*one) for one in known.series), search=" ".join(told).lower(),
    )  # fmt: skip


def _numbers(result: Result) -> list[str]:
    """The numbers by which people call it, as they write them."""
    return [f"#{number}" for number in (result.pr, result.issue) if number]


def _links(result: Result) -> tuple[tuple[str, str], ...]:
    places = (("PR", "pull", result.pr), ("issue", "issues", result.issue))
    upstream = "https://github.com/sgl-project/sglang"
    return tuple(
        (f"{what} #{number}", f"{upstream}/{path}/{number}") for what, path, number in places if number
    )


def _bug(subject: Subject | None) -> Iterator[str]:
    if isinstance(subject, Reproducer):
        bug = subject.bug
        yield f"symptom: {bug.symptom}"
        since = bug.introduced_in or "the oldest releases"
        yield f"affected: {since} up to the release before {bug.fixed_in}"


def _provenance(document: Document) -> Capped:
    about = {**document.sglang, **document.machine}
    told = [f"{name}: {_plainly(value)}" for name, value in about.items()]
    when = f"{document.at:%Y-%m-%d %H:%M} UTC"
    return Capped.of([f"refault: {document.refault}", f"run: {when}, {document.name or 'this run'}", *told])


def _plainly(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
