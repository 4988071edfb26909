"""#23596 on upstream with its fix lost, half lost and written differently, and off the declared grid."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.facts import Platform, Tier
from harness.observation import Fault
from harness.source.tree import Tree
from harness.verdict import Result, Verdict
from reproducers import pr23596_get_last_loc_int32_store as pr23596
from reproducers.tests import trees
from reproducers.tests.conftest import Run

KERNELS, DISPATCHER = "kernels/ops/memory/common.py", "srt/mem_cache/allocation.py"
SWITCH = "    if (_is_hip or _is_npu) and uses_triton_dispatch:\n"
NARROW = "        num_tokens, dtype=torch.int32, device=prefix_lens_tensor.device\n"
WIDENED = "count=1 (i32 sign-extended and stored as i64)"


def signature(run: Run, tree: Tree) -> Result:
    """The fixed arm's result for gfx942 at the default dtypes."""
    result = run(
        pr23596.REPRODUCER,
        tree,
        {},
        asked=("fixed",),
        tier=Tier.CODEGEN,
        platform=Platform.parse("rocm-gfx942"),
    ).result  # fmt: skip
    assert isinstance(result, Result)
    return result


@pytest.mark.parametrize(
    ("path", "changes", "told"),
    [
        (DISPATCHER, {SWITCH: "    if False:\n"}, f"signature result by get_last_loc_kernel {WIDENED}"),
        pytest.param(
            KERNELS,
            {NARROW: NARROW.replace("int32", "int64")},
            f"signature result_i32 by _get_last_loc_safe_kernel {WIDENED}",
            marks=pytest.mark.nightly,
        ),
    ],
    ids=["lost", "a new kernel with a wide result"],
)
def test_a_lost_or_missed_fix_is_regressed(
    path: str, changes: dict[str, str], told: str, run: Run, upstream: Tree, tmp_path: Path
) -> None:
    result = signature(run, trees.altered(upstream, tmp_path / "altered", path, changes))
    assert result.verdict is Verdict.REGRESSED and told in result.reason, result.reason


def test_a_fix_outside_triton_is_not_regressed(run: Run, upstream: Tree, tmp_path: Path) -> None:
    torch_alone = SWITCH + (
        "        return get_last_loc_torch(req_to_token, req_pool_indices_tensor, prefix_lens_tensor)\n"
    )
    result = signature(run, trees.altered(upstream, tmp_path / "altered", DISPATCHER, {SWITCH: torch_alone}))
    assert result.verdict is None and result.fixed, result.reason
    assert result.fixed.main.outcome == "clean"
    assert any("no Triton kernel" in note for note in result.fixed.main.notes)


@pytest.mark.parametrize(
    ("row", "first"),
    [
        (2048, -(2**31) + 7),
        pytest.param(2047, None, marks=pytest.mark.nightly),
        pytest.param(4096, 0, marks=pytest.mark.nightly),
    ],
)
def test_the_legacy_product_wraps_as_int32_does(row: int, first: int | None, run: Run) -> None:
    result = run(pr23596.REPRODUCER, None, {"row": row}).result
    assert result.fixed and result.fixed.main.faults == () and result.reverted
    seen = {fault.kind: fault for fault in result.reverted.main.faults}
    violations = [fault for fault in (seen.get("oob-read"),) if fault]
    assert [fault.first for fault in violations] == ([first] if first and first < 0 else [])
    assert ("wrong-value" in seen) is (first is not None)
    assert all(isinstance(fault, Fault) and fault.count == 1 for fault in seen.values())
