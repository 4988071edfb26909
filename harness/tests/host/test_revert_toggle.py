"""Upstream's toggle is upstream's own code: asked for, or said not to be there."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.errors import Unresolved
from harness.host import revert_toggle

Write = Callable[[str], str]
RECORDS = """
import os

def maybe_revert_pr_fix():
    os.environ["SEEN"] = os.environ["SGLANG_DEBUG_REVERT_PR"]
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Makes a package whose module of toggles reads like this, and tells its name."""

    def write(text: str) -> str:
        folder = tmp_path / "toggled_upstream/srt/debug_utils"
        folder.mkdir(parents=True)
        (folder / "pr_fix_toggle.py").write_text(text)
        importlib.invalidate_caches()
        return "toggled_upstream"

    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv(revert_toggle.VARIABLE, "")
    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "toggled_upstream"]:
        del sys.modules[name]


def test_upstream_is_told_the_number_and_the_attestation_hears_of_it(package: Write) -> None:
    name = package(RECORDS)
    told = revert_toggle.undo(27360, name)
    assert os.environ.pop("SEEN") == "27360"
    assert told == ("toggled_upstream.srt.debug_utils.pr_fix_toggle: upstream's own toggle for #27360",)


def test_a_number_that_upstream_does_not_know_says_so(package: Write) -> None:
    name = package("def maybe_revert_pr_fix():\n    raise NotImplementedError('not registered')\n")
    with pytest.raises(Unresolved, match="toggle for #1: NotImplementedError: not registered"):
        revert_toggle.undo(1, name)


def test_a_release_without_toggles_says_so() -> None:
    with pytest.raises(Unresolved, match="no debug toggles in this release"):
        revert_toggle.undo(27360, "harness")
