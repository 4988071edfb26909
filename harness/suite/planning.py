"""A case as it is to be run: its arms, the trees they get, and the functions they must be seen in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.errors import FixAbsent, StaleRevert, Unresolved
from harness.facts import CPU, Configuration, Released, Reproducer, Retired, Subject, Tier
from harness.golden import Golden
from harness.source import age, known, revert, soundness
from harness.source.releases import order
from harness.source.symbols import functions_by_module
from harness.source.tree import Tree
from harness.suite.request import Request, expected, missing
from harness.suite.setting import Setting
from harness.tiers.arms import ArmPlan, Common
from harness.verdict import ArmName


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A case with a plan for each of its arms, or what keeps them from being run.

    Where the arms' machine code is emulated the fixed one has a plan for the interpreter as well.
    `missing` are features that the machine lacks, `stale` says why the fix cannot be undone, `broken`
    what keeps the code without it from running, and `edited` are the modules in which it was. `unfixed` says
    how the tree shows to be older than the fix, where that is not in it, and `older` how it shows to be older
    than the bug, where nothing of the code in question is in it. `tree` is that of the fixed arm, and
    `retired` says why it is not the one under test. `failed`
    says why it could not be planned, and `ungolden` why its golden cannot be read.
    """

    request: Request
    golden: Golden | None = None
    plans: Mapping[ArmName, ArmPlan] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    stale: str | None = None
    broken: str | None = None
    unfixed: str | None = None
    older: str | None = None
    edited: tuple[str, ...] = ()
    tree: Tree | None = None
    retired: Retired | None = None
    failed: str | None = None
    ungolden: str | None = None


def plan(request: Request, golden: Golden | None, setting: Setting) -> Planned:
    """Plan what a request asks for; the reverted arm's tree is made on the way."""
    if lacking := missing(request, setting.machine):
        return Planned(request=request, golden=golden, missing=lacking)
    try:
        here, retired = place(request, setting)
        if early := absent(request, here.tree):
            return Planned(request=request, golden=golden, tree=here.tree, retired=retired, older=early)
        planned = _planned(request, golden, here)
        late = unfixed(here.tree, request.reproducer)
        early = older(here.tree, request.reproducer) if planned.stale else None
        return replace(planned, tree=here.tree, retired=retired, unfixed=late, older=early)
    except Unresolved as error:  # this case's trouble; the others go on
        return Planned(request=request, golden=golden, failed=str(error))


def _planned(request: Request, golden: Golden | None, setting: Setting) -> Planned:
    plans: dict[ArmName, ArmPlan] = {}
    if "fixed" in request.asked:
        plans["fixed"] = arm("fixed", request, setting.tree, setting)
        if plans["fixed"].platform.emulates:
            plans["interpreted"] = replace(plans["fixed"], name="interpreted", platform=CPU)
    if not isinstance(request.reproducer, Reproducer) or "reverted" not in request.asked:
        return Planned(request=request, golden=golden, plans=plans)
    try:
        if isinstance(request.reproducer.revert, Released):
            plans["reverted"] = _released(request, request.reproducer.revert, setting)
            return Planned(request=request, golden=golden, plans=plans)
        reverted = revert.apply(setting.tree, request.reproducer.revert, setting.workspace.trees)
        broken = _broken(request, reverted.plan, setting)
    except StaleRevert as error:
        return Planned(request=request, golden=golden, plans=plans, stale=str(error))
    edited = reverted.plan.modules
    if broken:
        return Planned(request=request, golden=golden, plans=plans, edited=edited, broken=broken)
    plans["reverted"] = arm("reverted", request, reverted.tree, setting)
    return Planned(request=request, golden=golden, plans=_beside(plans, edited, setting.tree), edited=edited)


def _beside(plans: Mapping[ArmName, ArmPlan], edited: Sequence[str], tree: Tree) -> Mapping[ArmName, ArmPlan]:
    """The plans of a tree and of its edited copy, with what they have in common.

    Code that arms have in common runs before they have a stream of their own, and could speak for them. So
    nothing is common in a tree that is no published release: somebody may have meant it to.
    """
    if known.release(tree) is None:
        return plans
    watched = {*edited, *(module for plan in plans.values() for module in plan.functions)}
    common = Common(tree, plans["reverted"].tree, frozenset(watched))
    return {name: replace(plan, common=common) for name, plan in plans.items()}


def unfixed(tree: Tree, subject: Subject) -> str | None:
    """How a tree shows to be older than a bug's fix, in words; None where it does not.

    What it holds must say so, and the fix must not be in it: a version that a tree claims proves nothing.
    """
    if not isinstance(subject, Reproducer) or not (found := age.of(tree)).is_before(subject.bug.fixed_in):
        return None
    told = f"{subject.bug.fixed_in} has the fix, and this tree {found.told}"
    return told if lacks_fix(tree, subject) else None


def absent(request: Request, tree: Tree) -> str | None:
    """Why a tree has nothing to be run: it is older than the bug, and has none of the functions in question.

    None for a request that is to run in place, as the matrix has it: that measures what is declared.
    """
    if request.in_place or not (early := older(tree, request.reproducer)):
        return None
    names = attested(tree, request.reproducer)
    has_none = not functions_by_module(tree, names)
    return f"{early}, and has no function {' or '.join(names)}" if has_none else None


def older(tree: Tree, subject: Subject) -> str | None:
    """How a tree shows to be older than a bug, in words; None for one that is no published release."""
    introduced = subject.bug.introduced_in if isinstance(subject, Reproducer) else None
    release = known.release(tree) if introduced else None
    if not introduced or not release or order(release) >= order(introduced):
        return None
    return f"{release} is older than this bug, which came with {introduced}"


def place(request: Request, setting: Setting) -> tuple[Setting, Retired | None]:
    """The setting with the tree that a case runs on, and why that is not the one under test."""
    retired = None if request.in_place else retirement(setting.tree, request.reproducer, request.tier)
    return (setting.on(setting.releases.tree(retired.on)) if retired else setting), retired


def retirement(tree: Tree, subject: Subject, tier: Tier) -> Retired | None:
    """Where a case runs since upstream has rewritten its code away; None where it runs on the tree itself."""
    if not isinstance(subject, Reproducer) or subject.retired is None:
        return None
    retired = subject.retired
    if (retired.tier or tier) != tier or not age.of(tree).is_since(retired.since):
        return None
    return retired if retired.tier or lacks_fix(tree, subject) else None


def lacks_fix(tree: Tree, subject: Reproducer) -> bool:
    """Whether nothing of the fix is found. A published release has no forms of it to be looked for."""
    if isinstance(subject.revert, Released):
        return subject.retired is None or not functions_by_module(tree, subject.revert.functions)
    try:
        revert.plan(tree, subject.revert)
    except FixAbsent:
        return True
    except StaleRevert:  # some of it may be there
        return False
    return False


def reverted_tree(subject: Reproducer, setting: Setting) -> Tree:
    """The tree of the reverted arm: a copy without the fix, or a release. StaleRevert as `revert.apply`."""
    if isinstance(subject.revert, Released):
        return setting.releases.tree(subject.revert.release)
    return revert.apply(setting.tree, subject.revert, setting.workspace.trees).tree


def _released(request: Request, released: Released, setting: Setting) -> ArmPlan:
    """The arm of a published release. StaleRevert where the tree under test has none of the functions."""
    revert.expected(setting.tree, released.functions)
    tree = setting.releases.tree(released.release)
    # Nothing was undone in it, so that nothing it raises is a broken revert's.
    return replace(arm("reverted", request, tree, setting), bug=None)


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
