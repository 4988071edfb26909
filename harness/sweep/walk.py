"""Running many points of one case, a batch of them in one arm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import Unresolved
from harness.facts import Params, Platform, Reproducer, Tier
from harness.suite import Judged, Request, Suite
from harness.sweep.outcomes import Outcome, Seen
from harness.sweep.space import key
from harness.verdict import BOTH, Arm, ArmName

BATCH = 50
"""Points that one arm runs: enough to pay for its imports, and few enough to lose in a crash."""


@dataclass(frozen=True)
class Walker:
    """Runs points of one case in a suite of the caller's."""

    suite: Suite
    reproducer: Reproducer
    tier: Tier
    platform: Platform | None = None

    def walk(
        self, points: Sequence[Params], asked: tuple[ArmName, ...] = BOTH, batch: int = BATCH
    ) -> Iterator[Outcome]:
        """Each point's outcome, in batches as they are done.

        A point that ends its arm costs the rest of its batch, which runs again without it. Unresolved
        if a batch comes to nothing.
        """
        waiting = [points[start : start + batch] for start in range(0, len(points), batch)]
        while waiting:
            requests = [self._request(some, asked) for some in waiting]
            waiting = []
            for judged in self.suite.run(requests):
                outcomes, rest = _outcomes(judged, asked)
                yield from outcomes
                waiting += [rest] if rest else []

    def _request(self, points: Sequence[Params], asked: tuple[ArmName, ...]) -> Request:
        case: dict[str, Any] = dict(reproducer=self.reproducer, tier=self.tier, platform=self.platform)
        return Request(**case, given=tuple(points), asked=asked)


def _outcomes(judged: Judged, asked: Sequence[ArmName]) -> tuple[list[Outcome], list[Params]]:
    """What was seen in every arm, and the points that some arm did not come to."""
    seen = {name: _seen(judged, name) for name in asked}
    done, rest = [], []
    for point in judged.evidence.points:
        arms: dict[ArmName, Seen] = {
            name: found[key(point)] for name, found in seen.items() if key(point) in found
        }
        if len(arms) == len(asked):
            done.append(Outcome(point, arms))
        else:
            rest.append(point)
    if not done:
        raise Unresolved(f"no point of a batch was observed: {judged.result.reason}")
    return done, rest


def _seen(judged: Judged, name: ArmName) -> Mapping[str, Seen]:
    arm: Arm = judged.evidence.arm(name)
    if judged.evidence.stale and name == "reverted":
        raise Unresolved(f"the revert does not apply to this tree: {judged.evidence.stale}")
    if arm.observation is None or arm.observation.unresolved:
        raise Unresolved(
            f"{name} arm: {arm.observation.unresolved if arm.observation else 'nothing came back'}"
        )
    return {key(point.params): Seen.of(point) for point in arm.observation.points}
