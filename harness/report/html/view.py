"""What the page shows of one result: everything worded and chosen here, so that templates only lay out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.compare import (
    DEFAULT_TOLERANCE,
    Difference,
    changed_params,
    finding_differences,
    named_params,
    one_line,
    point_differences,
    trace_difference,
    value_differences,
)
from harness.documents import Document
from harness.facts import Reproducer, Subject
from harness.golden import Golden
from harness.history import Night, Series
from harness.observation import Observation, Point
from harness.report.html import tokens
from harness.report.html.strip import Strip, draw, draw_noted, draw_sound
from harness.report.marks import MARKS
from harness.verdict import Result

DRAWN = 6
"""How many faults of one point are drawn; the others are listed."""
LISTED = 40
"""How many points, differences and findings are listed before the rest is only counted."""
REQUESTS = 12
LINE = 400
"""Longer values are cut in the middle; the JSON has them whole."""
NIGHTS = 30


@dataclass(frozen=True)
class Capped:
    """The first lines of a list, and how many more there are."""

    lines: tuple[Any, ...]
    more: int

    @classmethod
    def of(cls, lines: Sequence[Any], limit: int = LISTED) -> Capped:
        return cls(tuple(lines[:limit]), max(0, len(lines) - limit))

    def __bool__(self) -> bool:
        return bool(self.lines)


@dataclass(frozen=True, kw_only=True)
class FaultView:
    """One fault, in its signature and, where it names elements, drawn."""

    signature: str
    strip: Strip | None


@dataclass(frozen=True, kw_only=True)
class ArmView:
    """One arm: how it ended, what it showed at its default point, and where else it faulted."""

    name: str
    outcome: str
    tone: str
    exit: str
    seconds: float
    rate: str
    unresolved: str | None
    drawn: tuple[FaultView, ...]
    sound: tuple[Strip, ...]
    undrawn: Capped
    points: int
    faulty: Capped
    findings: Capped
    results: Capped
    compared: Capped
    notes: Capped
    events: int
    digest: str
    log: str | None
    log_text: str | None
    attestation: Capped
    patches: Capped


@dataclass(frozen=True, kw_only=True)
class TokensView:
    """The requests of one point whose answers differ between the arms."""

    where: str
    answered: int
    differing: int
    shown: tuple[tokens.Aligned, ...]


@dataclass(frozen=True, kw_only=True)
class GoldenView:
    """What the golden is, and how both arms depart from it; `told` says in one line how it stands."""

    told: str
    provenance: Capped
    differences: Capped


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command to copy, and what it is."""

    what: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One night of a trend: its sign and tone, and what it was in words.

    `share` is how long its arms took, in percent of the longest night that is shown.
    """

    mark: str
    tone: str
    told: str
    share: int


@dataclass(frozen=True, kw_only=True)
class Trend:
    """The nights of one series, the oldest first, and what is to be said of them."""

    track: str
    bars: tuple[Bar, ...]
    told: tuple[str, ...]
    named: tuple[str, ...]


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
    told = (result.reproducer, title, result.tier, result.platform, word, result.reason, *numbers(result))
    return ResultView(
        key=key, reproducer=result.reproducer, title=title, tier=result.tier, platform=result.platform,
        sglang=str(document.sglang.get("version") or "of unknown version"),
        word=word, mark=mark, tone=tone, evidence=result.evidence, reason=result.reason,
        seconds=result.seconds, params=named_params(result.params), links=_links(result),
        bug=Capped.of(list(_bug(known.subject))),
        arms=tuple(_arm(result, seen, known.logs) for seen in result.arms.values()),
        parting=_parting(result), tokens=tuple(_tokens(result)), differences=_between(result),
        drift=Capped.of(result.drift), golden=_golden(result, document, known),
        commands=tuple(_commands(result, document, known.subject)), provenance=_provenance(document),
        trends=tuple(_trend(*one) for one in known.series), search=" ".join(told).lower(),
    )  # fmt: skip


def numbers(result: Result) -> list[str]:
    """The numbers by which people call it, as they write them."""
    return [f"#{number}" for number in (result.pr, result.issue) if number]


# --- the arms ------------------------------------------------------------------------------------


def _arm(result: Result, seen: Observation, logs: Mapping[str, str]) -> ArmView:
    main = seen.main
    outcome, tone = _outcome(seen)
    return ArmView(
        name=seen.arm, outcome=outcome, tone=tone, exit=_exit(seen), seconds=seen.seconds,
        unresolved=seen.unresolved, rate=_rate(result.rates.get(seen.arm)),
        drawn=tuple(_drawn(main)), sound=tuple(_sound(result, seen)),
        undrawn=Capped.of([one.signature for one in main.faults[DRAWN:]]),
        points=len(seen.points), faulty=Capped.of(list(_faulty(seen))), findings=Capped.of(_findings(seen)),
        results=_values(main, main.results),
        compared=_values(main, main.compared),
        notes=Capped.of(main.notes), events=len(main.trace), digest=main.digest if seen.points else "",
        log=seen.log, log_text=logs.get(seen.arm),
        attestation=Capped.of(list(_attestation(seen))), patches=Capped.of(list(_patches(seen))),
    )  # fmt: skip


def _values(point: Point, values: Mapping[str, Any]) -> Capped:
    """Results by name, but for answers to requests: those are laid under each other, token by token."""
    told = tokens.answered(point) > 0
    return Capped.of(
        [f"{name}: {_cut(value)}" for name, value in values.items() if not (told and name == "requests")]
    )


def _drawn(point: Point) -> Iterator[FaultView]:
    for fault in point.faults[:DRAWN]:
        strip = draw(fault, point.trace) or draw_noted(fault, point.notes)
        yield FaultView(signature=fault.signature, strip=strip)


def _sound(result: Result, seen: Observation) -> Iterator[Strip]:
    """The buffers that the other arm's faults hit, where they stay whole in this arm."""
    others = (arm for arm in result.arms.values() if arm is not seen)
    own = {fault.buffer for fault in seen.main.faults}
    told: set[str] = set()
    for fault in (fault for other in others for fault in other.main.faults[:DRAWN]):
        strip = None if fault.buffer in own else draw_sound(fault, seen.main.trace)
        if strip and strip.told not in told:
            told.add(strip.told)
            yield strip


def _outcome(seen: Observation) -> tuple[str, str]:
    if seen.unresolved:
        return "unresolved", "odd"
    faults = [fault for point in seen.points for fault in point.faults]
    if not faults:
        return "clean", "good"
    # A compiled signature identifies code; it is no fault, and is not called one.
    only = all(fault.kind == "signature" for fault in faults)
    word = "signature" if only else "fault"
    return (word if seen.main.faults else f"{word} at other points"), "bad"


def _rate(rate: Mapping[str, Any] | None) -> str:
    """An arm's rate over repeats, with Wilson's 95 % interval."""
    if not rate:
        return ""
    return f"faults in {rate['faults']} of {rate['runs']} runs ({rate['low']:.0%} to {rate['high']:.0%})"


def _exit(seen: Observation) -> str:
    how = seen.exit
    code = f"code {how.code}" if how.code is not None else None
    return ", ".join(word for word in (how.how, how.signal, code, how.message) if word)


def _faulty(seen: Observation) -> Iterator[tuple[str, str]]:
    """The points besides the default one that fault: parameters, signatures."""
    for point in seen.points[1:]:
        if point.faults:
            yield _named(seen.main, point), "; ".join(fault.signature for fault in point.faults)


def _findings(seen: Observation) -> list[str]:
    places: dict[str, int] = {}
    for point in seen.points:
        for finding in point.findings:
            places[finding.signature] = places.get(finding.signature, 0) + 1
    return [
        text if len(seen.points) == 1 else f"{text} (at {count} of {len(seen.points)} points)"
        for text, count in places.items()
    ]


def _attestation(seen: Observation) -> Iterator[str]:
    if seen.attestation is None:
        yield "none"
        return
    yield f"tree {seen.attestation.tree[:16]}"
    for module in seen.attestation.modules:
        yield f"{module.path} {module.sha256[:16]}"
    yield f"entered {', '.join(seen.attestation.entered) or 'nothing'}"
    yield from (f"process {role}" for role in seen.attestation.processes)


def _patches(seen: Observation) -> Sequence[str]:
    return seen.attestation.patches if seen.attestation else ()


# --- arm against arm, and against the golden -------------------------------------------------------


def _pairs(result: Result) -> Iterator[tuple[str, Point, Point]]:
    """The points that both arms show, each named by what sets it apart from the default one."""
    if result.fixed and result.reverted:
        others = {one_line(point.params): point for point in result.reverted.points}
        for point in result.fixed.points:
            if other := others.get(one_line(point.params)):
                yield _named(result.fixed.main, point), point, other


def _tokens(result: Result) -> Iterator[TokensView]:
    for where, fixed, reverted in _pairs(result):
        if answered := tokens.answered(fixed):
            found = tokens.differing(fixed, reverted)
            shown = tuple(found[:REQUESTS])
            yield TokensView(where=where, answered=answered, differing=len(found), shown=shown)


def _between(result: Result) -> Capped:
    """The declared results in which the arms differ: where, fixed, reverted."""
    rows = [
        (f"{where}: {one.where}" if where != "default point" else one.where, _cut(one.golden), _cut(one.seen))
        for where, fixed, reverted in _pairs(result)
        for one in _result_differences(fixed, reverted)
    ]
    return Capped.of(rows)


def _result_differences(fixed: Point, reverted: Point) -> Iterator[Difference]:
    if fixed.results == reverted.results:
        return
    for name in (*fixed.results, *(name for name in reverted.results if name not in fixed.results)):
        if name == "requests" and tokens.answered(fixed):
            continue  # laid under each other, token by token
        absent = "absent"
        pair = fixed.results.get(name, absent), reverted.results.get(name, absent)
        yield from value_differences(name, *pair, DEFAULT_TOLERANCE)


def _parting(result: Result) -> str | None:
    """Where the traces of both arms part at the default point."""
    if not (result.fixed and result.reverted and result.fixed.points and result.reverted.points):
        return None
    parted = trace_difference(result.fixed.main.trace, result.reverted.main.trace, DEFAULT_TOLERANCE)
    if parted is None:
        return "the traces of both arms are alike"
    first = parted.first
    values = f"fixed {_cut(first.golden)}, reverted {_cut(first.seen)}"
    return (
        f"the traces part at event {parted.index} of {parted.length} ({parted.name}), {first.where}: {values}"
    )


def _golden(result: Result, document: Document, known: Background) -> GoldenView | None:
    if known.golden_problem:
        return GoldenView(told=known.golden_problem, provenance=Capped.of(()), differences=Capped.of(()))
    if known.golden is None:
        return None
    rows = list(_golden_rows(result, known.golden))
    same_tree = known.golden.provenance.get("tree") == document.sglang.get("tree")
    binds = (
        "recorded on this very tree" if same_tree else "recorded on another tree, so its trace does not bind"
    )
    told = f"{len(rows)} differences from the golden" if rows else "as golden"
    facts = [f"{name}: {value}" for name, value in known.golden.provenance.items()]
    return GoldenView(told=f"{told}; {binds}", provenance=Capped.of(facts), differences=Capped.of(rows))


def _golden_rows(result: Result, golden: Golden) -> Iterator[tuple[str, str, str, str]]:
    """Each departure: arm and point, where, what the golden has, what was seen."""
    for name, seen in result.arms.items():
        recorded_at = {one_line(one.point.params): one for one in golden.arms.get(name, ())}
        for point in seen.points:
            recorded = recorded_at.get(one_line(point.params))
            if recorded and recorded.digest != point.digest:
                differences = point_differences(recorded.point, point, golden.tolerance)
                for one in (*differences, *finding_differences(recorded.point, point)):
                    place = f"{name}, {_named(seen.main, point)}"
                    yield place, one.where, _cut(one.golden), _cut(one.seen)


# --- the bug, its commands, the provenance, the trend --------------------------------------------


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


def _commands(result: Result, document: Document, subject: Subject | None) -> Iterator[Command]:
    yield Command(what="this result again", text=shlex.join(_again(result, document, subject)))
    reported = subject.reported if isinstance(subject, Reproducer) else None
    if reported is None:
        return
    for launch in reported.launches:
        note = f" ({launch.note})" if launch.note else ""
        yield Command(
            what=f"by hand: the server on {launch.platform}{note}", text=launch.command(reported.model)
        )
    yield Command(what=f"by hand: the client; an affected release: {reported.expect}", text=reported.client)


def _again(result: Result, document: Document, subject: Subject | None) -> Iterator[str]:
    """The words that run this result again: its arm, point, repeats and release, where they were chosen."""
    number = result.pr or result.issue
    yield from ("refault", "repro", str(number) if number else result.reproducer, "--tier", result.tier)
    if result.verdict is None:
        yield from (word for name in result.arms for word in ("--arm", name))
    for name, value in _chosen(result, subject).items():
        yield from ("--set", named_params({name: value}))
    if runs := max((int(rate["runs"]) for rate in result.rates.values()), default=0):
        yield from ("--repeat", str(runs))
    version = document.sglang.get("version")
    if document.sglang.get("origin") == "released" and version:
        yield from ("--sglang", str(version))


def _chosen(result: Result, subject: Subject | None) -> Mapping[str, Any]:
    """The parameters that were set by hand: those that differ from the default point of the case."""
    on_device = result.tier == "kernel" and result.platform != "cpu"
    case = subject.case(result.tier, result.platform if on_device else None) if subject else None
    if case is None:
        return {}
    known = {name: value for name, value in result.params.items() if name in case.params}
    return changed_params(case.default, known)


def _provenance(document: Document) -> Capped:
    about = {**document.sglang, **document.machine}
    told = [f"{name}: {_plainly(value)}" for name, value in about.items()]
    when = f"{document.at:%Y-%m-%d %H:%M} UTC"
    return Capped.of([f"refault: {document.refault}", f"run: {when}, {document.name or 'this run'}", *told])


def _trend(series: Series, named: tuple[str, ...]) -> Trend:
    nights = series.nights[-NIGHTS:]
    told = [*named]
    if len(series.nights) > 1 and len({night.verdict for night in series.nights}) == 1:
        told.append(f"{series.latest.verdict.value} in all {len(series.nights)} runs kept")
    if changed := series.changed:
        told.append(
            f"{changed.verdict.value} since {changed.at:%Y-%m-%d} ({changed.sglang or 'unknown tree'})"
        )
    return Trend(track=series.track, bars=tuple(_bars(nights)), told=tuple(told), named=named)


def _bars(nights: Sequence[Night]) -> Iterator[Bar]:
    longest = max(map(_arm_seconds, nights), default=0.0)
    for night in nights:
        mark, tone = MARKS[night.verdict]
        share = round(100 * _arm_seconds(night) / longest) if longest else 0
        yield Bar(mark=mark, tone=tone, told=_night_told(night), share=share)


def _arm_seconds(night: Night) -> float:
    return sum(arm.seconds for arm in night.arms.values())


def _night_told(night: Night) -> str:
    """A night in words: verdict, tree, and each arm with its time and rate."""
    arms = [
        f"{name} {arm.seconds:.1f} s{f', faults in {arm.faults} of {arm.runs}' if arm.runs > 1 else ''}"
        for name, arm in night.arms.items()
    ]
    return "; ".join([f"{night.at:%Y-%m-%d}: {night.verdict.value}, {night.sglang or 'unknown tree'}", *arms])


# --- wording -------------------------------------------------------------------------------------


def _named(main: Point, point: Point) -> str:
    changed = changed_params(main.params, point.params)
    return named_params(changed) if changed else "default point"


def _cut(value: Any) -> str:
    """A value as one line, its middle left out where it is long."""
    text = value if isinstance(value, str) else str(value) if _is_absent(value) else one_line(value)
    half = LINE // 2
    return text if len(text) <= LINE else f"{text[:half]} … {text[-half:]}"


def _is_absent(value: Any) -> bool:
    return repr(value) == "absent"


def _plainly(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
