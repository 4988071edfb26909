"""docs/extending.md, followed to the letter: a bug and a fault kind of somebody else's package."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.documents import schema
from harness.process.pool import Pool
from harness.tests.toyland import elsewhere, recorded
from harness.tests.toyland.checkout import Checkout, Ended
from harness.tests.toyland.elsewhere import KIND, MODULE, PACKAGE

ROOT = Path(__file__).parents[2]
SIGNATURE = f"{KIND} picked numel=4 count=4"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory, kernel_pool: Pool, cache: Path) -> Checkout:
    """Refault with one reproducer of its own, and its golden."""
    bugs = ["pr101_stray_store"]
    return recorded.lay_out(tmp_path_factory, cache, kernel_pool, name="extending", bugs=bugs)


@pytest.fixture(scope="module")
def typed(ours: Checkout, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """The page's files in a folder of their own, and its commands typed there, one after another."""
    company = tmp_path_factory.mktemp("company")
    elsewhere.lay_out(company)
    found: dict[str, Ended] = {}
    for command in elsewhere.commands():
        done = ours.refault(*shlex.split(command)[1:], cwd=company)
        found[command] = Ended(done.returncode, done.stdout, done.stderr)
    found["folder"] = Ended(0, str(company), "")
    return found


def said(typed: dict[str, Ended], verb: str) -> str:
    (command,) = (one for one in typed if one.startswith(f"refault {verb} "))
    return typed[command].stdout


def test_every_command_of_the_page_ends_with_0(typed: dict[str, Ended]) -> None:
    verbs = [command.split()[1] for command in typed if command.startswith("refault ")]
    assert verbs == ["list", "show", "repro", "record", "run", "gate"]
    failed = {command: done for command, done in typed.items() if done.returncode}
    # Before its golden is recorded a reproducer is UNRECORDED, which is no success.
    assert list(failed) == ["refault repro 901 --reproducers acme_bugs"], failed
    before = failed["refault repro 901 --reproducers acme_bugs"]
    assert "UNRECORDED" in before.stdout
    assert f"refault: {PACKAGE} has no goldens yet, in {typed['folder'].stdout}/golden" in before.stderr


def test_it_is_listed_and_shown_beside_our_own(typed: dict[str, Ended]) -> None:
    assert [line.split()[0] for line in said(typed, "list").splitlines()] == ["pr101", "pr901"]
    assert f"{KIND}: a slot outside the window was read" in said(typed, "show")


def test_the_fault_of_the_declared_kind_is_the_proof(typed: dict[str, Ended]) -> None:
    assert SIGNATURE in said(typed, "run") and "1 PASS" in said(typed, "run")


def test_its_golden_lies_beside_it_and_ours_is_as_it_was(typed: dict[str, Ended], ours: Checkout) -> None:
    golden = Path(typed["folder"].stdout) / "golden" / MODULE / "kernel.cpu.json"
    assert SIGNATURE in golden.read_text(encoding="utf-8")
    assert [path.name for path in ours.goldens.iterdir()] == ["pr101_stray_store"]


def test_the_gate_asks_for_it(typed: dict[str, Ended]) -> None:
    company = Path(typed["folder"].stdout)
    decision = json.loads((company / "build/gate/decision.json").read_text(encoding="utf-8"))
    assert MODULE in json.dumps(decision)
    results = json.loads((company / "build/gate/results.json").read_text(encoding="utf-8"))
    assert schema.validate(results) == []
    assert results["results"][0]["arms"]["reverted"]["faults"][0]["signature"] == SIGNATURE


def test_a_merge_judges_it_again(typed: dict[str, Ended], ours: Checkout) -> None:
    company = Path(typed["folder"].stdout)
    words = ["--policy", "policy.toml", "--report", "merged", "--merge", "build/gate/results.json"]
    merged = ours.refault("gate", *words, "--reproducers", PACKAGE, cwd=company)
    assert merged.returncode == 0, merged.stdout + merged.stderr
    alone = ours.refault("gate", *words, cwd=company)
    assert alone.returncode == 1 and "names pr901, which is no reproducer" in alone.stdout


def test_a_report_draws_it(typed: dict[str, Ended], ours: Checkout) -> None:
    company = Path(typed["folder"].stdout)
    words = ["build/gate/results.json", "--html", "r.html", "--reproducers", PACKAGE]
    assert ours.refault("report", *words, cwd=company).returncode == 0
    assert SIGNATURE in (company / "r.html").read_text(encoding="utf-8")


def test_an_installed_distribution_is_found_by_its_entry_point(
    typed: dict[str, Ended], ours: Checkout, tmp_path: Path
) -> None:
    site = tmp_path / "site-packages"
    package = elsewhere.lay_out(site)
    shutil.copytree(Path(typed["folder"].stdout) / "golden", package / "golden")
    elsewhere.install(site)
    variables = {**ours.environment, "PYTHONPATH": f"{ours.environment['PYTHONPATH']}:{site}"}
    done = ours.refault("run", "901", cwd=tmp_path, env=variables)
    assert done.returncode == 0 and SIGNATURE in done.stdout, done.stdout + done.stderr
    refused = ours.refault("record", "901", cwd=tmp_path, env=variables)
    assert refused.returncode == 2
    assert "is installed, and nothing is written there: record in a checkout" in refused.stderr


@pytest.mark.parametrize("words", [["--reproducers"], pytest.param([], marks=pytest.mark.nightly)])
def test_pytest_collects_the_folder(
    words: list[str], typed: dict[str, Ended], ours: Checkout, tmp_path: Path
) -> None:
    company = Path(typed["folder"].stdout)
    program = ["-m", "pytest", "-p", "harness.plugin", "-p", "no:cacheprovider", "-p", "no:xdist", "-v"]
    command = [ours.command()[0], "-P", *program, *words, str(company / PACKAGE)]
    variables = {**ours.environment, "REFAULT_REPRODUCERS": str(company / PACKAGE)}
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and f"{MODULE}.py::kernel PASSED" in done.stdout, done.stdout


def test_the_lines_of_a_real_module_are_its_lines() -> None:
    """What the page shows of a module that it names, some of its lines left out."""
    shown = re.findall(r"^```\w+\n# of (\S+)\n(.*?)^```", elsewhere.PAGE, re.DOTALL | re.MULTILINE)
    assert shown
    for file, text in shown:
        theirs = iter((ROOT / file).read_text(encoding="utf-8").splitlines())
        assert [line for line in text.splitlines() if line and line not in theirs] == []


def test_the_checks_before_a_commit_find_their_tests() -> None:
    section = elsewhere.PAGE.partition("### Before a commit")[2].partition("```\n")[2].partition("```")[0]
    typed = [line.split()[1:] for line in section.splitlines() if line.startswith(".venv/bin/pytest ")]
    files = [file for words in typed for file in words]
    program = ["-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [sys.executable, *program, *files], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(files) == 4 and all(f"{file}::" in done.stdout for file in files)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)[^)]*\)", elsewhere.PAGE))
def test_a_place_that_the_page_names_is_there(link: str) -> None:
    assert (ROOT / "docs" / link).exists()


@pytest.mark.parametrize("path", re.findall(r"`((?:harness|ci|reproducers)/[\w./-]*)", elsewhere.PAGE))
def test_a_path_in_its_table_is_there(path: str) -> None:
    assert (ROOT / path.partition("<")[0]).exists()
