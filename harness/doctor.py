"""What this machine has and what it lacks for Refault, one line a check."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness import catalogue
from harness.catalogue import Catalogue
from harness.errors import RefaultError
from harness.facts import Platform, Subject
from harness.golden import GoldenStore
from harness.homes import Home
from harness.machine import Machine, amd_check, gpu_leases, torch_build
from harness.machine.amd_check import Use
from harness.machine.gpu_leases import Holder
from harness.machine.workspace import Workspace
from harness.process import protection
from harness.process.protection import Protection
from harness.process.warm.place import Place
from harness.serving import leftovers
from harness.serving.leftovers import Leftovers
from harness.source import tree
from harness.suite import Request, golden, missing


class State(StrEnum):
    """How a check stands: `lacks` is what some cases need and this machine has not, `left` can be removed."""

    OK = "ok"
    LACKS = "lacks"
    LEFT = "left"
    WRONG = "WRONG"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, and what was found."""

    name: str
    state: State
    found: str


def checks(machine: Machine, workspace: Workspace, known: Catalogue) -> Iterator[Check]:
    """Every check in the order in which it is shown; `known` is all that can be run."""
    facts = ", ".join(f"{name} {value}" for name, value in machine.facts.items())
    yield Check("platform", State.OK, f"{machine.platform}; {facts}")
    yield Check("features", State.OK, ", ".join(sorted(machine.features)) or "none")
    yield from _amd()
    yield _gpus(machine)
    yield _upstream()
    yield from map(_home, known.homes)
    yield from (_subject(subject, machine) for subject in known.subjects)
    yield from (_goldens(machine, known, folder) for folder in GoldenStore.of(known.homes).folders)
    yield _cache(workspace)
    yield _warm(workspace)
    yield _protection()
    yield _left(leftovers.found())


_AMD: Mapping[Use, State] = {Use.WORKS: State.OK, Use.LACKING: State.LACKS, Use.WRONG: State.WRONG}


def _amd() -> Iterator[Check]:
    """How it stands with AMD's GPUs, where there is one: a machine whose cannot be used counts as a CPU."""
    found = amd_check.look(torch_build.hip(), os.environ)
    if found.use is not Use.NONE:
        yield Check("amd", _AMD[found.use], found.told)


def _gpus(machine: Machine) -> Check:
    """Which GPUs arms may lease, and who holds one."""
    try:
        holders = gpu_leases.of_this_machine(machine.host).holders()
    except RefaultError as error:
        return Check("gpus", State.WRONG, str(error))
    if not holders:
        return Check("gpus", State.OK, "none")
    words = [f"{gpu} {_holder(held)}" for gpu, held in holders.items()]
    return Check("gpus", State.OK, ", ".join(words))


def _holder(held: Holder | None) -> str:
    return f"held by process {held.pid} since {held.since}" if held else "free"


def _upstream() -> Check:
    try:
        found = tree.installed("sglang")
    except RefaultError as error:
        return Check("sglang", State.WRONG, str(error))
    return Check("sglang", State.OK, f"{found.version} at {found.root}")


def _home(home: Home) -> Check:
    """Where reproducers live."""
    return Check("home", State.OK, f"{home.package}: {len(home.modules)} modules in {home.folder}")


def _subject(subject: Subject, machine: Machine) -> Check:
    """Which of its cases run here; one that never runs here lacks something."""
    here: list[str] = []
    elsewhere: dict[str, tuple[str, ...]] = {}
    for request in _requests(subject):
        lacking = missing(request, machine)
        words = " on ".join(request.words)
        if lacking:
            elsewhere[words] = lacking
        else:
            here.append(words)
    lacks = sorted({name for lacking in elsewhere.values() for name in lacking})
    if not here:
        text = f"UNSUPPORTED here: this machine lacks {', '.join(lacks)}"
        return Check(_name(subject), State.LACKS, text)
    others = f"; {', '.join(elsewhere)} would need {', '.join(lacks)}" if lacks else ""
    return Check(_name(subject), State.OK, f"{', '.join(here)}{others}")


def _name(subject: Subject) -> str:
    """The shortest that tells it from the others: all configurations begin alike."""
    return catalogue.names(subject)[-1] if catalogue.is_configuration(subject.id) else subject.short_id


def _requests(subject: Subject) -> list[Request]:
    return [Request(reproducer=subject, tier=tier, platform=platform) for tier, platform in subject.cases]


def _goldens(machine: Machine, known: Catalogue, folder: Path) -> Check:
    """Whether every case that runs here has its golden in this folder, if it belongs there.

    It lies under the platform that the case's result is of.
    """
    store = GoldenStore.of(known.homes)
    subjects = [subject for subject in known.subjects if store.folder_of(subject.id) == folder]
    orphans = GoldenStore(folder).orphans({(one.id, tier) for one in subjects for tier in one.tiers})
    if orphans:
        text = f"owned by nothing in the catalogue, delete them: {', '.join(map(str, orphans))}"
        return Check("goldens", State.WRONG, text)
    wanted, have = Counter[Platform](), Counter[Platform]()
    try:
        for request in (request for subject in subjects for request in _requests(subject)):
            platform = request.platform_on(machine)
            found = golden(request, machine, store)
            if not missing(request, machine):
                wanted[platform] += 1
                have[platform] += found is not None
    except RefaultError as error:
        return Check("goldens", State.WRONG, str(error))
    counts = [f"{have[platform]} of {count} for {platform}" for platform, count in sorted(wanted.items())]
    state = State.OK if have == wanted else State.LACKS
    record = "" if have == wanted else "; `refault record` adds them"
    return Check("goldens", state, f"{', '.join(counts) or 'none asked for'} in {folder}{record}")


def _cache(workspace: Workspace) -> Check:
    runs = len(list(workspace.runs.iterdir())) if workspace.runs.is_dir() else 0
    trees = len(list(workspace.trees.iterdir())) if workspace.trees.is_dir() else 0
    text = f"{workspace.root}: {trees} reverted trees, {runs} runs kept; delete it at any time"
    return Check("cache", State.OK, text)


def _warm(workspace: Workspace) -> Check:
    """Whether something keeps ready what arms share; without it nothing is missing."""
    place = Place(workspace.warm)
    if problem := place.problem():
        return Check("warm", State.WRONG, f"{place.folder} {problem}: remove it")
    pid = place.holder()
    return Check("warm", State.OK, f"process {pid}" if pid else "none: `refault warm` keeps one")


def _protection() -> Check:
    """How arms are kept from writing goldens, checkout, cache and trees."""
    try:
        way = protection.chosen()
    except RefaultError as error:
        return Check("protection", State.WRONG, str(error))
    if way is Protection.READ_ONLY:
        text = "read-only: arms see checkout, goldens, cache and trees mounted read-only"
        return Check("protection", State.OK, text)
    why = protection.refused() or f"{protection.VARIABLE} asks for it"
    text = "compared: what an arm changes in checkout, goldens and trees is seen once it has ended"
    return Check("protection", State.LACKS, f"{text}; no read-only folders for arms ({why})")


def _left(left: Leftovers) -> Check:
    """What dead runs and servers left, and how to be rid of it."""
    if not left:
        return Check("leftovers", State.OK, "none of dead runs or servers")
    folders = [f"folders of runs: {', '.join(map(str, left.folders))}"] if left.folders else []
    segments = [f"{len(left.segments)} segments of servers in /dev/shm"] if left.segments else []
    remedy = "no process here uses them: `refault doctor --clean` removes them"
    text = "; ".join([*folders, *segments, remedy])
    shared = ", which would harm a container that shares /dev/shm and uses them" if left.segments else ""
    return Check("leftovers", State.LEFT, text + shared)
