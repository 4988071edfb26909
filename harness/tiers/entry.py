"""What every tier does first and last in an arm's process: its tree is imported, and attested."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import catalogue
from harness.errors import FactsError
from harness.facts import Case, Platform, Tier
from harness.host import collecting, import_stand_ins, libraries
from harness.observation import Point
from harness.process.testimony import Testimony
from harness.source import importing
from harness.source.attest import Attestor
from harness.tiers.arms import ATTESTATION, digest
from harness.tiers.undone import Undone


@dataclass(frozen=True)
class Entry:
    """An arm that runs `case`, and attests what it runs.

    `code` is the folder of the package under test: an installed tree has other packages beside it.
    """

    code: Path
    folder: Path
    case: Case
    attestor: Attestor
    testimony: Testimony
    kernels: frozenset[str]
    undone: Undone | None = None
    patches: list[str] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        payload: Mapping[str, Any],
        folder: Path,
        testimony: Testimony,
        tier: Tier,
        patches: Iterable[str],
    ) -> Entry:
        """Have the tree imported, watch that, then import the case and what it asks for.

        `patches` are those that the process has already; FactsError if the tier has no such case.
        """
        root = Path(payload["root"])
        importing.install(root, payload["package"], payload["bytecode"])
        listed = list(patches)
        attestor = _attest(payload, root, testimony, listed)
        listed += import_stand_ins.install()  # after the attestation, whose hand in an import it leaves alone
        case = catalogue.load(payload["reproducer"], payload["homes"]).case(
            tier, Platform.parse(payload["platform"])
        )
        testimony.tell("case", payload["reproducer"])  # so that it is looked at as it is now
        if case is None:
            raise FactsError(f"{payload['reproducer']}: {tier}: the reproducer has no such case")
        with collecting.later():
            listed += libraries.load(case.imports, case.stand_ins)
        named = frozenset(name for names in payload["functions"].values() for name in names)
        code, undone = root / payload["package"], Undone.of(payload)
        return cls(code, folder, case, attestor, testimony, named, undone, listed)

    def points(self) -> Iterator[Mapping[str, Any]]:
        """The parameters of each point that is asked for; the next one is not known before `keep`."""
        return self.testimony.questions()

    def launched(self, kernel: str) -> None:
        """A kernel runs: it counts as entered if the revert edits it."""
        if kernel in self.kernels:
            self.attestor.entered(kernel)

    def patched(self, patches: Iterable[str]) -> None:
        """Add to what the attestation says was changed in this process."""
        self.patches.extend(patches)

    def keep(self, point: Point) -> Point:
        """Answer with a point as soon as it was observed: a crash at a later one must not take it along."""
        told = point.to_json()
        self.testimony.answer(told)
        self.digests.append(digest(told))
        return point

    def result(self) -> dict[str, Any]:
        """What the arm hands back: which points it answered with, and what it attests."""
        return {"points": self.digests, "attestation": self.attestor.report(self.patches).to_json()}


def _attest(payload: Mapping[str, Any], root: Path, testimony: Testimony, patches: Sequence[str]) -> Attestor:
    def save() -> None:
        testimony.tell(ATTESTATION, attestor.report(patches).to_json())

    attestor = Attestor(root, payload["package"], payload["functions"], payload["tree"], on_change=save)
    attestor.install()
    return attestor
