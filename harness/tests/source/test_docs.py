"""The examples of docs/reverts.md do what they say."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness import facts
from harness.errors import StaleRevert
from harness.source.revert import plan
from harness.source.tree import Tree

PAGE = Path(__file__).parents[3] / "docs" / "reverts.md"
BLOCKS = re.findall(r"```(\w+) (before|revert|after|stale)\n(.*?)```", PAGE.read_text(), re.DOTALL)
BEFORE = next(text for _, kind, text in BLOCKS if kind == "before")
EXAMPLES = [
    (revert, kind, text)
    for (_, first, revert), (_, kind, text) in itertools.pairwise(BLOCKS)
    if first == "revert"
]


def test_the_page_has_examples_of_both_outcomes() -> None:
    kinds = [kind for _, kind, _ in EXAMPLES]
    assert kinds.count("after") >= 5 and kinds.count("stale") >= 2
    assert len(BLOCKS) == 1 + 2 * len(EXAMPLES)


@pytest.mark.parametrize(("revert", "kind", "text"), EXAMPLES)
def test_example(tree: Tree, revert: str, kind: str, text: str) -> None:
    (tree.folder / "plain.py").write_text(BEFORE)
    made = eval(revert, {name: getattr(facts, name) for name in ("Revert", "edit", "form")})
    if kind == "after":
        (new,) = plan(replace(tree), made).files.values()
        assert text.strip() in new.decode() and text.strip() not in BEFORE
    else:
        with pytest.raises(StaleRevert, match=re.escape(text.strip())):
            plan(replace(tree), made)
