"""`refault mine` finds the fixes of this suite, each in the pair of releases between which it came."""

from __future__ import annotations

import itertools

import pytest

from harness import catalogue
from harness.facts import Reproducer, Revert
from harness.machine.workspace import default as default_workspace
from harness.mine.changes import Versions, changed
from harness.mine.rank import ranked
from harness.mine.versions import FOLDERS, of_trees
from harness.source.releases import Releases, order

THEN = {"pr27338": "FlashInferMultiStepDraftBackend.init_cuda_graph_state"}
"""What a fix changed when it came, where later releases have it in another function."""
REPRODUCERS = catalogue.read(()).reproducers


def pair(cached: Releases, reproducer: Reproducer) -> tuple[str, str]:
    """The releases around the fix; skips where one of them is not at hand."""
    fixed = reproducer.bug.fixed_in
    names = [*sorted({*cached.cached(), fixed}, key=order)]
    steps = {after: before for before, after in itertools.pairwise(names)}
    if fixed not in cached.cached() or fixed not in steps:
        pytest.skip(f"{fixed} and the release before it are not unpacked here")
    return steps[fixed], fixed


def edited(reproducer: Reproducer) -> set[str]:
    """Every function that a form of the revert edits."""
    undone = reproducer.revert
    if isinstance(undone, Revert):
        return {edit.in_function for form in undone.forms for edit in form.edits if edit.in_function}
    return set(undone.functions)


@pytest.mark.parametrize("reproducer", REPRODUCERS, ids=[one.short_id for one in REPRODUCERS])
def test_a_known_fix_is_a_candidate(reproducer: Reproducer) -> None:
    cached = Releases(default_workspace().releases)
    before, after = pair(cached, reproducer)
    functions = {*edited(reproducer), *([THEN[reproducer.short_id]] if reproducer.short_id in THEN else [])}
    names = {function.rpartition(".")[2] for function in functions}

    def mentions(file: Versions) -> bool:
        texts = (file.before or b"", file.after or b"")
        return any(f"def {name}(".encode() in text for name in names for text in texts)

    files = filter(mentions, of_trees(cached.tree(before), cached.tree(after), FOLDERS))
    found = {name for one in ranked(changed(files)).candidates for name in (one.changed.qualname, *one.also)}
    assert found & functions
