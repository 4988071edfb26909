"""One row of a report, and what all rows together say to a shell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from harness.errors import BadInput
from harness.facts import CaseKey, OfCase, Params, Retired
from harness.observation import Observation
from harness.observation.compare import plain
from harness.verdict.disagreement import Disagreement
from harness.verdict.kinds import EvidenceClass, Verdict


@dataclass(frozen=True, kw_only=True)
class Result(OfCase):
    """One row of a report: who was judged, how, and what both arms showed.

    `interpreted` is the fixed arm in Triton's interpreter, where the arms' machine code was emulated, and
    `disagreement` the first difference between the two.
    """

    key: CaseKey
    pr: int | None = None
    issue: int | None = None
    params: Params = field(default_factory=dict)
    verdict: Verdict | None
    evidence: EvidenceClass = EvidenceClass.FAULT
    reason: str = ""
    drift: tuple[str, ...] = ()
    seconds: float = 0.0
    fixed: Observation | None = None
    reverted: Observation | None = None
    interpreted: Observation | None = None
    disagreement: Disagreement | None = None
    judged_by: Literal["goldens", "by hand"] = "goldens"
    configuration: bool = False
    rates: Mapping[str, Any] = field(default_factory=dict)
    released: str | None = None
    retired: Retired | None = None

    @property
    def qualities(self) -> tuple[str, ...]:
        """What a verdict is told with: arms that ran elsewhere, and evidence that is less than a fault."""
        words = {"retired": self.retired, "released": self.released}
        weaker = [] if self.evidence is EvidenceClass.FAULT else [self.evidence.value]
        return (*(word for word, holds in words.items() if holds), *weaker)

    @property
    def arms(self) -> dict[str, Observation]:
        """The arms that were observed, by name; not what stands beside them."""
        both = {"fixed": self.fixed, "reverted": self.reverted}
        return {name: observation for name, observation in both.items() if observation}

    @property
    def failed(self) -> bool:
        return self.verdict is not None and not self.verdict.success

    def to_json(self) -> dict[str, Any]:
        """The result as `--json` writes it; an arm that was not observed is left out."""
        key = self.key.to_json()
        numbers = {"pr": self.pr, "issue": self.issue}
        identity = {"reproducer": key.pop("reproducer"), **numbers, **key, "params": self.params}
        verdict = self.verdict.value if self.verdict else None
        judged: dict[str, Any] = {
            "verdict": verdict,
            "evidence": self.evidence.value,
            "reason": self.reason,
            "drift": self.drift,
        }
        if self.configuration:
            judged["configuration"] = True
        if self.released:
            judged["released"] = self.released
        if self.retired:
            judged["retired"] = {name: value for name, value in asdict(self.retired).items() if value}
        if self.disagreement:
            judged["disagreement"] = self.disagreement.to_json()
        if self.rates:
            judged["rates"] = self.rates
        beside = {"interpreted": self.interpreted} if self.interpreted else {}
        arms = {name: observation.to_json() for name, observation in {**self.arms, **beside}.items()}
        return dict(plain({**identity, **judged, "seconds": round(self.seconds, 3), "arms": arms}))

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Result:
        """What `to_json` wrote. ValueError where its parts contradict each other, or a word is unknown."""
        arms = {name: Observation.from_json(name, arm, row["params"]) for name, arm in row["arms"].items()}
        return cls(
            key=CaseKey.from_json(row), pr=row["pr"], issue=row["issue"], params=dict(row["params"]),
            verdict=None if row["verdict"] is None else Verdict(row["verdict"]),
            evidence=EvidenceClass(row["evidence"]), reason=row["reason"], drift=tuple(row["drift"]),
            seconds=float(row["seconds"]), configuration=bool(row.get("configuration", False)),
            released=row.get("released"), retired=Retired(**row["retired"]) if "retired" in row else None,
            rates=dict(row.get("rates", {})), fixed=arms.get("fixed"), reverted=arms.get("reverted"),
            interpreted=arms.get("interpreted"),
            disagreement=Disagreement.from_json(row["disagreement"]) if "disagreement" in row else None,
        )  # fmt: skip


def exit_code(results: Sequence[Result]) -> int:
    """0 success, 1 a failing verdict, 3 only UNRESOLVED failures, 4 nothing but UNSUPPORTED.

    One arm alone that shows no failure (no verdict) was what the user asked for, and ends 0.
    Raises BadInput where there is no result at all: finding nothing is an error.
    """
    if not results:
        raise BadInput("nothing was run: name a reproducer and a tier that it has (see `refault list`)")
    failures = {result.verdict for result in results if result.failed}
    if failures:
        return 3 if failures == {Verdict.UNRESOLVED} else 1
    return 4 if all(result.verdict is Verdict.UNSUPPORTED for result in results) else 0
