"""Where reproducers live: what is found, in which order, and what is refused, in one line."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import catalogue, homes
from harness.errors import BadInput, FactsError
from harness.facts import CPU, CaseKey, Tier
from harness.golden import GoldenStore
from harness.homes import Home
from harness.tests.toyland import elsewhere

MODULE = """
from harness.facts import *
def call(lab): ...
REPRODUCER = Reproducer(
    bug=Bug(pr={pr}, fixed_in="0.5.13", symptom="x"), revert=Revert(edit(in_function="f", remove="x = 1")),
    kernel=KernelCase(call=call, imports=(), watch=watch({kind})), expect=Expect(reverted=faults({kind})),
)
"""


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """What a test imports and opens does not outlast it."""
    finders, modules = list(sys.meta_path), set(sys.modules)
    yield
    sys.meta_path[:] = finders
    for name in (name for name in set(sys.modules) - modules if name.startswith("acme_")):
        del sys.modules[name]


def package(folder: Path, **modules: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def bug(pr: int, kind: str = "'nan'") -> str:
    return MODULE.format(pr=pr, kind=kind)


def refused(*folders: Path) -> str:
    """What reading the catalogue with these folders says, in one line."""
    with pytest.raises(BadInput) as caught:
        catalogue.read(folders)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what is found ---------------------------------------------------------------------------------


def test_refaults_own_come_first_and_a_folder_is_found_by_its_name(tmp_path: Path) -> None:
    folder = package(tmp_path / "acme_one", pr9001_x=bug(9001), rigs="")
    known = catalogue.read([folder, tmp_path / "acme_one/../acme_one"])
    assert [home.package for home in known.homes] == ["reproducers", "acme_one"]
    assert known.homes[1] == Home(package="acme_one", folder=folder, named=True)
    assert catalogue.find("9001", known.subjects).module == "acme_one.pr9001_x"
    assert [one.id for one in known.subjects][: len(catalogue.load_all())] == [
        one.id for one in catalogue.load_all()
    ]


def test_our_own_folder_named_again_is_no_second_home() -> None:
    assert len(homes.every([homes.own().folder])) == 1


def test_what_lies_beside_the_folder_stays_out_of_reach(tmp_path: Path) -> None:
    folder = package(tmp_path / "acme_two", pr9002_x=bug(9002))
    (tmp_path / "beside_acme.py").write_text("")
    catalogue.read([folder])
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("beside_acme")


def test_a_package_imports_its_own_modules_relatively_and_our_rigs(tmp_path: Path) -> None:
    text = f"from . import own\nfrom reproducers.rigs import servers\n{bug(9003)}"
    folder = package(tmp_path / "acme_three", pr9003_x=text, own="", __init__='"""Ours."""')
    assert catalogue.find("9003", catalogue.read([folder]).subjects).short_id == "pr9003"


def test_the_environment_names_folders_as_path_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(homes.VARIABLE, f"/a{os.pathsep}{os.pathsep}b")
    assert homes.from_environment() == (Path("/a"), Path("b"))
    monkeypatch.delenv(homes.VARIABLE)
    assert homes.from_environment() == ()


# --- goldens ---------------------------------------------------------------------------------------


def test_goldens_lie_inside_if_they_do_and_else_beside(tmp_path: Path) -> None:
    home = Home(package="acme", folder=tmp_path / "acme")
    assert home.goldens == tmp_path / "golden"
    (tmp_path / "acme/golden").mkdir(parents=True)
    assert home.goldens == tmp_path / "acme/golden"


def test_what_is_installed_has_them_inside(tmp_path: Path) -> None:
    home = Home(package="acme.bugs", folder=tmp_path / "site-packages/acme/bugs")
    assert home.is_installed and home.goldens == home.folder / "golden"
    assert home.root == tmp_path / "site-packages/acme"


def test_each_golden_has_its_folder_and_its_owner_there(tmp_path: Path) -> None:
    (own,) = (home for home in homes.every() if home.package == homes.OWN)
    acme = Home(package="acme", folder=package(tmp_path / "acme", pr9004_x=""))
    store = GoldenStore.of([own, acme])
    assert store.folders == (own.goldens, tmp_path / "golden")
    path = store.path(CaseKey("pr9004_x", Tier.KERNEL, CPU))
    assert path == tmp_path / "golden/pr9004_x/kernel.cpu.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    ours = {(one.id, tier) for one in catalogue.subjects() for tier in one.tiers}
    assert store.orphans(ours) == [path]
    assert store.orphans({*ours, ("pr9004_x", Tier.KERNEL)}) == []


# --- what is refused -------------------------------------------------------------------------------


def test_a_path_that_is_no_home(tmp_path: Path) -> None:
    assert "gone: is not there: name a folder that holds pr<number>" in refused(tmp_path / "gone")
    (tmp_path / "file").write_text("")
    assert "file: is no folder" in refused(tmp_path / "file")
    assert "holds no reproducer: add one as" in refused(package(tmp_path / "acme_none", rigs=""))
    dashed = package(tmp_path / "acme-bugs", pr1_x="")
    assert "'acme-bugs' is no name of a package: use letters" in refused(dashed)


@pytest.mark.parametrize("name", ["json", "reproducers", "harness"])
def test_a_folder_called_like_another_package(name: str, tmp_path: Path) -> None:
    folder = package(tmp_path / name, pr9005_x=bug(9005))
    told = refused(folder)
    assert str(folder) in told and told.endswith((": rename the folder", ": rename one"))


def test_two_with_one_name_or_number_and_both_files_are_named(tmp_path: Path) -> None:
    one = package(tmp_path / "acme_a", pr9006_x=bug(9006))
    two = package(tmp_path / "acme_b", pr9006_x=bug(9006))
    assert refused(one, two).startswith(f"{one}/pr9006_x.py and {two}/pr9006_x.py are both called pr9006_x")
    three = package(tmp_path / "acme_c", pr9006_y=bug(9006))
    assert f"{one}/pr9006_x.py and {three}/pr9006_y.py both answer to pr9006: give" in refused(one, three)
    four = package(tmp_path / "acme_d", issue7_y=bug(24587))
    told = refused(four)
    assert "pr24587_aiter_kv_indices_page_size.py and " in told and "both answer to 24587" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import no_such_thing", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("def (", "SyntaxError"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("REPRODUCER = 1", "REPRODUCER: the module defines none"),
    ],
)
def test_a_module_that_is_no_reproducer(text: str, told: str, tmp_path: Path) -> None:
    found = refused(package(tmp_path / "acme_bad", pr9007_x=text))
    assert found.startswith("acme_bad.pr9007_x: ") and told in found


def entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    elsewhere.install(tmp_path, value)
    monkeypatch.syspath_prepend(tmp_path)


def test_an_entry_point_of_what_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_point(tmp_path, monkeypatch, "acme_gone")
    told = refused()
    assert told.startswith("the entry point acme = acme_gone in refault.reproducers of acme_bugs 1.0: cannot")
    assert "(ModuleNotFoundError: No module named 'acme_gone')" in told
    assert told.endswith(": mend that package, or uninstall it")


def test_an_entry_point_of_a_module_or_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_point(tmp_path, monkeypatch, "acme_module")
    (tmp_path / "acme_module.py").write_text("")
    assert "acme_module is a module, not a package" in refused()
    (tmp_path / "acme_module.py").unlink()
    package(tmp_path / "acme_module", __init__="")
    importlib.invalidate_caches()
    sys.modules.pop("acme_module")
    assert "holds no reproducer: add one, or uninstall that package" in refused()


# --- fault kinds -----------------------------------------------------------------------------------


def kind(about: str, name: str = "acme:lost-page") -> str:
    return f"DeclaredKind({name!r}, {about!r})"


def test_the_kinds_that_packages_declare_are_known(tmp_path: Path) -> None:
    text = f"from harness.facts import DeclaredKind\n{bug(9008, kind('a page is lost'))}"
    known = catalogue.read([package(tmp_path / "acme_kind", pr9008_x=text)])
    assert known.kinds == ("acme:lost-page",) and known.kinds[0].about == "a page is lost"


def test_one_name_with_two_meanings(tmp_path: Path) -> None:
    head = "from harness.facts import DeclaredKind\n"
    one = package(tmp_path / "acme_e", pr9009_x=head + bug(9009, kind("a page is lost")))
    two = package(tmp_path / "acme_f", pr9010_x=head + bug(9010, kind("a page is found")))
    found = refused(one, two)
    assert found.startswith("acme_f.pr9010_x: watch.kinds: acme:lost-page means 'a page is lost' elsewhere")
    assert catalogue.read([one]).kinds


def test_a_broken_module_is_a_fact_error(tmp_path: Path) -> None:
    folder = package(tmp_path / "acme_g", pr9011_x=bug(9011, "'nann'"))
    with pytest.raises(FactsError, match=r"acme_g\.pr9011_x: watch\.kinds: 'nann' .* did you mean 'nan'"):
        catalogue.read([folder])
