"""The codegen tier on a toy upstream: real arms that compile for GPUs which are not here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness import catalogue
from harness.facts import Reproducer, Revert, Tier, edit
from harness.golden import GoldenStore
from harness.machine import this_machine
from harness.machine.workspace import Workspace
from harness.observation import Observation
from harness.process.pool import Pool
from harness.source.tree import at
from harness.suite import Judged, Setting, Suite
from harness.suite.selection import select
from harness.tests.tiers.toy_targets import upstream
from harness.verdict import Result, Verdict, golden_of

BUG = catalogue.load_reproducer("harness.tests.tiers.toy_targets.pr120_widened_store")
SIGNATURE = "signature out by copy_kernel count=1 (i32 sign-extended and stored as i64)"
ROCM, CUDA = "rocm-gfx942", "cuda-sm90"


def judge(
    folder: Path,
    cache: Path,
    pool: Pool,
    slots: str = upstream.SLOTS,
    bug: Reproducer = BUG,
    platforms: tuple[str, ...] = (ROCM, CUDA),
) -> dict[str, Judged]:
    """Each platform's result on a toy whose `slots.py` reads like this; goldens lie in the folder."""
    tree = at(upstream.write(folder / "toy", slots))
    goldens, workspace = GoldenStore(folder / "golden"), Workspace(cache)
    setting = Setting(tree=tree, machine=this_machine(), goldens=goldens, workspace=workspace)
    wanted = [one for one in select([bug.id], (Tier.CODEGEN,), [bug]) if str(one.platform) in platforms]
    return {str(one.result.platform): one for one in Suite(setting, pool=pool).run(wanted)}


def seen(result: Result, name: str) -> Observation:
    arm = result.arms[name]
    assert arm.unresolved is None, arm.unresolved
    return arm


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory, cache: Path, kernel_pool: Pool) -> dict[str, Judged]:
    return judge(tmp_path_factory.mktemp("codegen"), cache, kernel_pool)


def test_the_reverted_arm_compiles_the_widened_store_and_the_fixed_one_does_not(
    toy: dict[str, Judged],
) -> None:
    result = toy[ROCM].result
    assert (result.verdict, result.evidence) == (Verdict.UNRECORDED, "signature"), result.reason
    fixed, reverted = seen(result, "fixed"), seen(result, "reverted")
    assert [point.signatures for point in fixed.points] == [()] * 4
    told = {(p.params["out"], p.params["table"]): p.signatures for p in reverted.points}
    narrowed = "signature out by copy_kernel count=1 (i64 truncated and stored as i32)"
    assert told == {
        ("int64", "int32"): (SIGNATURE,), ("int32", "int64"): (narrowed,),
        ("int64", "int64"): (), ("int32", "int32"): (),
    }  # fmt: skip


def test_the_trace_holds_the_signature_of_the_launch_and_the_facts_of_its_code(
    toy: dict[str, Judged],
) -> None:
    _, compiled = seen(toy[ROCM].result, "reverted").main.trace
    assert compiled["kernel"] == "copy_kernel" and compiled["target"] == ROCM
    assert compiled["signature"] == {"table": "*i32", "out": "*i64", "count": "i32"}
    assert compiled["constants"] == {"BLOCK": 64} and compiled["mixed_width"] == ["out"]
    assert compiled["machine_stores"] == [{"bits": 64, "sign_extended": True, "count": 1}]
    _, narrow = seen(toy[ROCM].result, "fixed").main.trace
    assert narrow["machine_stores"] == [{"bits": 32, "sign_extended": False, "count": 1}]


def test_on_the_control_both_arms_launch_alike_and_the_signature_is_a_finding(toy: dict[str, Judged]) -> None:
    result = toy[CUDA].result
    assert result.verdict is Verdict.UNRECORDED, result.reason
    fixed, reverted = seen(result, "fixed").main, seen(result, "reverted").main
    assert fixed.trace == reverted.trace and reverted.faults == ()
    assert [finding.signature for finding in reverted.findings] == [SIGNATURE]


def test_every_patch_and_switch_is_attested(toy: dict[str, Judged]) -> None:
    rocm, cuda = (seen(toy[platform].result, "fixed").attestation for platform in (ROCM, CUDA))
    assert rocm and cuda and rocm.entered == ("copy_slots",)
    assert any("JITFunction.run" in patch for patch in rocm.patches)
    assert f"sglang.slots._is_hip, as on {ROCM}" in rocm.patches
    assert not any("_is_hip" in patch for patch in cuda.patches)


def test_recorded_it_passes_and_says_what_a_signature_is_worth(
    tmp_path: Path, cache: Path, kernel_pool: Pool, toy: dict[str, Judged]
) -> None:
    goldens = GoldenStore(tmp_path / "golden")
    for one in toy.values():
        goldens.save(golden_of(one.result, one.evidence, {"triton": "3.6.0"}))
    again = judge(tmp_path, cache, kernel_pool)
    assert [one.result.verdict for one in again.values()] == [Verdict.PASS] * 2
    assert SIGNATURE in again[ROCM].result.reason
    assert again[ROCM].result.reason.endswith("that identifies the kernel and does not prove wrong values")
    assert again[CUDA].result.reason.startswith("a declared control")


def test_a_near_miss_has_the_signature_in_the_fixed_arm(
    tmp_path: Path, cache: Path, kernel_pool: Pool
) -> None:
    wide = upstream.altered(
        "narrow = torch.empty(4, dtype=table.dtype)", "narrow = torch.empty(4, dtype=torch.int64)"
    )
    result = judge(tmp_path, cache, kernel_pool, wide, platforms=(ROCM,))[ROCM].result
    assert result.verdict is Verdict.REGRESSED
    assert result.reason == f"fixed arm has the signature of the bug: {SIGNATURE}"


def test_a_control_whose_arms_part_is_no_control(tmp_path: Path, cache: Path, kernel_pool: Pool) -> None:
    both = Revert(
        edit(
            in_function="copy_slots",
            replace="torch.empty(4, dtype=dtype)",
            by="torch.empty(4, dtype=table.dtype)",
        )
    )
    result = judge(tmp_path, cache, kernel_pool, bug=replace(BUG, revert=both), platforms=(CUDA,))[
        CUDA
    ].result
    assert result.verdict is Verdict.CHANGED
    assert result.reason.startswith("the arms of a declared control differ")


def test_a_kernel_that_does_not_compile_is_a_fault_of_the_code(
    tmp_path: Path, cache: Path, kernel_pool: Pool
) -> None:
    broken = upstream.altered(
        "slots = tl.load(table + lane, mask=lane < count)", "slots = tl.no_such_thing(table)"
    )
    result = judge(tmp_path, cache, kernel_pool, broken, platforms=(ROCM,))[ROCM].result
    assert result.verdict is Verdict.REGRESSED
    assert "exception (CompilationError in copy_slots" in result.reason


def test_what_a_library_beside_the_tree_raises_is_no_fault_of_the_code(
    tmp_path: Path, cache: Path, kernel_pool: Pool
) -> None:
    bug = catalogue.load_reproducer("harness.tests.tiers.toy_targets.pr121_library_of_its_own")
    result = judge(tmp_path, cache, kernel_pool, bug=bug, platforms=(ROCM,))[ROCM].result
    assert result.verdict is Verdict.UNRESOLVED
    assert "the case itself failed: JSONDecodeError: Expecting value" in result.reason


def test_every_fact_of_a_trace_is_explained(toy: dict[str, Judged]) -> None:
    page = (Path(__file__).parents[4] / "docs" / "codegen.md").read_text()
    _, compiled = seen(toy[ROCM].result, "reverted").main.trace
    facts = {*compiled, *compiled["stores"][0], *compiled["loads"][0], *compiled["machine_stores"][0]}
    assert {fact for fact in facts - {"event", "bits", "count"} if f"`{fact}`" not in page} == set()
