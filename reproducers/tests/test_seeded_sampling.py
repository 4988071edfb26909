"""#33423 on upstream with its fix lost, too loose, and written differently; and the hash undone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.facts import Tier
from harness.source.tree import Tree
from harness.verdict import Verdict
from reproducers import pr33423_seeded_sampling_hash as pr33423
from reproducers.rigs import murmur
from reproducers.tests import trees
from reproducers.tests.conftest import Run

Alter = Callable[[str], Tree]

CAP = "    x.log_().clamp_(min=torch.finfo(x.dtype).min, max=-(2.0**-32)).neg_()\n"
UNCAPPED = "    x.log_().clamp_(min=torch.finfo(x.dtype).min).neg_()\n"


@pytest.fixture
def alter(upstream: Tree, tmp_path: Path) -> Alter:
    """Upstream with another line in the place of the cap."""
    path = "srt/layers/sampler.py"
    return lambda instead: trees.altered(upstream, tmp_path / "altered", path, {CAP: instead})


@pytest.mark.parametrize(
    ("instead", "bites"),
    [
        (UNCAPPED, {"-50", "-25", "-inf"}),
        pytest.param(CAP.replace("-(2.0**-32)", "0.0"), {"-50", "-25", "-inf"}, marks=pytest.mark.nightly),
        (CAP.replace("-(2.0**-32)", "-(2.0**-60)"), {"-25"}),
        pytest.param("    x.clamp_(max=1.0 - 2.0**-53)\n" + UNCAPPED, {"-25"}, marks=pytest.mark.nightly),
    ],
    ids=["lost", "capped at nothing", "capped far too high", "below one by a float's last bit"],
)
def test_a_wrong_cap_is_seen(instead: str, bites: set[str], run: Run, alter: Alter) -> None:
    result = run(pr33423.REPRODUCER, alter(instead), goldens=False, asked=("fixed",)).result
    assert result.verdict is Verdict.REGRESSED, result.reason
    assert result.fixed
    points = [point for point in (result.fixed.main, *result.fixed.points) if point.faults]
    assert {point.params["logprob"] for point in points} == bites


def test_the_cap_on_the_number_itself_is_never_regressed(run: Run, alter: Alter) -> None:
    result = run(
        pr33423.REPRODUCER, alter("    x.clamp_(max=1.0 - 2.0**-32)\n" + UNCAPPED), goldens=False
    ).result
    assert result.verdict is Verdict.STALE, result.reason
    assert result.fixed and result.fixed.main.outcome == "clean"


@pytest.mark.parametrize("position", [0, 40, 100000])
@pytest.mark.parametrize("column", [0, 7, 151935])
def test_the_hash_is_undone_for_any_place(position: int, column: int) -> None:
    for wanted in (0, 1, 0x9E3779B9, murmur.LARGEST):
        seed = murmur.seed_of(wanted, position, column)
        assert 0 <= seed <= murmur.LARGEST
        assert murmur.hashed(seed, position, column) == wanted


def test_a_column_beyond_the_vocabulary_is_refused() -> None:
    with pytest.raises(BadInput, match="is no token of 64"):
        pr33423.REPRODUCER.case(Tier.KERNEL).point({"column": 64})
