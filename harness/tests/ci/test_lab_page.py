"""docs/lab.md, and that what arms give a case is what the page promises."""

from __future__ import annotations

import inspect

import pytest

from ci import lab_page
from harness.facts import lab
from harness.tiers.codegen.arm import CodegenLab
from harness.tiers.kernel.lab import Lab


def test_the_page_is_made_from_the_docstrings() -> None:
    assert lab_page.PAGE.read_text(encoding="utf-8") == lab_page.text(), "run python ci/lab_page.py"


@pytest.mark.parametrize(("given", "promised"), [(Lab, lab.KernelLab), (CodegenLab, lab.Lab)])
def test_an_arm_gives_every_member_with_the_parameters_promised(given: type, promised: type) -> None:
    names = [name for kind in promised.__mro__ for name in vars(kind) if not name.startswith("_")]
    assert len(names) >= 3
    for name in names:
        mine, theirs = getattr(given, name, None), getattr(promised, name)
        if not inspect.isfunction(theirs):
            assert name in given.__dataclass_fields__ or isinstance(mine, property)  # type: ignore[attr-defined]
            continue
        assert inspect.isfunction(mine)
        assert list(inspect.signature(mine).parameters) == list(inspect.signature(theirs).parameters), name
