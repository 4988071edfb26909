"""From a case and a tree to a job for the pool, and from what came back to an observation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.errors import BadInput, Forged, Unsupported
from harness.facts import DeclaredKind, ExpectedFault, Platform, ServerCase, Subject, Tier
from harness.homes import OWN, Home
from harness.host import environment as variables
from harness.observation import Attestation, Exit, Fault, Observation, Point
from harness.process.confine import Protected
from harness.process.job import Ended, Environment, Job, Trunk
from harness.process.limits import Limits
from harness.source.bytecode import Bytecode
from harness.source.tree import Tree

MEMORY_MB: Mapping[str, int] = {
    "codegen": 6144,
    "kernel": 6144,
    "server": 24576,
    "cpu-server": 24576,
    "device": 24576,  # what a driver maps for a GPU counts too
}
"""Limits of an arm with all its processes, by its kind: they stop a runaway, and bind nothing else."""
ATTESTATION = "attestation"
"""Told by the arm before its case runs and at each first entry, so that a crash is attested too."""
STANDING = "standing.json"
"""Written by an arm whose server is left up for inspection, once it is ready."""
_A_WEEK = 7 * 86400.0
_NOTHING = Protected()

_VARIABLES: Mapping[str, Mapping[str, str | None]] = {
    "codegen": variables.COMPILED_KERNELS,
    "kernel": variables.CPU_KERNELS,
    "device": variables.DEVICE_KERNELS,
    "server": variables.SERVER_DRIVER,
    "cpu-server": variables.CPU_SERVERS,
}
"""The kinds of environment that arms run in."""
BRANCHES = frozenset({"codegen", "kernel"})
"""Those whose processes are forks of one: they differ in what Triton asks for when it is imported."""
CPU_SERVER = "cpu-server"
"""The kind of arms that start servers on a CPU: the first process of each is a fork of its arm."""
_PRELOAD = "harness.host.preload"
_TIERS: Mapping[str, str] = {"device": "kernel", CPU_SERVER: "server"}
"""Whose code runs in arms of a kind, where that is not named after its tier."""


@dataclass(frozen=True)
class Common:
    """What the arms of a case import alike: `tree`, but for `modules`, of which `reverted` has its own."""

    tree: Tree
    reverted: Tree
    modules: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class ArmPlan:
    """One arm of one case: the tree it runs and the functions it must be seen in.

    `platform` is where it runs, `models` where the server tier keeps its models.
    `bug` is what a reverted arm is to show; the other arms have none. `bytecode` was made for the run.
    `homes` are where reproducers are. `assembly` is where an emulated arm finds what was compiled before, if
    it may. `elements` names a launch and an argument to be told by their elements. `common` is what both arms
    have in common, where one is the other's tree with some modules edited.
    """

    name: str
    reproducer: Subject
    tier: Tier
    platform: Platform
    tree: Tree
    functions: Mapping[str, Sequence[str]]
    points: Sequence[Mapping[str, Any]]
    models: Path | None = None
    bug: ExpectedFault | None = None
    bytecode: Bytecode = field(default_factory=Bytecode)
    homes: tuple[Home, ...] = ()
    elements: Mapping[str, Any] | None = None
    assembly: Path | None = None
    common: Common | None = None


def kind(tier: Tier, platform: Platform) -> str:
    """The kind of environment that arms need there: a kernel case on an accelerator needs one of its own, and
    one whose machine code is emulated compiles, as the codegen tier does."""
    if tier is Tier.SERVER:
        return tier.value if platform.host.has_devices else CPU_SERVER
    if tier is not Tier.KERNEL:
        return tier.value
    return "device" if platform.host.has_devices else "codegen" if platform.emulates else tier.value


def base(package: str, common: Sequence[str] = (), homes: Sequence[Home] = ()) -> Environment:
    """What BRANCHES are forks of: it imports what they have in common, and never asks for Triton."""
    return Environment(
        variables=dict(variables.WITHOUT_TRITON),
        preload=(_PRELOAD, *common),
        arm_only=_arm_only(package, homes) | {"triton"},
        learns=False,
    )


def environment(
    kind: str,
    package: str,
    learned: Sequence[str] = (),
    homes: Sequence[Home] = (),
    common: Sequence[str] = (),
) -> Environment:
    """What the arms of one kind share: nothing of the package under test, nor of any home.

    Kinds that differ never share a process with any arm in it; BRANCHES are forks of one that has imported
    what is `common` to them, where something is.
    """
    tier = f"harness.tiers.{_TIERS.get(kind, kind)}.arm"
    compiles = ("harness.host.compiler",) if kind == "codegen" else ()
    needed = (_PRELOAD, tier, *compiles)
    learns = kind != "device"
    return Environment(
        variables=dict(_VARIABLES[kind]),
        preload=(*needed, *learned) if learns else needed,
        arm_only=_arm_only(package, homes),
        learns=learns,
        base=base(package, common, homes) if common and kind in (*BRANCHES, CPU_SERVER) else None,
    )


def _arm_only(package: str, homes: Sequence[Home]) -> frozenset[str]:
    return frozenset({package, OWN, *(home.top for home in homes)})


def job(
    plan: ArmPlan, folder: Path, shared: Environment, protected: Protected = _NOTHING, turn: int = 0
) -> Job:
    """The arm of a plan; it cannot write what is `protected`. Its `turn` is how often it ran before."""
    case = plan.reproducer.case(plan.tier, plan.platform)
    memory = MEMORY_MB[kind(plan.tier, plan.platform)]
    limits = Limits(seconds=case.seconds, memory_mb=memory)
    entry = f"harness.tiers.{plan.tier}.arm:enter"
    return Job(
        entry=entry,
        payload=_payload(plan),
        folder=folder,
        limits=limits,
        environment=shared,
        devices=_devices(plan),
        questions=tuple(dict(point) for point in plan.points),
        protected=protected,
        watched=_watched(plan),
        turn=turn,
        effort=_effort(plan),
        trunk=_trunk(plan),
    )


def _trunk(plan: ArmPlan) -> Trunk | None:
    """What a plan's arm is a fork of: a process that has imported what its case's other arms import as well.

    Chips that are emulated differ in nothing that is asked before the code under test is there.
    """
    if plan.common is None or kind(plan.tier, plan.platform) not in BRANCHES:
        return None
    tree, modules = plan.common.tree, sorted(plan.common.modules)
    payload = {
        **_payload(replace(plan, tree=tree)),
        "functions": {module: [] for module in modules},
        "others": [str(plan.common.reverted.root)],
    }
    roots = [str(tree.root), tree.content_hash, str(plan.common.reverted.root)]
    name = json.dumps([plan.tier, bool(plan.platform.emulates), plan.reproducer.module, roots, modules])
    return Trunk(name=name, entry=f"harness.tiers.{plan.tier}.arm:grow", payload=payload)


def _effort(plan: ArmPlan) -> float:
    """About how long an arm takes beside others: by tier and points.

    In a run of the whole suite an emulated arm took 1.6 times as long as its interpreter's, and a server
    longer than any of them. Both arms of a case count alike, so that they come together.
    """
    each = 200.0 if plan.tier is Tier.SERVER else 1.6 if plan.platform.emulates else 1.0
    return each * len(plan.points)


def kept_server_job(plan: ArmPlan, folder: Path, shared: Environment, protected: Protected = _NOTHING) -> Job:
    """The arm's server alone, for inspection: it runs until it is ended, and STANDING says where."""
    arm = job(plan, folder, shared, protected)
    limits = Limits(seconds=_A_WEEK, memory_mb=arm.limits.memory_mb)
    payload = {**arm.payload, "point": dict(plan.points[0])}
    entry = f"harness.tiers.{plan.tier}.arm:stand"
    return replace(arm, entry=entry, payload=payload, limits=limits, questions=None)


def _watched(plan: ArmPlan) -> frozenset[str]:
    """The packages of reproducers, in which an arm must alter nothing."""
    return frozenset({OWN, *(home.top for home in plan.homes)})


def _devices(plan: ArmPlan) -> int:
    """On how many of the machine's accelerators the arm computes."""
    case = plan.reproducer.case(plan.tier, plan.platform)
    if isinstance(case, ServerCase):
        return case.ranks if plan.platform.host.has_devices else 0
    return int(kind(plan.tier, plan.platform) == "device")


def _payload(plan: ArmPlan) -> dict[str, Any]:
    return {
        "root": str(plan.tree.root),
        "package": plan.tree.package,
        "tree": plan.tree.content_hash,
        "bytecode": plan.bytecode.to_json(),
        "functions": {module: list(names) for module, names in plan.functions.items()},
        "reproducer": plan.reproducer.module,
        "homes": [home.to_json() for home in plan.homes],
        "platform": str(plan.platform),
        "models": str(plan.models) if plan.models else None,
        "reverted": _declared(plan.bug) if plan.bug else None,
        **({"elements": dict(plan.elements)} if plan.elements else {}),
        **({"assembly": str(plan.assembly)} if plan.assembly else {}),
    }


def _declared(bug: ExpectedFault) -> dict[str, str | None]:
    """What tells the bug of a reverted arm from a broken revert; `about` where its kind is declared."""
    about = {"about": bug.kind.about} if isinstance(bug.kind, DeclaredKind) else {}
    return {"kind": bug.kind, "of": bug.of, "says": bug.says, **about}


def observation(plan: ArmPlan, ended: Ended) -> Observation:
    """What the arm produced, or why nothing can be said about it.

    Raises BadInput where the case itself refused its parameters.
    """
    if ended.error and ended.error["type"] == f"{BadInput.__module__}.{BadInput.__qualname__}":
        raise BadInput(ended.error["message"])
    common: dict[str, Any] = {"arm": plan.name, "exit": ended.exit, "seconds": ended.seconds}
    common["log"] = str(ended.log)
    points = _points(ended)
    if ended.result is not None:
        if why := _departs(plan, points, ended):
            return Observation(unresolved=str(Forged(why)), **common)
        attested = Attestation.from_json(ended.result["attestation"])
        return Observation(points=points, attestation=attested, **common)
    attestation = _told(ended)
    before, fault = points, _ending_fault(ended)
    if attestation and attestation.entered and fault and len(before) < len(plan.points):
        last = Point(params=dict(plan.points[len(before)]), faults=(fault,))
        return Observation(points=(*before, last), attestation=attestation, **common)
    why = ended.exit.message or ended.exit.signal or "no result"
    common["unsupported"] = _unsupported(plan, ended)
    return Observation(unresolved=f"the arm's process ended as {ended.exit.how}: {why}", **common)


def _unsupported(plan: ArmPlan, ended: Ended) -> str | None:
    """What the emulator of this arm does not implement; no other arm has one."""
    name = f"{Unsupported.__module__}.{Unsupported.__qualname__}"
    found = plan.platform.emulates and ended.error and ended.error["type"] == name
    return str(ended.error["message"]) if found and ended.error else None


def nothing(name: str, why: str) -> Observation:
    """The observation of an arm that was never run, or of which nothing came back."""
    return Observation(arm=name, exit=Exit(how="lost", message=why), unresolved=why)


def _told(ended: Ended) -> Attestation | None:
    data = ended.told.get(ATTESTATION)
    return Attestation.from_json(data) if data else None


def _points(ended: Ended) -> tuple[Point, ...]:
    """The points that were observed before the arm ended, each as it was answered."""
    return tuple(map(Point.from_json, ended.answers))


def digest(point: Mapping[str, Any]) -> str:
    """sha256 of a point's JSON, as the arm has it and as it comes over the stream."""
    return hashlib.sha256(json.dumps(point).encode()).hexdigest()


def _departs(plan: ArmPlan, points: Sequence[Point], ended: Ended) -> str | None:
    """Where what a clean arm said at its end departs from what it answered, or that from what was asked."""
    assert ended.result is not None  # of a clean arm
    if ended.result["points"] != [digest(answer) for answer in ended.answers]:
        return "the points that the arm told at its end are not those that it answered"
    asked = json.loads(json.dumps([dict(point) for point in plan.points]))  # tuples come as lists
    if [dict(point.params) for point in points] != asked[: len(points)]:
        return "a point was answered with other parameters than it was asked with"
    if len(points) < len(asked) and not (points and points[-1].ends_the_device):
        return f"{len(points)} of {len(asked)} points were answered"
    return None


def _ending_fault(ended: Ended) -> Fault | None:
    """The fault an arm ended in once the edited function was entered; None for other endings."""
    if ended.exit.how == "crash":
        return Fault(kind="crash", message=ended.exit.signal)
    if ended.exit.how == "time-out":
        return Fault(kind="hang", message=ended.exit.message)
    return None
