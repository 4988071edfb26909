"""What aiter is given (#39517, and the scale of a decode), with fixes lost, half done, written otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.facts import Tier
from harness.source.tree import Tree
from harness.verdict import Verdict
from reproducers import bug_aiter_scale as aiter_scale
from reproducers import issue39517_aiter_qo_indptr as issue39517
from reproducers.tests import trees
from reproducers.tests.conftest import Run

Alter = Callable[[str, str], Tree]

PLANNED = "                    self.indices_updater_prefill.qo_indptr[: bs + 1],\n"
DECODED = """                    max_seqlen_k=max_kv_len,
                    softmax_scale=layer.scaling,
                    causal=True,
"""


@pytest.fixture
def alter(upstream: Tree, tmp_path: Path) -> Alter:
    """Upstream with one piece of aiter's backend replaced."""
    path = "srt/layers/attention/aiter_backend.py"
    return lambda old, new: trees.altered(upstream, tmp_path / "altered", path, {old: new})


@pytest.mark.parametrize(
    ("new", "wrong"),
    [
        ("                    self.qo_indptr[: bs + 1],\n", {(6, 2), (6, 0), (8, 2), (8, 0)}),
        # Where tokens end, and not where queries do: right without a prefix.
        pytest.param(
            "                    self.indices_updater_prefill.kv_indptr[: bs + 1],\n",
            {(4, 2), (5, 2), (6, 2), (8, 2)},
            marks=pytest.mark.nightly,
        ),
    ],
    ids=["lost", "the tokens'"],
)
def test_wrong_pointers_are_seen(new: str, wrong: set[tuple[int, int]], run: Run, alter: Alter) -> None:
    result = run(issue39517.REPRODUCER, alter(PLANNED, new), goldens=False, asked=("fixed",)).result
    assert result.verdict is Verdict.REGRESSED, result.reason
    assert result.fixed
    points = [point for point in (result.fixed.main, *result.fixed.points) if point.faults]
    assert {(point.params["max_bs"], point.params["prefix"]) for point in points} == wrong


def test_pointers_of_their_own_are_never_regressed(run: Run, alter: Alter) -> None:
    same = PLANNED.replace("[: bs + 1]", "[: bs + 1].clone()")
    result = run(issue39517.REPRODUCER, alter(PLANNED, same), goldens=False).result
    assert result.fixed and result.fixed.main.outcome == "clean", result.reason


@pytest.mark.parametrize(
    "scale",
    [
        "self.scale",
        pytest.param("layer.qk_head_dim**-0.5", marks=pytest.mark.nightly),
        pytest.param("self.scale * layer.scaling", marks=pytest.mark.nightly),
    ],
    ids=["lost", "by the layer's head", "both"],
)
def test_a_wrong_scale_is_seen(scale: str, run: Run, alter: Alter) -> None:
    tree = alter(DECODED, DECODED.replace("layer.scaling", scale))
    result = run(aiter_scale.REPRODUCER, tree, goldens=False, asked=("fixed",)).result
    assert result.verdict is Verdict.REGRESSED, result.reason
    assert result.fixed and [fault.buffer for fault in result.fixed.main.faults] == ["softmax_scale"]


def test_what_means_nothing_is_refused() -> None:
    prefill, decode = issue39517.REPRODUCER.case(Tier.KERNEL), aiter_scale.REPRODUCER.case(Tier.KERNEL)
    with pytest.raises(BadInput, match="6 requests are more than pool_size 5"):
        prefill.point({"seq_lens": (1,) * 6})
    with pytest.raises(BadInput, match="none left to compute"):
        prefill.point({"prefix": 3})
    with pytest.raises(BadInput, match="is more than a context of 64"):
        decode.point({"seq_lens": (65,)})
