"""The nights of a result: a bar each, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.history import Night, Series
from harness.report.marks import MARKS

NIGHTS = 30


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One night of a trend: its sign and tone, and what it was in words.

    `share` is how long its arms took, in percent of the longest night that is shown; 0 for a night on
    another machine than the latest, whose time says nothing here.
    """

    mark: str
    tone: str
    told: str
    share: int


@dataclass(frozen=True, kw_only=True)
class Trend:
    """The nights of one series, the oldest first, and what is to be said of them."""

    line: str
    bars: tuple[Bar, ...]
    told: tuple[str, ...]
    named: tuple[str, ...]


def trend(series: Series, named: tuple[str, ...]) -> Trend:
    """The last nights of a series; `named` is what moved in the latest one."""
    nights = series.nights[-NIGHTS:]
    told = [*named]
    if len(series.nights) > 1 and len({night.verdict for night in series.nights}) == 1:
        told.append(f"{series.latest.verdict.value} in all {len(series.nights)} runs kept")
    if changed := series.changed:
        told.append(
            f"{changed.verdict.value} since {changed.at:%Y-%m-%d} ({changed.sglang or 'unknown tree'})"
        )
    return Trend(line=series.line, bars=tuple(_bars(nights)), told=tuple(told), named=named)


def _bars(nights: Sequence[Night]) -> Iterator[Bar]:
    here = [night for night in nights if night.hardware == nights[-1].hardware]
    longest = max(map(_arm_seconds, here), default=0.0)
    for night in nights:
        mark, tone = MARKS[night.verdict]
        share = round(100 * _arm_seconds(night) / longest) if longest and night in here else 0
        yield Bar(mark=mark, tone=tone, told=_night_told(night), share=share)


def _arm_seconds(night: Night) -> float:
    return sum(arm.seconds for arm in night.arms.values())


def _night_told(night: Night) -> str:
    """A night in words: verdict, tree, and each arm with its time and rate."""
    arms = [
        f"{name} {arm.seconds:.1f} s{f', faults in {arm.faults} of {arm.runs}' if arm.runs > 1 else ''}"
        for name, arm in night.arms.items()
    ]
    return "; ".join([f"{night.at:%Y-%m-%d}: {night.word}, {night.sglang or 'unknown tree'}", *arms])
