"""The kernel tier with AMD's machine code in the interpreter's place: what is launched is emulated."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from harness.facts import Platform
from harness.gcn.emulator import Run
from harness.gcn.launches import PATCHES as LAUNCHED
from harness.gcn.launches import Emulation, emulated
from harness.host.assembly import PATCH as RECALLED
from harness.host.assembly import Kept, Memo
from harness.host.targets import Target
from harness.memory import dispatch, reads
from harness.memory.journal import Journal
from harness.memory.oracle import Oracle
from harness.memory.poison import Poison
from harness.memory.stores import Stores
from harness.memory.violations import Violations
from harness.observation.records import EMULATED, MACHINE_CODE


def patches(chip: Platform, recalls: bool = False) -> tuple[str, ...]:
    """What emulating a GPU changes in a process; the first says what is emulated."""
    recalled = (RECALLED,) if recalls else ()
    return (f"{EMULATED}{MACHINE_CODE}{chip.chip}", *LAUNCHED, *recalled, *reads.PATCHES, *dispatch.PATCHES)


@dataclass(frozen=True)
class Executed:
    """What was executed of one kernel, in all of its launches."""

    launches: int = 0
    waves: int = 0
    instructions: int = 0
    opcodes: dict[str, int] = field(default_factory=dict)
    hazards: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "hazards": list(self.hazards)}


@dataclass(frozen=True)
class EmulatedOracle(Oracle):
    """The memory oracle where kernels run in the emulator; `runs` takes what was executed."""

    target: Target = field(kw_only=True)
    runs: list[tuple[str, Run]] = field(default_factory=list, kw_only=True)

    @contextmanager
    def calling(self, root: Path) -> Iterator[None]:
        """As everywhere; what is launched without being observed is emulated too, and nobody is told."""
        unseen = Emulation(self.target, Violations(), None, _nobody, _nobody, self.poison, self.runs)
        with emulated(unseen), super().calling(root):
            yield

    def _launches(
        self, events: list[dict[str, Any]] | None, entered: Callable[[str], None]
    ) -> AbstractContextManager[None]:
        return emulated(
            Emulation(
                self.target,
                self.violations,
                events,
                entered,
                self._after_launch,
                self.poison,
                self.runs,
                self.journal,
            )
        )


def _nobody(*_: Any) -> None:
    """Told of a launch that nobody observes."""


def begin(
    platform: Platform, journal: Journal | None = None, origin: Path | None = None
) -> Callable[..., EmulatedOracle]:
    """Have this process compile for a target; what makes the oracle of each run, with its `runs` to read."""
    # What was compiled before must not answer for this arm: the cache dies with the arm's scratch folder.
    os.environ["TRITON_CACHE_DIR"] = tempfile.mkdtemp(prefix="triton-")
    runs: list[tuple[str, Run]] = []
    chip = Target(platform)

    def make(
        poison: Poison | None = None, traced: bool = True, stores: Stores | None = None
    ) -> EmulatedOracle:
        told = partial(EmulatedOracle, target=chip, runs=runs, journal=journal, origin=origin)
        return told(poison=poison or Poison(), traced=traced, stores=stores)

    return make


def recalling(chip: Platform, folder: str | None) -> Memo | None:
    """Have this process look up assembly that was compiled before in a folder; None without one."""
    if folder is None:
        return None
    memo = Memo(Kept(Path(folder)), Target(chip))
    memo.install()
    return memo


def executed(runs: list[tuple[str, Run]]) -> Mapping[str, Executed]:
    """What was executed, by kernel."""
    found: dict[str, Executed] = {}
    for kernel, run in runs:
        before = found.get(kernel, Executed())
        opcodes = {**before.opcodes}
        for opcode, times in run.opcodes.items():
            opcodes[opcode] = opcodes.get(opcode, 0) + times
        told = (f"{hazard.instruction} at {hazard.line}" for hazard in run.hazards)
        found[kernel] = Executed(
            launches=before.launches + 1,
            waves=before.waves + run.waves,
            instructions=before.instructions + run.instructions,
            opcodes=opcodes,
            hazards=tuple(dict.fromkeys((*before.hazards, *told))),
        )
    return found
