"""The night as its workflow runs it, in short: on the toy upstream, with one file of tests."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from harness.cli import COMMANDS
from harness.process.pool import Pool
from harness.tests.gate.invented import ON_CPU
from harness.tests.toyland import recorded, upstream
from harness.tests.toyland.checkout import Checkout

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
STRAY = "pr101_stray_store"
SHORT = ("--tests", "harness/tests/observation/test_normalise.py", "--bugs", "101", "--tier", "kernel")
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")


def jobs(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows" / f"{name}.yml").read_text())["jobs"]
    return loaded


def commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def night(job: str) -> list[str]:
    """The words with which a job runs the night, its expressions as for the newest release."""
    (command,) = [line for line in commands(jobs("nightly")[job]) if "ci/nightly" in line]
    return _EXPRESSION.sub(lambda found: "1" if "GPUS" in found[1] else "newest", command).split()


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory, cache: Path, kernel_pool: Pool) -> Checkout:
    bugs = (STRAY, "pr104_short_indptr")
    laid = recorded.lay_out(tmp_path_factory, cache, kernel_pool, name="night", bugs=bugs)
    (laid.root / "cpu.toml").write_text(ON_CPU)
    return laid


def script(toys: Checkout, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**toys.environment, "PYTEST_ADDOPTS": "-p no:cacheprovider", **variables}
    command = [sys.executable, *(word for word in words if word != ".venv/bin/python")]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


def run_night(
    toys: Checkout, out: Path, *more: str, tree: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """The CPU job's own command, its folders and its tree being the toy's."""
    own = {
        "build/nightly": str(out),
        "newest": str(tree or toys.root),
        "build/history.sqlite": str(toys.root / "history.sqlite"),
        "ci/gate-cpu.toml": str(toys.root / "cpu.toml"),
        "4": "2",
    }
    words = [
        own.get(word, word) for word in night("cpu") if word not in ("--documented", "--portable", "--grid")
    ]
    return script(toys, *words, *SHORT, *more, GITHUB_STEP_SUMMARY=str(out.parent / "step.md"))


def test_a_night_leaves_everything_it_should(toys: Checkout, tmp_path: Path) -> None:
    out = tmp_path / "night"
    done = run_night(toys, out)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = json.loads((out / "nightly.json").read_text())
    names = ["doctor", "tests", "suite", "history", "report", "gate"]
    assert [(step["name"], step["passed"]) for step in steps] == [(name, True) for name in names]
    (result,) = json.loads((out / "results.json").read_text())["results"]
    assert (result["reproducer"], result["verdict"]) == (STRAY, "PASS")
    for name in ("tests.xml", "results.xml"):
        assert ElementTree.parse(out / name).getroot().tag == "testsuites"
    assert (out / "report.html").read_text().lower().startswith("<!doctype html>")
    assert json.loads((out / "gate/decision.json").read_text())["decision"] == "pass"
    summary = (out / "summary.md").read_text()
    assert "| suite | ok |" in summary and "1 PASS" in summary and "# Gate: PASS" in summary
    assert (tmp_path / "step.md").read_text() == summary


@pytest.mark.parametrize(
    ("words", "told"),
    [("--out /proc/night", "--out /proc/night: cannot be written"),
     ("--out night --policy gone.toml", "--policy: gone.toml: cannot be read")],
)  # fmt: skip
def test_a_night_that_would_be_for_nothing_does_not_begin(toys: Checkout, words: str, told: str) -> None:
    done = script(toys, "ci/nightly", *words.split())
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and told in line


@pytest.mark.nightly
def test_history_goes_on_and_a_lost_fix_fails_the_night(toys: Checkout, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    run_night(toys, first)
    shutil.copy(first / "history.sqlite", toys.root)
    lost = upstream.altered("numel = pages * page_size", "numel = pages")
    done = run_night(toys, second, tree=upstream.write(tmp_path / "lost", lost))
    assert done.returncode == 1
    steps = {step["name"]: step for step in json.loads((second / "nightly.json").read_text())}
    assert [name for name, step in steps.items() if not step["passed"]] == ["suite"]
    assert steps["suite"]["note"] == "ended with 1" and "FAILED  suite" in done.stdout
    assert json.loads((second / "gate/decision.json").read_text())["decision"] == "block"
    told = toys.refault("history", "101", "--store", str(second / "history.sqlite"))
    assert "PASS" in told.stdout and "REGRESSED" in told.stdout


@pytest.mark.nightly
def test_what_needs_a_step_that_left_nothing_is_not_run(toys: Checkout, tmp_path: Path) -> None:
    done = run_night(toys, tmp_path / "night", "--bugs", "999")
    assert done.returncode == 1
    steps = {step["name"]: step for step in json.loads((tmp_path / "night/nightly.json").read_text())}
    assert steps["suite"]["code"] == 2 and steps["tests"]["passed"]
    assert steps["report"]["note"] == steps["gate"]["note"] == "not run: there is no results.json"
    assert "no reproducer is called '999'" in done.stdout


def test_goldens_are_proposed_and_the_checkout_keeps_its_own(toys: Checkout, tmp_path: Path) -> None:
    before = {file: file.read_bytes() for file in toys.goldens.rglob("*.json")}
    done = script(toys, "ci/record", "--out", str(tmp_path / "proposal"), "--tier", "kernel", "104")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {file: file.read_bytes() for file in toys.goldens.rglob("*.json")} == before
    proposed = list((tmp_path / "proposal/golden").rglob("*.json"))
    assert [file.parent.name for file in proposed] == ["pr104_short_indptr"]
    text = (tmp_path / "proposal/PROPOSAL.md").read_text()
    assert text.startswith("# 1 proposed goldens") and "- torch: " in text
    assert "- fixed arm: clean" in text and "- reverted arm: short-buffer" in text


# --- the workflows -----------------------------------------------------------------------------


def test_the_workflows_fit_their_schema() -> None:
    tool = shutil.which(
        "check-jsonschema", path=os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    )
    if tool is None:
        pytest.skip("check-jsonschema is not installed here: see ci/requirements/dev.txt")
    command = [tool, "--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_pool_runs_the_same_night() -> None:
    options = [{word for word in night(job) if word.startswith("-")} for job in ("cpu", "h100", "mi300")]
    assert options[1] == options[2] == options[0] - {"--policy", "--documented", "--portable", "--grid"}


def test_one_pool_runs_the_commands_of_the_docs() -> None:
    assert [job for job in ("cpu", "h100", "mi300") if "--documented" in night(job)] == ["cpu"]


def test_the_gate_waits_for_every_pool() -> None:
    found = jobs("nightly")
    assert set(found["gate"]["needs"]) == set(found) - {"gate"}


@pytest.mark.parametrize("workflow", [file.stem for file in WORKFLOWS])
def test_workflows_are_thin(workflow: str) -> None:
    """Every command is one of the checkout's, and one that exists."""
    for job in jobs(workflow).values():
        for command in commands(job):
            assert "\n" not in command.strip()
            word, *rest = command.removeprefix(".venv/bin/python ").split()
            if word == "make":
                assert subprocess.run(["make", "-n", "-C", ROOT, *rest], capture_output=True).returncode == 0
            elif word == ".venv/bin/refault":
                assert rest[0] in COMMANDS
            else:
                assert word in ("cp", "cat") or os.access(ROOT / word, os.X_OK), command
