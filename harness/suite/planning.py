"""A case as it is to be run: its arms, the trees they get, and the functions they must be seen in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.errors import StaleRevert, Unresolved
from harness.facts import Configuration, Reproducer, Subject
from harness.golden import Golden
from harness.source import revert, soundness
from harness.source.symbols import functions_by_module
from harness.source.tree import Tree
from harness.suite.request import Request, expected, missing
from harness.suite.setting import Setting
from harness.tiers.arms import ArmPlan
from harness.verdict import ArmName


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A case with a plan for each of its arms, or what keeps them from being run.

    `missing` are features that the machine lacks, `stale` says why the fix cannot be undone, `broken`
    what keeps the code without it from running, and `edited` are the modules in which it was. `failed`
    says why it could not be planned, and `ungolden` why its golden cannot be read.
    """

    request: Request
    golden: Golden | None = None
    plans: Mapping[ArmName, ArmPlan] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    stale: str | None = None
    broken: str | None = None
    edited: tuple[str, ...] = ()
    failed: str | None = None
    ungolden: str | None = None


def plan(request: Request, golden: Golden | None, setting: Setting) -> Planned:
    """Plan what a request asks for; the reverted arm's tree is made on the way."""
    if lacking := missing(request, setting.machine):
        return Planned(request=request, golden=golden, missing=lacking)
    try:
        return _planned(request, golden, setting)
    except Unresolved as error:  # this case's trouble; the others go on
        return Planned(request=request, golden=golden, failed=str(error))


def _planned(request: Request, golden: Golden | None, setting: Setting) -> Planned:
    plans: dict[ArmName, ArmPlan] = {}
    if "fixed" in request.asked:
        plans["fixed"] = arm("fixed", request, setting.tree, setting)
    if not isinstance(request.reproducer, Reproducer) or "reverted" not in request.asked:
        return Planned(request=request, golden=golden, plans=plans)
    try:
        reverted = revert.apply(setting.tree, request.reproducer.revert, setting.workspace.trees)
        broken = _broken(request, reverted.plan, setting)
    except StaleRevert as error:
        return Planned(request=request, golden=golden, plans=plans, stale=str(error))
    edited = reverted.plan.modules
    if broken:
        return Planned(request=request, golden=golden, plans=plans, edited=edited, broken=broken)
    plans["reverted"] = arm("reverted", request, reverted.tree, setting)
    return Planned(request=request, golden=golden, plans=plans, edited=edited)


def _broken(request: Request, plan: revert.Plan, setting: Setting) -> str | None:
    """The first thing that the reverted code lacks and that is not the declared bug itself."""
    expect = expected(request, setting.machine)
    found = soundness.breaks(plan)
    undeclared = (one for one in found if not (expect and expect.reverted.declares(one.type, one.message)))
    return next(map(str, undeclared), None)


def arm(name: ArmName, request: Request, tree: Tree, setting: Setting) -> ArmPlan:
    """One arm of a request, on the tree that it is to run."""
    expect = expected(request, setting.machine) if name == "reverted" else None
    return ArmPlan(
        name=name,
        reproducer=request.reproducer,
        tier=request.tier,
        platform=request.platform_on(setting.machine),
        tree=tree,
        functions=functions_by_module(tree, attested(tree, request.reproducer)),
        points=request.points,
        models=setting.workspace.models,
        bug=expect.reverted if expect else None,
        homes=setting.homes,
    )


def attested(tree: Tree, subject: Subject) -> tuple[str, ...]:
    """The functions one of which an arm must be seen to enter: where this tree has the bug, or its fix."""
    if isinstance(subject, Configuration):
        return subject.enters
    assert isinstance(subject, Reproducer)  # the two kinds that there are
    named = subject.revert.scopes
    return named if functions_by_module(tree, named) else subject.formerly or named
