"""#36381 on upstream with its fix lost, half done, and written differently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BadInput
from harness.facts import Tier
from harness.source.tree import Tree
from harness.verdict import Verdict
from reproducers import pr36381_swa_grouped_free as pr36381
from reproducers.tests import trees
from reproducers.tests.conftest import Run

Alter = Callable[[str, str], Tree]

KEPT = "            self.swa_free_group.append(swa_indices)\n"
ENDED = "            self._release_swa(torch.cat(swa_free_group))\n"


@pytest.fixture
def alter(upstream: Tree, tmp_path: Path) -> Alter:
    """Upstream with one piece of its allocator's text replaced."""
    path = "srt/mem_cache/allocator/swa.py"
    return lambda old, new: trees.altered(upstream, tmp_path / "altered", path, {old: new})


@pytest.mark.parametrize(
    ("old", "new", "seen"),
    [
        # Looked up at once and never given back.
        (KEPT, "            pass\n", "wrong-value lent"),
        # Only the first part of a group.
        (ENDED, ENDED.replace("torch.cat(swa_free_group)", "swa_free_group[0][:1]"), "wrong-value lent"),
        # Given back at once, and once more at the end.
        pytest.param(
            KEPT,
            KEPT + "            self._release_swa(swa_indices)\n",
            None,
            marks=pytest.mark.nightly,
        ),
    ],
    ids=["never given back", "the first page alone", "given back twice"],
)
def test_a_wrong_fix_is_seen(old: str, new: str, seen: str | None, run: Run, alter: Alter) -> None:
    result = run(pr36381.REPRODUCER, alter(old, new), goldens=False, asked=("fixed",)).result
    assert result.verdict is Verdict.REGRESSED, result.reason
    assert result.fixed
    faults = result.fixed.main.faults
    assert faults and (seen is None or any(fault.signature.startswith(seen) for fault in faults))


def test_the_slots_in_another_order_are_never_regressed(run: Run, alter: Alter) -> None:
    same = KEPT.replace("(swa_indices)", "(swa_indices.flip(0))")
    result = run(pr36381.REPRODUCER, alter(KEPT, same), goldens=False).result
    assert result.verdict is not Verdict.REGRESSED, result.reason
    assert result.fixed and result.fixed.main.outcome == "clean"


def test_undone_what_the_cache_reads_is_lent_to_another(run: Run) -> None:
    result = run(pr36381.REPRODUCER, None, {"tokens": 16}).result
    assert result.verdict is Verdict.PASS, result.reason
    assert result.reverted and result.reverted.main.results["shared"] == 16


@pytest.mark.parametrize(
    ("point", "problem"),
    [({"tokens": 6}, "6 are no whole pages of 4"), ({"tokens": 24}, "24 are no whole pages")],
)
def test_what_does_not_go_together_is_refused(point: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        pr36381.REPRODUCER.case(Tier.KERNEL).point(point)
