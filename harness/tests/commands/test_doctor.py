"""`refault doctor` about this machine, and about one that is described."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness import catalogue, doctor
from harness.catalogue import Catalogue
from harness.cli import app
from harness.doctor import Check, State
from harness.errors import BadInput
from harness.tests.toyland.bench import bug

KNOWN = (bug("pr104_short_indptr"), bug("pr109_needs_both_vendors"))


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "read", lambda named: Catalogue(homes=(), subjects=KNOWN))


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *words])


def test_each_case_on_a_described_machine_has_a_line() -> None:
    done = run("--on", "rocm-gfx942", "--gpus", "2")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "rocm-gfx942, 2 GPUs: aiter, rocm, sgl_kernel, torch, triton, triton-interpreter",
        "runs   pr104 kernel cpu",
        "lacks  pr109 kernel cpu  cuda",
    ]


def test_the_same_as_json_and_nothing_else() -> None:
    done = run("--on", "rocm-gfx942", "--gpus", "2", "--json", "-")
    told = json.loads(done.stdout)
    assert told["machine"]["platform"] == "rocm-gfx942" and told["machine"]["gpus"] == 2
    assert [(case["reproducer"], case["runs"], case["lacks"]) for case in told["cases"]] == [
        ("pr104_short_indptr", True, []),
        ("pr109_needs_both_vendors", False, ["cuda"]),
    ]
    assert "lacks  pr109" in done.stderr


@pytest.mark.parametrize(("state", "code"), [(State.OK, 0), (State.WRONG, 1)])
def test_this_machine_as_json_ends_as_its_checks_do(
    state: State, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "checks", lambda *given: iter([Check("amd", state, "8 of gfx942")]))
    file = tmp_path / "here.json"
    done = run("--json", str(file))
    assert done.exit_code == code and done.stdout == f"{state:<6} amd 8 of gfx942\n"
    assert {case["reproducer"] for case in json.loads(file.read_text())["cases"]} == {one.id for one in KNOWN}


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--gpus", "2"], "add --on PLATFORM"),
        (["--on", "cpu", "--clean"], "leave out --on"),
        (["--on", "mi300"], "write it like rocm-gfx942"),
        (["--on", "cpu", "--gpus", "2"], "has no GPUs"),
    ],
)
def test_what_means_nothing_is_refused_with_a_remedy(words: list[str], remedy: str) -> None:
    error = run(*words).exception
    assert isinstance(error, BadInput) and remedy in str(error)
