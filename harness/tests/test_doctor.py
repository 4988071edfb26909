"""What doctor says, check by check; the command itself is tested in test_cli."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import catalogue, doctor
from harness.doctor import Check
from harness.errors import BadInput
from harness.machine import Machine
from harness.source import tree
from harness.source.tree import Tree
from harness.tests.toyland.bench import bug
from harness.workspace import Workspace

MACHINE = Machine(platform="cpu", features=frozenset({"torch", "triton"}), facts={"torch": "2.13.0"})
KNOWN = (bug("pr104_short_indptr"), bug("pr109_needs_gravity"))


@pytest.fixture
def goldens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of goldens of the test's own, and an upstream that is installed."""
    monkeypatch.setattr(catalogue, "golden_folder", lambda: tmp_path / "golden")
    monkeypatch.setattr(tree, "installed", lambda package: Tree(tmp_path, package, "installed", "9.9.9"))
    return tmp_path / "golden"


def look(tmp_path: Path) -> dict[str, Check]:
    found = {check.name: check for check in doctor.checks(MACHINE, Workspace(tmp_path / "cache"), KNOWN)}
    assert {"platform", "features", "sglang", "pr104", "pr109", "goldens", "cache"} <= set(found)
    return found


def test_a_machine_where_all_is_well(goldens: Path, tmp_path: Path) -> None:
    found = look(tmp_path)
    assert [check.name for check in found.values() if check.ok is False] == []
    assert found["sglang"].found == f"9.9.9 at {tmp_path}"
    assert "torch 2.13.0" in found["platform"].found
    assert found["pr104"] == Check("pr104", True, "kernel")
    assert found["goldens"].found == f"0 of 2 recorded for cpu in {goldens}"


def test_what_a_case_lacks_is_no_error(goldens: Path, tmp_path: Path) -> None:
    check = look(tmp_path)["pr109"]
    assert check.ok is None and check.found == "UNSUPPORTED here: this machine lacks gravity"


def test_a_missing_upstream_is_wrong(goldens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(package: str) -> Tree:
        raise BadInput(f"{package} is not installed here: install it")

    monkeypatch.setattr(tree, "installed", absent)
    assert look(tmp_path)["sglang"] == Check("sglang", False, "sglang is not installed here: install it")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("pr7_gone/kernel.cpu.json", "owned by no reproducer"),
        ("pr104_short_indptr/kernel.cpu.json", "unreadable"),
    ],
)
def test_a_bad_golden_is_wrong(path: str, told: str, goldens: Path, tmp_path: Path) -> None:
    (goldens / path).parent.mkdir(parents=True)
    (goldens / path).write_text("{}")
    check = look(tmp_path)["goldens"]
    assert check.ok is False and told in check.found and str(goldens / path) in check.found


def test_the_cache_is_counted(goldens: Path, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "cache")
    assert "0 runs kept" in look(tmp_path)["cache"].found
    workspace.new_run()
    assert "1 runs kept" in look(tmp_path)["cache"].found
