"""What every tier does first and last in an arm's process: its tree is imported, and attested."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from harness import catalogue
from harness.errors import FactsError
from harness.facts import Case, Platform, Tier
from harness.host import collecting, import_stand_ins, libraries
from harness.observation import Point
from harness.process.testimony import Testimony
from harness.process.trunk import Part
from harness.source import importing
from harness.source.attest import Attestor
from harness.tiers.arms import ATTESTATION, digest
from harness.tiers.undone import Undone

Patches = Callable[[Mapping[str, Any]], Iterable[str]]
"""What was changed in the process, told for an arm's own payload."""


@dataclass(frozen=True)
class Entry:
    """An arm that runs `case`, and attests what it runs.

    `code` is the folder of the package under test: an installed tree has other packages beside it. `origin`
    is that of the tree which its unaltered modules came from: in a fork of a trunk that may be another one.
    """

    code: Path
    origin: Path
    folder: Path
    case: Case
    attestor: Attestor
    testimony: Testimony
    kernels: frozenset[str]
    undone: Undone | None = None
    patches: list[str] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, payload: Mapping[str, Any], part: Part, tier: Tier, patches: Patches) -> Entry:
        """Have the tree imported, watch that, then import the case and what it asks for.

        In a trunk `payload` is what its arms have in common, and they part on the way: what returns is the
        entry of one of them. FactsError if the tier has no such case.
        """
        root = Path(payload["root"])
        importing.install(root, payload["package"], payload["bytecode"])
        attestor = Attestor(root, payload["package"], payload["functions"], payload["tree"])
        attestor.install()
        stood = import_stand_ins.install()  # after the attestation, whose hand in an import it leaves alone
        case = catalogue.load(payload["reproducer"], payload["homes"]).case(
            tier, Platform.parse(payload["platform"])
        )
        if case is None:
            raise FactsError(f"{payload['reproducer']}: {tier}: the reproducer has no such case")
        part.noticed()  # the case too is to be as it is now, before anything of the tree runs
        listed: list[str] = []
        parting = partial(_part, part, attestor, listed, lambda own: (*patches(own), *stood))
        attestor.part(parting, list(map(Path, payload["others"]))) if "others" in payload else parting()
        with collecting.later():
            libraries.load(libraries.there(case.ahead), ())
            loaded = libraries.load(case.imports, case.stand_ins)
        attestor.apart()
        own = part()
        named = frozenset(name for names in own.payload["functions"].values() for name in names)
        code, undone = Path(own.payload["root"]) / payload["package"], Undone.of(own.payload)
        told = (attestor, own.testimony, named, undone, [*listed, *loaded])
        return cls(code, root / payload["package"], own.folder, case, *told)

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


def _part(part: Part, attestor: Attestor, listed: list[str], patches: Patches) -> None:
    """Be one arm, and attest that from now on."""
    own = part()
    listed += patches(own.payload)

    def save() -> None:
        own.testimony.tell(ATTESTATION, attestor.report(listed).to_json())

    given = own.payload
    attestor.become(Path(given["root"]), given["functions"], given["tree"], save)
    own.testimony.tell("case", given["reproducer"])  # so that it is looked at as it is now
