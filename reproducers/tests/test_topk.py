"""#31017 on upstream with its fix lost, nearly right, and written differently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BadInput
from harness.facts import Tier
from harness.source.tree import Tree
from harness.verdict import Verdict
from reproducers import pr31017_topk_renormalise as pr31017
from reproducers.tests import trees
from reproducers.tests.conftest import Run

Alter = Callable[[str], Tree]
AlterGrouped = Callable[[str, str], Tree]

ROUTERS = "srt/layers/moe/topk.py"
EPSILON = "_RENORMALIZE_SUM_EPSILON = 1e-20"
DIVIDED = "topk_weights / (topk_weights_sum + _RENORMALIZE_SUM_EPSILON)"


@pytest.fixture
def alter(upstream: Tree, tmp_path: Path) -> Alter:
    """Upstream with another epsilon, or with none."""
    return lambda instead: trees.altered(upstream, tmp_path / "altered", ROUTERS, {EPSILON: instead})


@pytest.fixture
def alter_grouped(upstream: Tree, tmp_path: Path) -> AlterGrouped:
    """Upstream with a piece of text replaced in the router by groups of experts, and in no other."""
    text = upstream.read(ROUTERS).decode()
    begin = text.index("def biased_grouped_topk_impl(")
    whole = text[begin : text.index("if apply_routed", begin)]

    def altered(old: str, new: str) -> Tree:
        assert old in whole
        return trees.altered(upstream, tmp_path / "altered", ROUTERS, {whole: whole.replace(old, new)})

    return altered


@pytest.mark.parametrize(
    ("instead", "kind"),
    [
        ("_RENORMALIZE_SUM_EPSILON = 0.0", "nan"),
        pytest.param("_RENORMALIZE_SUM_EPSILON = 1e-50", "nan", marks=pytest.mark.nightly),
        ("_RENORMALIZE_SUM_EPSILON = 1.0", "wrong-value"),
    ],
    ids=["lost", "none in float32", "as large as a sum"],
)
def test_a_wrong_epsilon_is_seen(instead: str, kind: str, run: Run, alter: Alter) -> None:
    result = run(pr31017.REPRODUCER, alter(instead), goldens=False, asked=("fixed",)).result
    assert result.verdict is Verdict.REGRESSED, result.reason
    assert result.fixed and {fault.kind for fault in result.fixed.main.faults} == {kind}


@pytest.mark.nightly
def test_an_epsilon_that_float16_lacks_is_seen_in_float16_alone(
    run: Run, alter_grouped: AlterGrouped
) -> None:
    """Where it is added in the type of the weights: the points of float32 and bfloat16 are clean."""
    altered = alter_grouped(", dtype=torch.float32", "")
    result = run(pr31017.REPRODUCER, altered, goldens=False, asked=("fixed",)).result
    assert result.verdict is Verdict.REGRESSED, result.reason
    assert result.fixed
    types = {point.params["dtype"] for point in (result.fixed.main, *result.fixed.points) if point.faults}
    assert types == {"float16"}


def test_a_smaller_epsilon_that_float32_holds_passes(run: Run, alter: Alter) -> None:
    result = run(pr31017.REPRODUCER, alter("_RENORMALIZE_SUM_EPSILON = 1e-30"), goldens=False).result
    assert result.verdict is Verdict.UNRECORDED, result.reason
    assert result.fixed and result.fixed.main.outcome == "clean"


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("instead", "signatures", "off"),
    [
        ("topk_weights / (topk_weights_sum + 1e-50)", ("nan logprobs", "wrong-value tokens"), ["r0-001"]),
        # The token whose experts all vanish is shared out evenly, where nothing is due to it.
        ("(topk_weights / topk_weights_sum).nan_to_num(1 / topk)", ("wrong-value logprobs",), ["r0-001"]),
        ("topk_weights / (topk_weights_sum + 1.0)", ("wrong-value logprobs",), ["r0-000", "r0-001"]),
    ],
    ids=["none in float32", "shared evenly", "as large as a sum"],
)
def test_a_server_shows_a_wrong_fix_by_the_answers_that_it_spoils(
    instead: str, signatures: tuple[str, ...], off: list[str], run: Run, alter_grouped: AlterGrouped
) -> None:
    """Only the second prompt has a token that no expert takes; too large an epsilon spoils all weights."""
    altered = alter_grouped(DIVIDED, instead)
    result = run(pr31017.REPRODUCER, altered, goldens=False, asked=("fixed",), tier=Tier.SERVER).result
    assert result.verdict is Verdict.REGRESSED, result.reason
    assert result.fixed and result.fixed.main.signatures == signatures
    notes = result.fixed.main.notes
    assert sorted({note.partition(":")[0] for note in notes}) == off, notes


@pytest.mark.nightly
def test_a_server_is_clean_with_a_smaller_epsilon_that_float32_holds(
    run: Run, alter_grouped: AlterGrouped
) -> None:
    altered = alter_grouped(DIVIDED, "topk_weights / (topk_weights_sum + 1e-30)")
    result = run(pr31017.REPRODUCER, altered, asked=("fixed",), tier=Tier.SERVER).result
    assert result.fixed and result.fixed.main.outcome == "clean", result.reason
    assert result.verdict is not Verdict.REGRESSED


@pytest.mark.nightly
def test_sums_beside_the_epsilon_are_no_longer_one(run: Run) -> None:
    """Upstream's fix pays with it; see docs/findings.md."""
    result = run(pr31017.REPRODUCER, None, {"depths": (50,)}, asked=("fixed",)).result
    assert result.fixed and [fault.kind for fault in result.fixed.main.faults] == ["wrong-value"]


@pytest.mark.parametrize(
    ("point", "problem"),
    [
        ({"depths": (80,)}, "depends on the machine"),
        ({"depths": (12,), "dtype": "float16"}, "up to 9, or 18"),
    ],
)
def test_depths_that_hang_on_the_machine_are_refused(point: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        pr31017.REPRODUCER.case(Tier.KERNEL).point(point)
