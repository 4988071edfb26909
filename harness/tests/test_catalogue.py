"""Finding reproducers: by module name, by number, by what a user mistypes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness import catalogue, homes
from harness.errors import BadInput, FactsError
from harness.facts import Reproducer
from harness.tests.toyland import bugs
from harness.tests.toyland.bench import bug


@pytest.fixture(scope="module")
def toys() -> tuple[Reproducer, ...]:
    return catalogue.load_all(bugs.__name__)


def test_all_are_found_in_order(toys: tuple[Reproducer, ...]) -> None:
    assert [toy.bug.pr for toy in toys] == [101, 102, 103, 104, 105, 106, 108, 109, 110, 111]
    assert toys[0].id == "pr101_stray_store" and toys[0].short_id == "pr101"


def test_names_and_prose_come_from_the_module(toys: tuple[Reproducer, ...]) -> None:
    assert toys[0].title == "#101: the table has one entry per page, but the kernel fills one per token."
    assert toys[0].about.endswith("the kernel writes past the table.")
    assert toys[0].module == f"{bugs.__name__}.pr101_stray_store"


@pytest.mark.parametrize("name", ["101", "1001", "#101", " 101 ", "pr101", "PR101", "pr101_stray_store"])
def test_a_reproducer_has_several_names(name: str, toys: tuple[Reproducer, ...]) -> None:
    assert catalogue.find(name, toys) is toys[0]


def test_a_name_that_two_have_is_told_with_both(toys: tuple[Reproducer, ...]) -> None:
    twin = replace(toys[1], module="elsewhere.pr102_stray_store")
    with pytest.raises(BadInput, match="is the name of pr101_stray_store and pr102_stray_store"):
        catalogue.find("stray-store", (*toys, twin))


def test_near_matches_are_offered_and_otherwise_the_list(toys: tuple[Reproducer, ...]) -> None:
    with pytest.raises(BadInput, match=r"'stray_shore': did you mean pr101 \(#101: the table"):
        catalogue.find("stray_shore", toys)
    with pytest.raises(BadInput, match="see `refault list`"):
        catalogue.find("xyzzy", toys)
    with pytest.raises(BadInput, match="see `refault list`"):
        catalogue.find("", toys)


def test_a_reproducer_is_offered_once_however_many_of_its_names_are_near(
    toys: tuple[Reproducer, ...],
) -> None:
    with pytest.raises(BadInput) as caught:
        catalogue.find("pr101_stray", toys)
    assert str(caught.value).count("pr101 (") == 1


@pytest.mark.parametrize(
    ("module", "is_one"),
    [
        ("pr1", True),
        ("pr1_x", True),
        ("issue24394_swa", True),
        ("config_toy", True),
        ("bug_toy", True),
        ("rigs", False),
        ("prx_1", False),
        ("pr1-x", False),
    ],
)
def test_which_modules_are_reproducers(module: str, is_one: bool) -> None:
    assert bool(homes.SUBJECT.fullmatch(module)) is is_one


def _package(root: Path, name: str, **modules: str) -> None:
    (root / name).mkdir()
    for module, text in {"__init__": "", **modules}.items():
        (root / name / f"{module}.py").write_text(text)


def test_a_package_without_reproducers_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _package(tmp_path, "no_reproducers", helper="")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadInput, match="no_reproducers holds no reproducer: add one as"):
        catalogue.load_all("no_reproducers")


def test_a_module_without_a_reproducer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _package(tmp_path, "half_reproducers", pr1_empty="REPRODUCER = 3")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(FactsError, match=r"half_reproducers\.pr1_empty: REPRODUCER: the module defines none"):
        catalogue.load_all("half_reproducers")


def test_goldens_lie_beside_a_checkout_or_inside_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _package(tmp_path, "toy_catalogue")
    monkeypatch.syspath_prepend(tmp_path)
    assert catalogue.golden_folder("toy_catalogue") == tmp_path / "golden"
    (tmp_path / "toy_catalogue/golden").mkdir()
    assert catalogue.golden_folder("toy_catalogue") == tmp_path / "toy_catalogue/golden"


def test_one_bug_is_loaded_by_its_module() -> None:
    stray, short = catalogue.names(bug("pr101_stray_store")), catalogue.names(bug("pr104_short_indptr"))
    assert stray == ("pr101_stray_store", "pr101", "101", "1001")
    assert short == ("pr104_short_indptr", "pr104", "104")


def test_a_bug_is_found_by_each_report_and_by_its_name() -> None:
    one = bug("pr101_stray_store")
    reported = replace(one, bug=replace(one.bug, also=(1002, 1003)))
    for name in ("101", "#1001", "1002", "1003", "stray_store", "stray-store", "PR101"):
        assert catalogue.find(name, [bug("pr104_short_indptr"), reported]) is reported
