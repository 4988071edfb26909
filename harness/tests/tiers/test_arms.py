"""From what an arm left behind to an observation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BadInput
from harness.facts import CPU, Platform, Tier
from harness.observation import Attestation, Exit, Fault, Module, Point
from harness.process.job import Ended
from harness.source.tree import Tree, at
from harness.tests.toyland import upstream
from harness.tests.toyland.bench import bug
from harness.tiers import arms
from harness.tiers.arms import ArmPlan

POINTS = ({"tokens": 12, "page_size": 4}, {"tokens": 12, "page_size": 1})
MODULE = Module(name="sglang.pages", path="sglang/pages.py", sha256="a" * 64)
ENTERED = Attestation(tree="t", root="/r", modules=(MODULE,), entered=("build_table",))
CRASH = Exit(how="crash", signal="SIGSEGV")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return at(upstream.write(tmp_path / "toy"))


@pytest.fixture
def plan(tree: Tree) -> ArmPlan:
    functions = {"sglang.pages": ("build_table",)}
    subject = bug("pr101_stray_store")
    where: dict[str, Any] = {"tier": Tier.KERNEL, "platform": CPU}
    return ArmPlan(name="fixed", reproducer=subject, **where, tree=tree, functions=functions, points=POINTS)


def ended(folder: Path, exit: Exit, **left: Any) -> Ended:
    return Ended(exit=exit, seconds=1.5, log=folder / "log.txt", **left)


def heard(attestation: Attestation | None, *points: Point) -> dict[str, Any]:
    told = {arms.ATTESTATION: attestation.to_json()} if attestation else {}
    return {"told": told, "answers": tuple(json.loads(json.dumps(point.to_json())) for point in points)}


def clean(folder: Path, *points: Point, **changes: Any) -> Ended:
    """An arm that answered with these points and said so at its end."""
    said = heard(ENTERED, *points)
    result = {"points": [arms.digest(one) for one in said["answers"]], "attestation": ENTERED.to_json()}
    return ended(folder, Exit(how="clean", code=0), **{"result": result, **said, **changes})


def test_a_job_carries_what_the_arm_needs(plan: ArmPlan, tmp_path: Path) -> None:
    shared = arms.environment("kernel", "sglang", ("learned",))
    job = arms.job(plan, tmp_path / "arm", shared)
    payload = json.loads(json.dumps(job.payload))
    assert job.entry == "harness.tiers.kernel.arm:enter" and job.limits.seconds == 120
    assert payload["root"] == str(tmp_path / "toy") and payload["tree"] == plan.tree.content_hash
    assert job.questions == POINTS and "points" not in payload  # an arm knows none before it is asked
    assert payload["functions"] == {"sglang.pages": ["build_table"]}
    assert shared.arm_only == {"sglang", "reproducers"} and shared.preload[-1] == "learned"


def test_arms_that_take_longer_come_first_and_repeats_in_their_turn(plan: ArmPlan, tmp_path: Path) -> None:
    shared = arms.environment("kernel", "sglang")
    others = (
        replace(plan, points=POINTS[:1]),
        plan,
        replace(plan, platform=Platform.parse("emulated-gfx942")),
    )
    efforts = [arms.job(one, tmp_path / "arm", shared).effort for one in others]
    assert efforts == sorted(efforts) and len(set(efforts)) == len(others)
    reverted = arms.job(replace(plan, name="reverted"), tmp_path / "arm", shared)
    assert reverted.effort == efforts[1]  # so that it comes right behind the arm that it shares a trunk with
    assert arms.job(plan, tmp_path / "arm", shared, turn=2).turn == 2


def test_kinds_of_environment_that_differ_never_share_a_process() -> None:
    kinds = [
        arms.kind(Tier.KERNEL, CPU),
        arms.kind(Tier.KERNEL, Platform.parse("rocm")),
        arms.kind(Tier.CODEGEN, Platform.parse("cuda-sm90")),
    ]
    keys = {arms.environment(kind, "sglang").key for kind in kinds}
    assert len(keys) == 3
    assert arms.environment("kernel", "sglang").key == arms.environment("kernel", "sglang", ("more",)).key


def test_kinds_that_differ_for_triton_alone_are_forks_of_one_that_never_asks_for_it() -> None:
    kernel, codegen = (arms.environment(kind, "sglang", common=("openai",)) for kind in ("kernel", "codegen"))
    base = kernel.base
    assert base is not None and base == codegen.base
    assert base.arm_only == {"sglang", "reproducers", "triton"} and base.preload[-1] == "openai"
    for branch in (kernel, codegen):
        other = {name: value for name, value in branch.variables.items() if "TRITON" not in name}
        assert dict(base.variables) == other
    assert arms.environment("kernel", "sglang").base is None  # before it is known what is common
    assert arms.environment("server", "sglang", common=("openai",)).base is None


def test_a_result_is_read_as_it_was_written(plan: ArmPlan, tmp_path: Path) -> None:
    points = [Point(params=params) for params in POINTS]
    seen = arms.observation(plan, clean(tmp_path, *points))
    assert seen.points == tuple(points) and seen.attestation == ENTERED
    assert (seen.arm, seen.seconds, seen.unresolved) == ("fixed", 1.5, None)
    assert seen.log == str(tmp_path / "log.txt")


@pytest.mark.parametrize(
    ("exit", "fault"),
    [
        (CRASH, Fault(kind="crash", message="SIGSEGV")),
        (Exit(how="time-out", message="after 2 s"), Fault(kind="hang", message="after 2 s")),
    ],
)
def test_an_ending_inside_the_edited_function_is_a_fault(
    exit: Exit, fault: Fault, plan: ArmPlan, tmp_path: Path
) -> None:
    seen = arms.observation(plan, ended(tmp_path, exit, **heard(ENTERED)))
    assert seen.unresolved is None and seen.attestation == ENTERED and seen.exit == exit
    assert seen.points == (Point(params=POINTS[0], faults=(fault,)),)


def test_a_crash_is_told_of_the_point_after_those_that_were_observed(plan: ArmPlan, tmp_path: Path) -> None:
    before = Point(params=POINTS[0], notes=("it was fine",))
    seen = arms.observation(plan, ended(tmp_path, CRASH, **heard(ENTERED, before)))
    assert seen.points[0] == before and seen.points[1].params == POINTS[1]
    assert seen.points[1].signatures == ("crash (SIGSEGV)",)


@pytest.mark.parametrize(
    ("exit", "attestation", "observed"),
    [
        (CRASH, None, 0),
        (CRASH, Attestation(tree="t", root="/r", modules=(MODULE,)), 0),
        (CRASH, ENTERED, 2),
        (Exit(how="out-of-memory", message="more than 6144 MB"), ENTERED, 0),
        (Exit(how="exception", code=1, message="ValueError: no"), ENTERED, 0),
        (Exit(how="lost", message="its fork server ended"), ENTERED, 0),
    ],
    ids=["nothing left", "not entered", "after the last point", "memory", "exception", "lost"],
)
def test_any_other_ending_is_unresolved(
    exit: Exit, attestation: Attestation | None, observed: int, plan: ArmPlan, tmp_path: Path
) -> None:
    said = heard(attestation, *(Point(params=params) for params in POINTS[:observed]))
    seen = arms.observation(plan, ended(tmp_path, exit, **said))
    assert seen.points == () and seen.exit == exit
    assert seen.unresolved and f"ended as {exit.how}: " in seen.unresolved


def test_refused_parameters_are_the_users(plan: ArmPlan, tmp_path: Path) -> None:
    error = {
        "type": "harness.errors.BadInput",
        "message": "tokens: too many",
        "traceback": "",
        "memory": False,
    }
    with pytest.raises(BadInput, match=r"^tokens: too many$"):
        arms.observation(plan, ended(tmp_path, Exit(how="exception", code=1), error=error))


def test_an_arm_that_never_ran_says_why(plan: ArmPlan) -> None:
    seen = arms.nothing("fixed", "the disk is full")
    assert (seen.arm, seen.exit.how, seen.unresolved) == ("fixed", "lost", "the disk is full")


def test_nothing_is_imported_ahead_of_arms_that_use_an_accelerator() -> None:
    for kind, ahead in (("kernel", True), ("device", False)):
        shared = arms.environment(kind, "sglang", ["sgl_kernel"])
        assert (shared.learns, "sgl_kernel" in shared.preload) == (ahead, ahead)
        assert "harness.tiers.kernel.arm" in shared.preload


GONE = Point(params=POINTS[0], faults=(Fault(kind="device-fault"),))


@pytest.mark.parametrize(
    ("points", "changes", "told"),
    [
        ([Point(params=POINTS[0])], {}, "1 of 2 points were answered"),
        ([], {}, "0 of 2 points were answered"),
        ([GONE], {}, None),
        ([Point(params=POINTS[1]), Point(params=POINTS[0])], {}, "with other parameters than it was asked"),
        ([Point(params=one) for one in POINTS], {"answers": ()}, "are not those that it answered"),
    ],
)
def test_what_a_clean_arm_said_must_be_what_it_was_asked_and_answered(
    points: list[Point], changes: dict[str, Any], told: str | None, plan: ArmPlan, tmp_path: Path
) -> None:
    seen = arms.observation(plan, clean(tmp_path, *points, **changes))
    if told is None:
        assert seen.unresolved is None and seen.points == tuple(points)
    else:
        assert seen.points == () and seen.unresolved and seen.unresolved.startswith("forged or broken: ")
        assert told in seen.unresolved
