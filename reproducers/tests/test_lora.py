"""#28371 on upstream with its fix lost in part, nearly right, and written differently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from harness.errors import BadInput
from harness.facts import Tier
from harness.source.tree import Tree
from harness.verdict import EvidenceClass, Verdict
from reproducers import pr28371_lora_segments_frozen as pr28371
from reproducers.rigs import lora
from reproducers.tests import trees
from reproducers.tests.conftest import Run

Alter = Callable[[str, dict[str, str]], Tree]

DENSE = "kernels/ops/lora/dense/"
SHRINK, EXPAND = f"{DENSE}chunked_sgmv_shrink.py", f"{DENSE}chunked_sgmv_expand.py"
EMBEDDING, PREPARED = f"{DENSE}chunked_embedding_lora_a.py", "srt/lora/backend/chunked_backend.py"
COUNT = "permutation=batch_info.permutation,\n        num_segs=segment_grid,\n        {}# constants"
ROOM = "batch_info.weight_indices.shape[0]\n        if batch_info.use_cuda_graph"
TAIL = "if {}:\n            batch_info.{}["
STALE = {
    TAIL.format("has_unused_cuda_graph_segments", name): TAIL.format("False", name)
    for name in ("seg_indptr", "weight_indices")
}


@pytest.fixture
def alter(upstream: Tree, tmp_path: Path) -> Alter:
    """Upstream with pieces of one module's text replaced."""
    return lambda path, changes: trees.altered(upstream, tmp_path / "altered", path, changes)


def frozen(text: str) -> dict[str, str]:
    return {text: text.replace("segment_grid", "num_segments")}


@pytest.mark.parametrize(
    ("path", "changes", "layer", "step"),
    [
        # The grid has room for all, and the kernel is told to stop where the captured batch did.
        (SHRINK, frozen(COUNT.format("")), "linear", "replay"),
        pytest.param(
            EXPAND,
            frozen("num_segs=segment_grid,\n        scalings"),
            "linear",
            "replay",
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            EMBEDDING,
            frozen("segment_grid,\n        batch_info.permutation"),
            "embedding",
            "replay",
            marks=pytest.mark.nightly,
        ),
        (EMBEDDING, {ROOM: "num_segments\n        if batch_info.use_cuda_graph"}, "embedding", "replay"),
        # All programs run, and segments of an earlier batch are still there.
        (
            PREPARED,
            STALE,
            "linear",
            "second replay",
        ),
    ],
    ids=["shrink", "expand", "embedding", "embedding's grid", "tails of the buffers"],
)
def test_a_fix_in_part_is_seen(
    path: str, changes: dict[str, str], layer: str, step: str, run: Run, alter: Alter
) -> None:
    result = run(pr28371.REPRODUCER, alter(path, changes), goldens=False, asked=("fixed",)).result
    assert result.verdict is Verdict.REGRESSED, result.reason
    assert result.fixed
    seen = [one.params for one in (result.fixed.main, *result.fixed.points) if one.faults]
    assert (layer, step) in [(params["layer"], params["step"]) for params in seen]
    assert "eager" not in [params["step"] for params in seen]


@pytest.mark.nightly
def test_one_cleared_tail_is_enough(run: Run, alter: Alter) -> None:
    """A stale segment without an adapter does nothing."""
    (change,) = list(STALE.items())[:1]
    result = run(pr28371.REPRODUCER, alter(PREPARED, dict([change])), goldens=False, asked=("fixed",)).result
    assert result.verdict is None and result.fixed and not result.fixed.main.faults


def test_the_fix_by_other_words_is_never_regressed(run: Run, alter: Alter) -> None:
    """The grid is as long as the pointers, less one."""
    other = {ROOM: "batch_info.seg_indptr.shape[0] - 1\n        if batch_info.use_cuda_graph"}
    result = run(pr28371.REPRODUCER, alter(SHRINK, other)).result
    assert result.verdict is Verdict.PASS, result.reason
    assert result.evidence is EvidenceClass.EMULATED


@pytest.mark.parametrize(
    ("adapters", "segments"),
    [((2, 1, 0, 2), [0, 1, 2]), ((1,) * 17, [1, 1]), ((0,) * 4, [0])],
)
def test_segments_are_of_one_adapter_and_of_sixteen_tokens_at_most(
    adapters: tuple[int, ...], segments: list[int]
) -> None:
    assert lora.segments(adapters) == segments


def test_an_adapter_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadInput, match="3 is none: the highest is 2"):
        pr28371.REPRODUCER.case(Tier.KERNEL).point({"adapters": (0, 3)})


def test_a_back_end_that_leaves_embeddings_out_answers_nothing() -> None:
    """As upstream's of 0.5.9: a wrong value at these points, beside the bug at the others."""
    silent = SimpleNamespace(run_lora_a_embedding=lambda *args, **sizes: None)
    rig = lora.Rig(SimpleNamespace(), "embedding", silent, torch.ones(4), (torch.ones(1),), None)
    assert rig._forward().numel() == 0
