"""#31218 on upstream with its fix lost, half done, and written differently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.facts import Tier
from harness.source.tree import Tree
from harness.verdict import Verdict
from reproducers import pr31218_dsa_index_move as pr31218
from reproducers.tests import trees
from reproducers.tests.conftest import Run

Alter = Callable[[str, str], Tree]

KEYS = "                keys[tgt_page, tgt_offset] = keys[src_page, src_offset]\n"
SCALES = "            scales[tgt_page, tgt_offset] = scales[src_page, src_offset]\n"
OFFSET = "src_loc_flat // page_size, src_loc_flat % page_size"


@pytest.fixture
def alter(upstream: Tree, tmp_path: Path) -> Alter:
    """Upstream with one piece of the move's text replaced."""
    path = "srt/mem_cache/index_key_cache.py"
    return lambda old, new: trees.altered(upstream, tmp_path / "altered", path, {old: new})


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        # Pages are found, and moved whole.
        (KEYS, KEYS.replace(", tgt_offset", "").replace(", src_offset", ""), {"keys": 64}),
        pytest.param(SCALES, "", {"scales": 2}, marks=pytest.mark.nightly),
        # The right page, at the target's offset in its own.
        (OFFSET, OFFSET.replace("src_loc_flat %", "tgt_loc_flat %"), {"keys": 2, "scales": 2}),
    ],
    ids=["whole pages", "without scales", "the target's offset"],
)
def test_a_wrong_move_is_seen(old: str, new: str, wrong: dict[str, int], run: Run, alter: Alter) -> None:
    result = run(pr31218.REPRODUCER, alter(old, new), goldens=False, asked=("fixed",)).result
    assert result.verdict is Verdict.REGRESSED, result.reason
    assert result.fixed
    assert {fault.buffer: fault.count for fault in result.fixed.main.faults} == wrong


def test_the_move_in_another_order_is_never_regressed(run: Run, alter: Alter) -> None:
    result = run(pr31218.REPRODUCER, alter(KEYS, KEYS.replace(" = keys", " = keys.clone()")), goldens=False)
    assert result.result.fixed and result.result.fixed.main.outcome == "clean"
    assert result.result.verdict is Verdict.UNRECORDED, result.result.reason


@pytest.mark.parametrize(
    ("point", "told"),
    [
        ({"source": (1,), "target": (2, 3)}, "one number for each of the 2 in target"),
        ({"source": (1, 400)}, "400 is none of the 320 slots"),
        ({"target": (3, 3)}, "a slot is given twice"),
    ],
)
def test_a_move_that_means_nothing_is_refused(point: dict[str, object], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        pr31218.REPRODUCER.case(Tier.KERNEL).point(point)
