"""What is worth naming in the latest night of a series, held against the nights before it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from harness.history.series import ArmNight, Night, Series
from harness.verdict import EvidenceClass, Verdict

WINDOW = 10
"""How many earlier runs the latest is held against."""
ENOUGH = 3
"""Fewer earlier runs than this are no measure of a duration."""
SLOWER = 1.5
LEAST_SECONDS = 1.0
"""A slower arm is named only if it also took this much longer: shorter times are the machine's noise."""
CHANCE = 0.01
"""A rate has moved if chance alone would bring it so far from the median with at most this probability."""


@dataclass(frozen=True)
class Notable:
    """A series in whose latest night something moved; `what` says it in one line with its figures."""

    series: Series
    what: str


def notable(series: Series) -> list[Notable]:
    """What moved in the latest night, held against the median of the `WINDOW` nights before it."""
    ran = [night for night in series.nights[:-1] if night.verdict is not Verdict.UNSUPPORTED]
    before, latest = ran[-WINDOW:], series.latest
    if not before or latest.verdict is Verdict.UNSUPPORTED:
        return []
    texts = [text for text in (_changed(before, latest), _weakened(before, latest)) if text]
    for name, arm in latest.arms.items():
        earlier = [night for night in before if name in night.arms]
        # A duration says nothing beside one of another machine.
        alike = [night.arms[name] for night in earlier if night.hardware == latest.hardware]
        texts += [*_moved(name, [night.arms[name] for night in earlier], arm), *_slower(name, alike, arm)]
    return [Notable(series, text) for text in texts]


def _changed(before: Sequence[Night], latest: Night) -> str | None:
    if before[-1].verdict is latest.verdict:
        return None
    return f"{before[-1].verdict.value} became {latest.verdict.value}: {latest.reason}"


def _weakened(before: Sequence[Night], latest: Night) -> str | None:
    was, now = before[-1].evidence, latest.evidence
    if was is None or now is None or EvidenceClass.weakest((was, now)) is was:
        return None
    return f"evidence weaker: {was} became {now}"


def _moved(name: str, before: Sequence[ArmNight], latest: ArmNight) -> Iterator[str]:
    rates = [arm.faults / arm.runs for arm in before if arm.runs]
    if rates and latest.runs and chance(latest.faults, latest.runs, median(rates)) <= CHANCE:
        now = f"faults in {latest.faults} of {latest.runs} runs"
        usual = f"the median of {len(rates)} nights before is {median(rates):.0%}"
        yield f"{name} arm's rate moved: {now}, {usual}"


def _slower(name: str, before: Sequence[ArmNight], latest: ArmNight) -> Iterator[str]:
    if len(before) < ENOUGH:
        return
    usual, now = median(arm.seconds for arm in before), latest.seconds
    if now > SLOWER * usual and now - usual >= LEAST_SECONDS:
        times = f"{now / usual:.1f} times the" if usual else "the"
        yield f"{name} arm slower: {now:.1f} s, {times} median {usual:.1f} s of {len(before)} nights before"


def chance(hits: int, trials: int, rate: float) -> float:
    """How likely a count at most as likely as `hits` of `trials` is under `rate` (exact, two-sided)."""
    likely = [math.comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(trials + 1)]
    return sum(one for one in likely if one <= likely[hits] * (1 + 1e-9))
