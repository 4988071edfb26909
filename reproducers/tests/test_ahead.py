"""Modules that cases name to come ahead of the code under edit are in the release, and are no such code."""

from __future__ import annotations

import pytest

from harness import catalogue
from harness.facts import Reproducer
from harness.source import tree
from harness.source.symbols import functions_by_module

NAMING = [one for one in catalogue.read(()).reproducers if one.kernel and one.kernel.ahead]


@pytest.mark.parametrize("reproducer", NAMING, ids=lambda one: one.module)
def test_what_comes_ahead_is_there_and_is_not_edited(reproducer: Reproducer) -> None:
    upstream = tree.installed()
    assert reproducer.kernel and reproducer.revert
    edited = functions_by_module(upstream, reproducer.revert.functions)
    for module in reproducer.kernel.ahead:
        path = upstream.root.joinpath(*module.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file(), module
        assert not [name for name in edited if f"{module}.".startswith(f"{name}.")]
