"""What doctor says, check by check; the command itself is tested in test_cli."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness import catalogue, doctor
from harness.catalogue import Catalogue
from harness.cli import app
from harness.doctor import Check, State
from harness.errors import BadInput
from harness.facts import CPU, Feature, Platform, Subject
from harness.homes import Home
from harness.machine import Machine, amd_check
from harness.machine.amd_check import Finding, Use
from harness.machine.workspace import Workspace
from harness.process import protection
from harness.serving import leftovers
from harness.serving.leftovers import Leftovers
from harness.source import tree
from harness.source.tree import Tree
from harness.tests.toyland.bench import Bench, bug, subject

MACHINE = Machine(
    platform=CPU, features=frozenset(Feature) - {Feature.CUDA, Feature.ROCM}, facts={"torch": "2.13.0"}
)
KNOWN = (bug("pr104_short_indptr"), bug("pr109_needs_both_vendors"))


@pytest.fixture
def goldens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of goldens of the test's own, and an upstream that is installed."""
    monkeypatch.setattr(tree, "installed", lambda package: Tree(tmp_path, package, "installed", "9.9.9"))
    return tmp_path / "golden"


def of(subjects: Sequence[Subject], place: Path) -> Catalogue:
    """A catalogue of these, whose goldens are in `golden/` at this place."""
    return Catalogue((Home(package="bugs", folder=place / "reproducers"),), tuple(subjects))


def look(
    tmp_path: Path,
    machine: Machine = MACHINE,
    known: Sequence[Subject] = KNOWN,
    place: Path | None = None,
) -> dict[str, Check]:
    catalogue = of(known, place or tmp_path)
    found = {check.name: check for check in doctor.checks(machine, Workspace(tmp_path / "cache"), catalogue)}
    assert {"platform", "features", "sglang", "goldens", "cache", "leftovers"} <= set(found)
    return found


def test_a_machine_where_all_is_well(goldens: Path, tmp_path: Path) -> None:
    found = look(tmp_path)
    assert [check.name for check in found.values() if check.state is State.WRONG] == []
    assert found["sglang"].found == f"9.9.9 at {tmp_path}"
    assert "torch 2.13.0" in found["platform"].found
    assert found["pr104"] == Check("pr104", State.OK, "kernel")
    assert found["goldens"] == Check(
        "goldens", State.LACKS, f"0 of 1 for cpu in {goldens}; `refault record` adds them"
    )


def test_what_a_case_lacks_is_no_error(goldens: Path, tmp_path: Path) -> None:
    check = look(tmp_path)["pr109"]
    assert check.state is State.LACKS and check.found == "UNSUPPORTED here: this machine lacks cuda, rocm"


def test_a_missing_upstream_is_wrong(goldens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(package: str) -> Tree:
        raise BadInput(f"{package} is not installed here: install it")

    monkeypatch.setattr(tree, "installed", absent)
    assert look(tmp_path)["sglang"] == Check(
        "sglang", State.WRONG, "sglang is not installed here: install it"
    )


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("pr7_gone/kernel.cpu.json", "owned by nothing"),
        ("pr104_short_indptr/kernel.cpu.json", "has format None"),
    ],
)
def test_a_bad_golden_is_wrong(path: str, told: str, goldens: Path, tmp_path: Path) -> None:
    (goldens / path).parent.mkdir(parents=True)
    (goldens / path).write_text("{}")
    check = look(tmp_path)["goldens"]
    assert check.state is State.WRONG and told in check.found and str(goldens / path) in check.found


def test_it_says_who_keeps_ready_what_arms_share(goldens: Path, tmp_path: Path) -> None:
    assert look(tmp_path)["warm"] == Check("warm", State.OK, "none: `refault warm` keeps one")
    folder = tmp_path / "cache" / "warm"
    script = "import sys; from pathlib import Path; from harness.process.warm.place import Place; "
    script += "Place(Path(sys.argv[1])).take(); print(flush=True); sys.stdin.read()"
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", script, str(folder)], **pipes) as process:
        assert process.stdout and process.stdout.readline()
        assert look(tmp_path)["warm"] == Check("warm", State.OK, f"process {process.pid}")
    assert look(tmp_path)["warm"].found.startswith("none")
    folder.chmod(0o755)
    problem = f"{folder} is not a folder of yours alone: remove it"
    assert look(tmp_path)["warm"] == Check("warm", State.WRONG, problem)


def test_the_cache_is_counted(goldens: Path, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "cache")
    assert "0 runs kept" in look(tmp_path)["cache"].found
    workspace.new_run()
    assert "1 runs kept" in look(tmp_path)["cache"].found


def test_a_kernel_golden_is_the_cpus_whatever_else_the_machine_has(
    tmp_path: Path, goldens: Path, fresh: Bench
) -> None:
    fresh.record(bug("pr104_short_indptr"))
    goldens = fresh.goldens.folder
    cuda = replace(MACHINE, platform=Platform.parse("cuda-sm90"))
    found = look(tmp_path, cuda, place=fresh.folder)["goldens"]
    assert found == Check("goldens", State.OK, f"1 of 1 for cpu in {goldens}")


def test_goldens_of_configurations_have_their_owner(goldens: Path, tmp_path: Path) -> None:
    served = subject("config_toy")
    (goldens / served.id).mkdir(parents=True)
    (goldens / served.id / "server.cuda-sm90.json").write_text("{}")
    found = look(tmp_path, known=(*KNOWN, served))
    assert found["goldens"].state is State.LACKS and found["toy"].found == "server"


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (Finding(Use.WORKS, "8 of gfx942"), State.OK),
        (Finding(Use.LACKING, "8 of gfx942, all of them hidden"), State.LACKS),
        (Finding(Use.WRONG, "8 of gfx942: torch is not built for HIP"), State.WRONG),
    ],
)
def test_amds_gpus_are_told_with_what_is_wrong(
    found: Finding, state: State, goldens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amd_check, "look", lambda built, environment: found)
    assert look(tmp_path)["amd"] == Check("amd", state, found.told)


def test_a_machine_without_amds_gpus_says_nothing_of_them(
    goldens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amd_check, "look", lambda built, environment: Finding(Use.NONE, "none"))
    assert "amd" not in look(tmp_path)


def test_leftovers_are_told_with_their_remedy(
    goldens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Leftovers(folders=(Path("/tmp/refault-0a1b2c3d"),), segments=("sglang_loads_1.shm",))
    monkeypatch.setattr(leftovers, "found", lambda: left)
    check = look(tmp_path)["leftovers"]
    assert check.state is State.LEFT and "`refault doctor --clean`" in check.found
    assert "/tmp/refault-0a1b2c3d; 1 segments" in check.found
    monkeypatch.setattr(leftovers, "found", Leftovers)
    assert look(tmp_path)["leftovers"].state is State.OK


def test_cleaning_removes_what_was_found_before_it_looks(
    goldens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "refault-0a1b2c3d"
    folder.mkdir()
    monkeypatch.setattr(leftovers, "found", lambda: Leftovers(folders=(folder,) * folder.exists()))
    monkeypatch.setattr(catalogue, "read", lambda named: of(KNOWN, tmp_path))
    monkeypatch.setenv("REFAULT_CACHE", str(tmp_path / "cache"))
    assert "left   leftovers" in CliRunner().invoke(app, ["doctor"]).stdout and folder.exists()
    cleaned = CliRunner().invoke(app, ["doctor", "--clean"])
    assert cleaned.exit_code == 0, cleaned.output
    assert "none of dead runs" in cleaned.stdout and not folder.exists()


def test_it_says_how_arms_are_kept_from_writing(
    goldens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(protection.VARIABLE, raising=False)
    monkeypatch.setattr(protection, "refused", lambda: None)
    assert look(tmp_path)["protection"].state is State.OK
    monkeypatch.setattr(protection, "refused", lambda: "unshare: Operation not permitted")
    refused = look(tmp_path)["protection"]
    assert refused.state is State.LACKS and refused.found.startswith("compared: ")
    assert "(unshare: Operation not permitted)" in refused.found
    monkeypatch.setenv(protection.VARIABLE, "wishes")
    wrong = look(tmp_path)["protection"]
    assert wrong.state is State.WRONG
    assert wrong.found == "REFAULT_PROTECTION=wishes: is no protection: give read-only or compared"
