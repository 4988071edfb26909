"""What the arms of a case left, as evidence, and the result that is judged from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from harness.errors import Forged, StaleRevert, Unresolved
from harness.facts import Released, Reproducer
from harness.observation import Observation
from harness.observation.records import MACHINE_CODE
from harness.process.job import Ended
from harness.source import revert
from harness.source.tree import Tree
from harness.suite.planning import Planned, attested
from harness.suite.request import expected
from harness.suite.setting import Setting
from harness.tiers import arms
from harness.tiers.arms import ArmPlan
from harness.verdict import BOTH, Arm, ArmName, Evidence, Result, Verdict, conclude
from harness.verdict.wording import as_line

Futures = Mapping[ArmName, Future[Ended]]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A result, and the evidence a golden would be recorded from."""

    result: Result
    evidence: Evidence


def judge(case: Planned, futures: Futures, setting: Setting, changed: Sequence[str] = ()) -> Judged:
    """Judge a case whose arms have ended. `changed` are files that changed meanwhile, and must not have.

    One that could not be planned is UNRESOLVED, and so is one to which nothing is wrong but its golden.
    """
    return _concluded(case, {name: _run(case, futures, name, changed) for name in _every(case)}, setting)


def _every(case: Planned) -> tuple[ArmName, ...]:
    """The arms, and the one beside them where there is one."""
    return (*BOTH, "interpreted") if "interpreted" in case.plans else BOTH


def judge_again(case: Planned, seen: Mapping[ArmName, Observation], setting: Setting) -> Judged:
    """Judge a case by what its arms showed elsewhere; `setting` has the machine that they ran on."""
    return _concluded(case, {name: _shown(case, seen, name) for name in _every(case)}, setting)


def failed(case: Planned, setting: Setting, why: str) -> Judged:
    """A case that came to nothing, for a reason of its own: the others go on."""
    return judge(replace(case, plans={}, failed=why), {}, setting)


def _concluded(case: Planned, shown: Mapping[ArmName, Arm], setting: Setting) -> Judged:
    request, evidence = case.request, _evidence(case, shown, setting)
    arms_run = (evidence.fixed, evidence.reverted)
    seen = [arm.observation for arm in arms_run if arm.observation]
    result = conclude(
        request.reproducer,
        evidence,
        request.key(setting.machine),
        params=request.points[0],
        seconds=sum(observation.seconds for observation in seen),
    )
    if case.ungolden and result.verdict is Verdict.UNRECORDED:
        # What is shown without a golden stands: a lost fix is the worse news.
        result = replace(result, verdict=Verdict.UNRESOLVED, reason=as_line(case.ungolden))
    return Judged(result=result, evidence=evidence)


def _evidence(case: Planned, shown: Mapping[ArmName, Arm], setting: Setting) -> Evidence:
    request = case.request
    return Evidence(
        expect=expected(request, setting.machine),
        control=request.case.is_control(request.platform),
        fixed=shown["fixed"],
        reverted=shown["reverted"],
        interpreted=shown.get("interpreted"),
        golden=case.golden,
        tree=(case.tree or setting.tree).content_hash,
        missing=case.missing,
        stale=case.stale,
        broken=case.broken,
        unfixed=case.unfixed,
        older=case.older,
        released=_released(case),
        retired=case.retired,
        by_hand=request.by_hand,
        points=tuple(request.points),
        asked=request.asked,
        tolerance=request.case.recorded,
    )


def _released(case: Planned) -> str | None:
    """The published release that stands for the reverted arm."""
    undone = case.request.reproducer.revert if isinstance(case.request.reproducer, Reproducer) else None
    return undone.release if isinstance(undone, Released) else None


def _run(case: Planned, futures: Futures, name: ArmName, changed: Sequence[str]) -> Arm:
    plan = case.plans.get(name)
    if plan is None:
        lost = case.failed if name in case.request.asked else None
        return Arm(observation=arms.nothing(name, lost)) if lost else Arm()
    try:
        _hold_unchanged(changed)
        if altered := plan.tree.changed():  # what its modules were compiled from is not known
            raise Unresolved(altered)
        seen = arms.observation(plan, futures[name].result())
        _hold_to_files(plan.tree, seen)
        return _arm(case, plan, seen)
    except (Unresolved, StaleRevert) as error:  # this case's trouble; the others go on
        return Arm(observation=arms.nothing(name, str(error)))


def _shown(case: Planned, seen: Mapping[ArmName, Observation], name: ArmName) -> Arm:
    plan, observation = case.plans.get(name), seen.get(name)
    if plan is None or observation is None:
        return Arm()
    try:
        return _arm(case, plan, observation)
    except StaleRevert as error:
        return Arm(observation=arms.nothing(name, str(error)))


def _arm(case: Planned, plan: ArmPlan, seen: Observation) -> Arm:
    """An arm with what it must attest. StaleRevert if the tree has none of its functions."""
    functions = tuple(function for names in plan.functions.values() for function in names)
    chip = plan.platform.emulates
    return Arm(
        observation=seen,
        wanted=_wanted(case, plan, seen),
        functions=functions,
        emulates=f"{MACHINE_CODE}{chip.chip}" if chip else None,
    )


def _hold_unchanged(changed: Sequence[str]) -> None:
    if changed:
        others = f" and {len(changed) - 1} more files" if len(changed) > 1 else ""
        raise Forged(f"{changed[0]}{others} changed while the arm ran, which only reads there")


def _hold_to_files(tree: Tree, seen: Observation) -> None:
    """Raises Forged where an arm says that it loaded other bytes than a file has, or ran another tree."""
    if not (attested := seen.attestation):
        return
    if attested.tree != tree.content_hash:
        raise Forged(f"the arm attests the tree {attested.tree[:12]}, and was given {tree.content_hash[:12]}")
    for module in attested.modules:
        file = tree.root / module.path
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != module.sha256:
            raise Forged(f"{module.name} was told to be {module.sha256[:12]}, which {file} is not")


def _wanted(case: Planned, plan: ArmPlan, seen: Observation) -> dict[str, str]:
    """The modules an arm must be seen to have loaded, with their hashes.

    Where the revert applies these are the modules it edits. Where it does not, a function of the
    wanted name may live in several modules, and those that were loaded have to be right.
    """
    hashes = revert.expected(plan.tree, attested(plan.tree, case.request.reproducer))
    loaded = {module.name for module in seen.attestation.modules} if seen.attestation else set()
    wanted = set(case.edited) or loaded
    return {module: sha256 for module, sha256 in hashes.items() if module in wanted} or hashes
