"""Class A: what lives elsewhere is out of an arm's reach as Refault's own is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from harness import catalogue, homes
from harness.facts import Subject, Tier
from harness.golden import GoldenStore
from harness.homes import Home
from harness.process.pool import Pool
from harness.process.protection import Protection, refused
from harness.suite import Request, Suite
from harness.tests.hostile.witness_writes import Write
from harness.tests.toyland import bench, elsewhere
from harness.tests.toyland.bench import Bench, bug
from harness.tests.toyland.elsewhere import MODULE
from harness.tests.toyland.upstream import PAGES
from harness.verdict import Result, Verdict

STORE = bug("pr101_stray_store")
FILES = {
    "a golden": f"golden/{MODULE}/kernel.cpu.json",
    "the module": f"{{package}}/{MODULE}.py",
    "a helper of it": "{package}/kinds.py",
}
ALTERED = {
    "its call": "module.look_up.__code__ = (lambda lab, window: {}).__code__",
    "what it watches": "object.__setattr__(module.REPRODUCER.kernel.watch, 'kinds', frozenset())",
}


class Place(NamedTuple):
    """A bench with one golden of its own, and a package of somebody else's with one golden, too."""

    bench: Bench
    home: Home
    subject: Subject

    def judge(self, subject: Subject, on: Bench) -> Result:
        goldens = GoldenStore(on.goldens.folder, {MODULE: self.home.goldens})
        setting = replace(on.setting, goldens=goldens, homes=(homes.own(), self.home))
        with Suite(setting, pool=on.pool) as suite:
            (judged,) = suite.run([Request(reproducer=subject, tier=Tier.KERNEL)])
        return judged.result


@pytest.fixture(scope="module", params=Protection)
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    """One pool of each protection; without namespaces there is but one."""
    if request.param is Protection.READ_ONLY and (why := refused()):
        pytest.skip(f"this machine has no read-only folders for arms: {why}")
    with Pool(2, protection=request.param) as shared:
        yield shared


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Somebody else's package, under a name that no other test imports; a fork server of ours serves it."""
    folder = tmp_path_factory.mktemp("company")
    elsewhere.lay_out(folder).rename(package := folder / "acme_out_of_reach")
    (home,) = (home for home in homes.every([package]) if home.folder == package)
    return home


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, cache: Path, pool: Pool) -> Bench:
    one = bench.lay_out(tmp_path_factory.mktemp("bench"), cache, pool)
    one.record(STORE)
    return one


@pytest.fixture
def place(tmp_path: Path, company: Home, recorded: Bench) -> Iterator[Place]:
    """What a test does to the package's files is undone."""
    golden = company.goldens / MODULE / "kernel.cpu.json"
    golden.parent.mkdir(parents=True)
    golden.write_text("[]")
    texts = {path: path.read_bytes() for path in company.folder.glob("*.py")}
    shutil.copytree(recorded.goldens.folder, tmp_path / "golden")
    subject = catalogue.load(f"{company.package}.{MODULE}")
    yield Place(replace(recorded, folder=tmp_path), company, subject)
    for path, text in texts.items():
        path.write_bytes(text)
    shutil.rmtree(company.goldens)


@pytest.mark.parametrize("what", FILES)
def test_no_arm_writes_there_unseen(what: str, place: Place) -> None:
    file = place.home.folder.parent / FILES[what].format(package=place.home.package)
    before = file.read_bytes()
    write = Write(what, f"attempt(lambda: pathlib.Path({str(file)!r}).write_text('forged'))", "")
    result = place.judge(STORE, place.bench.on(write.pages()))
    if place.bench.pool.protection is Protection.READ_ONLY:
        assert result.verdict is Verdict.REGRESSED and file.read_bytes() == before
        return
    assert result.verdict is Verdict.UNRESOLVED and f"forged or broken: {file}" in result.reason
    assert (file.read_bytes() == before) is ("golden" in what)


def test_no_arm_makes_a_folder_of_goldens_where_none_was(place: Place) -> None:
    shutil.rmtree(place.home.goldens)
    forged = place.home.goldens / MODULE / "kernel.cpu.json"
    made = f"file = pathlib.Path({str(forged)!r})\nattempt(lambda: file.parent.mkdir(parents=True))\n"
    write = Write("a golden", f"{made}attempt(lambda: file.write_text('forged'))", "")
    result = place.judge(STORE, place.bench.on(write.pages()))
    assert result.verdict is Verdict.UNRESOLVED and f"forged or broken: {forged}" in result.reason
    assert not forged.exists()


@pytest.mark.parametrize("what", ALTERED)
def test_an_arm_that_alters_the_case_is_not_believed(what: str, place: Place) -> None:
    name = f"{place.home.package}.{MODULE}"
    pages = f"import sys\nmodule = sys.modules[{name!r}]\n{ALTERED[what]}\n{PAGES}"
    result = place.judge(place.subject, place.bench.on(pages))
    assert result.verdict is Verdict.UNRESOLVED and "forged or broken" in result.reason
    assert name in result.reason


def test_an_honest_tree_bites_and_lacks_nothing_but_a_golden_that_is_one(place: Place) -> None:
    result = place.judge(place.subject, place.bench)
    assert result.reverted is not None
    assert [fault.kind for fault in result.reverted.main.faults] == [elsewhere.KIND]
    assert result.reason.startswith(f"{place.home.goldens / MODULE}/kernel.cpu.json: has format None")
