"""The history for people and as JSON: one line a series, and what moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from harness import __version__
from harness.history import ArmNight, Night, Series, notable, told_params
from harness.observation.compare import named_params
from harness.report.marks import MARKS
from harness.report.terminal import say

SHOWN = 30
"""How many runs of a series are drawn."""


def show(series: Sequence[Series], console: Console) -> None:
    """Print each series (its runs as signs, the last on the right), then what moved."""
    for one in series:
        say(console, _told(one, series))
    moved = [found for one in series for found in notable(one)]
    lines = [f"MOVED {_name(found.series)}: {found.what}" for found in moved] or ["nothing moved"]
    say(console, lines if series else ["no run is kept of what was asked for"])


def document(series: Sequence[Series]) -> dict[str, Any]:
    """The JSON of a history; docs/report.md describes it."""
    return {"refault": __version__, "series": [_series(one) for one in series]}


def _told(one: Series, series: Sequence[Series]) -> list[str]:
    latest, signs = one.latest, "".join(MARKS[night.verdict][0] for night in one.nights[-SHOWN:])
    same = [other for other in series if _name(other) == _name(one)]
    params = f" at {named_params(told_params(one))}" if len(same) > 1 else ""
    lines = [
        f"{_name(one)}{params}",
        f"  {signs}  {latest.word} on {latest.at:%Y-%m-%d}{_arms(latest)}",
    ]
    if changed := one.changed:
        lines.append(
            f"  since {changed.at:%Y-%m-%d %H:%M} (SGLang {changed.sglang or 'unknown'}): {changed.reason}"
        )
    return lines


def _arms(night: Night) -> str:
    return "".join(f", {name} {_arm(arm)}" for name, arm in night.arms.items())


def _arm(arm: ArmNight) -> str:
    rate = f", faults in {arm.faults} of {arm.runs} runs" if arm.runs > 1 else ""
    return f"{arm.seconds:.1f} s{rate}"


def _name(one: Series) -> str:
    return f"{one.key} ({one.line} on {one.host})"


def _series(one: Series) -> dict[str, Any]:
    identity = one.key.to_json()
    home = {"line": one.line, "host": one.host}
    changed = one.changed.at.isoformat() if one.changed else None
    told = {"params": told_params(one), "changed": changed, "moved": [found.what for found in notable(one)]}
    return {**identity, **home, **told, "runs": [_run(night) for night in one.nights]}


def _run(night: Night) -> dict[str, Any]:
    where = {
        "at": night.at.isoformat(),
        "sglang": night.sglang,
        "tree": night.tree,
        "hardware": night.hardware,
    }
    told: dict[str, Any] = {
        "verdict": night.verdict.value,
        "evidence": night.evidence and night.evidence.value,
    }
    told |= {"reason": night.reason, "seconds": night.seconds}
    return {**where, **told, "arms": {name: asdict(arm) for name, arm in night.arms.items()}}
