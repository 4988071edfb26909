"""What both arms of a case showed when they were recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from harness.facts import CaseKey, OfCase, Params, Tolerance
from harness.golden.form import FORMAT, check, digest
from harness.golden.text import formatted
from harness.observation import Observation, Point
from harness.observation.compare import one_line, plain, trace_digest

ARMS = ("fixed", "reverted")


@dataclass(frozen=True, kw_only=True)
class GoldenPoint:
    """One recorded point. Only the default point keeps its trace; `trace_digest` stands for the others'."""

    point: Point
    digest: str
    trace_digest: str

    @classmethod
    def of(cls, point: Point, *, keep_trace: bool) -> GoldenPoint:
        kept = replace(point.unseen(), compared={}, notes=(), trace=point.trace if keep_trace else ())
        kept = Point.from_json(plain(kept.to_json()))
        return cls(point=kept, digest=point.digest, trace_digest=trace_digest(point.trace))

    def to_json(self) -> dict[str, Any]:
        data = self.point.to_json()
        kept = {name: data[name] for name in ("params", "outcome", "faults", "findings", "results")}
        kept |= {"either": data["either"]} if "either" in data else {}
        trace = {"trace": data["trace"]} if self.point.trace else {"trace_sha256": self.trace_digest}
        return {**kept, **trace, "digest": self.digest}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> GoldenPoint:
        """Read a point back. Raises ValueError where its parts contradict each other."""
        point = Point.from_file(data)
        digest = trace_digest(point.trace) if "trace" in data else data["trace_sha256"]
        return cls(point=point, digest=data["digest"], trace_digest=digest)


@dataclass(frozen=True, kw_only=True)
class Golden(OfCase):
    """What both arms of one case showed when they were recorded.

    `provenance["tree"]` is the content hash of the fixed tree: only there does the trace bind.
    """

    key: CaseKey
    provenance: Mapping[str, str]
    tolerance: Tolerance
    arms: Mapping[str, tuple[GoldenPoint, ...]]

    def find(self, arm: str, params: Params) -> GoldenPoint | None:
        """The recorded point with these parameters, if there is one."""
        return self._found.get((arm, one_line(params)))

    @cached_property
    def _found(self) -> Mapping[tuple[str, str], GoldenPoint]:
        """The points by arm and parameters; of two with the same ones the first."""
        named = [(arm, golden) for arm, points in self.arms.items() for golden in reversed(points)]
        return {(arm, one_line(golden.point.params)): golden for arm, golden in named}

    def to_json(self) -> dict[str, Any]:
        arms = {name: {"points": [point.to_json() for point in points]} for name, points in self.arms.items()}
        facts = {"provenance": dict(self.provenance), "tolerance": asdict(self.tolerance)}
        data = plain({"golden": FORMAT, **self.key.to_json(), **facts, "arms": arms})
        return {**data, "digest": digest(data)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Golden:
        """Read a golden back. ValueError for another form, or where its parts contradict each other."""
        check(data)
        kept = ARMS if "reverted" in data["arms"] else ARMS[:1]  # a configuration has the fixed arm alone
        arms = {name: tuple(map(GoldenPoint.from_json, data["arms"][name]["points"])) for name in kept}
        provenance = {str(name): str(value) for name, value in data["provenance"].items()}
        return cls(
            key=CaseKey.from_json(data), provenance=provenance, tolerance=Tolerance(**data["tolerance"]),
            arms=arms,
        )  # fmt: skip

    @property
    def text(self) -> str:
        """The golden as its file has it: sorted keys, one event or fault a line, a final newline."""
        return formatted(self.to_json()) + "\n"


def points_of(observation: Observation) -> tuple[GoldenPoint, ...]:
    """An arm's points as a golden keeps them: the first with its trace."""
    points = enumerate(observation.points)
    return tuple(GoldenPoint.of(point, keep_trace=index == 0) for index, point in points)
