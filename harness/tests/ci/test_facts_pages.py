"""docs/lab.md and docs/facts.md: made from the code, and whole; arms give what lab.md promises."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from ci import facts_pages
from harness import facts
from harness.facts import lab
from harness.tiers.codegen.arm import CodegenLab
from harness.tiers.kernel.lab import Lab

RECORDS = [record for records in facts_pages.CHAPTERS.values() for record in records]
HARNESS_OWN = {
    "CPU", "CaseKey", "EXTENT", "Host", "KernelLab", "Lab", "OfCase", "Param", "Params", "Platform", "Raised",
    "runs_on",
}  # fmt: skip
"""What `harness.facts` has for the harness, for annotations, or on the page of the lab."""


@pytest.mark.parametrize("page", facts_pages.PAGES, ids=lambda page: page.name)
def test_a_page_is_made_from_the_docstrings(page: Path) -> None:
    made = facts_pages.PAGES[page]()
    assert page.read_text(encoding="utf-8") == made, "run python ci/facts_pages.py"


def test_everything_that_a_module_may_write_is_on_a_page() -> None:
    told = {getattr(record, "__name__", "") for record in RECORDS}
    assert set(facts.__all__) - told == HARNESS_OWN
    assert set(facts.__all__) >= HARNESS_OWN


@pytest.mark.parametrize("record", [one for one in RECORDS if isinstance(one, type)])
def test_every_field_has_a_text_of_its_own(record: type) -> None:
    assert [name for name, text in facts_pages.members(record).items() if not text] == []


@pytest.mark.parametrize("record", [one for one in RECORDS if inspect.isfunction(one)])
def test_every_function_has_a_text(record: object) -> None:
    assert inspect.getdoc(record)


def test_a_record_that_extends_another_tells_its_own_fields_alone() -> None:
    own = set(facts_pages.members(facts.KernelCase))
    assert own == {"watch", "reference", "tolerance", "pretends", "platform", "graphs", "emulated"}
    assert {"call", "check", "params"} <= set(facts_pages.members(facts.Case))


def test_a_field_without_a_text_is_found() -> None:
    class Bare(facts.Launch):
        """A record of its own source, with one field that says nothing."""

        told: int
        """It is told."""
        untold: int

    assert facts_pages.below(Bare) == {"told": "It is told."}


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
