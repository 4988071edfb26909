"""What a case is judged by: both arms as they came back, what was expected, and the golden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.facts import Expect, ExpectedFault, FaultKind, Params, Retired, Tolerance
from harness.golden import Golden
from harness.observation import Observation
from harness.observation.compare import DEFAULT_TOLERANCE
from harness.verdict.kinds import BOTH, ArmName, EvidenceClass


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm as it came back, and what its attestation must prove.

    `wanted` maps edited modules to their sha256 in this arm's tree, `functions` are the edited
    functions of which one must have been entered, `emulates` the part of a device that it must attest to have
    emulated.
    """

    observation: Observation | None = None
    wanted: Mapping[str, str] = field(default_factory=dict)
    functions: tuple[str, ...] = ()
    emulates: str | None = None

    @property
    def unsupported(self) -> str | None:
        """What its emulator does not implement, where it came upon that."""
        return self.observation.unsupported if self.observation else None

    @property
    def emulated(self) -> tuple[str, ...]:
        """The parts of a device that this arm attests to have emulated."""
        attested = self.observation.attestation if self.observation else None
        return attested.emulated if attested else ()


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that one (reproducer, tier, platform) is judged by.

    `missing` are the required features this machine lacks, `tree` is the content hash of the tree
    under test, `stale` the text of its StaleRevert, `broken` what the reverted code lacks to be run.
    `unfixed` says how the tree shows to be older than the fix, which is not in it; None where it does not.
    `older` says the same of the bug, where there is nothing in the tree to be run, or to be undone.
    `points` are the parameters that were asked for (empty: those the fixed arm shows). `asked` leaves an
    arm out where the user did. `tolerance` is the case's, for floats beside those of the golden.
    `released` is the published release that stands for the reverted arm, `retired` says where both arms ran
    instead of on the tree under test.
    On a declared `control` both arms are meant to be clean and to show the same. A configuration
    has no expectation: its fixed arm stands alone. `interpreted` is the fixed arm in the interpreter, where
    the arms' machine code is emulated.
    """

    expect: Expect | None
    fixed: Arm = field(default_factory=Arm)
    reverted: Arm = field(default_factory=Arm)
    interpreted: Arm | None = None
    golden: Golden | None = None
    tree: str = ""
    missing: tuple[str, ...] = ()
    stale: str | None = None
    broken: str | None = None
    unfixed: str | None = None
    older: str | None = None
    released: str | None = None
    retired: Retired | None = None
    by_hand: bool = False
    points: tuple[Params, ...] = ()
    asked: tuple[ArmName, ...] = BOTH
    control: bool = False
    tolerance: Tolerance = DEFAULT_TOLERANCE

    def arm(self, name: ArmName) -> Arm:
        return {"fixed": self.fixed, "reverted": self.reverted}.get(name) or self.interpreted or Arm()

    @property
    def is_whole(self) -> bool:
        """Whether every arm that the case has was asked for."""
        return self.asked == BOTH or self.expect is None

    @property
    def expected(self) -> ExpectedFault:
        """What the reverted arm shows."""
        assert self.expect is not None  # only a configuration has none, and it has no reverted arm
        return self.expect.reverted

    @property
    def is_signature(self) -> bool:
        """Whether all that the reverted arm can show is a compiled form."""
        return self.expect is not None and self.expect.reverted.kind == FaultKind.SIGNATURE

    @property
    def emulated(self) -> tuple[str, ...]:
        """The parts of a device that some arm emulated."""
        return tuple(dict.fromkeys((*self.fixed.emulated, *self.reverted.emulated)))

    @property
    def weight(self) -> EvidenceClass:
        """What the result rests on: the weakest of what its arms do."""
        if self.is_signature:
            return EvidenceClass.SIGNATURE
        return EvidenceClass.EMULATED if self.emulated else EvidenceClass.FAULT

    @property
    def reference(self) -> Golden | None:
        """The golden, where this case is judged by one."""
        return None if self.by_hand else self.golden

    @property
    def is_golden_tree(self) -> bool:
        """Whether the tree under test is the one the golden was recorded on: traces and names bind there."""
        return bool(self.golden and self.tree and self.golden.provenance.get("tree") == self.tree)
