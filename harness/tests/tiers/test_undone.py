"""What was undone in a reverted arm, in both tiers that see exceptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import Unresolved
from harness.facts import DeclaredKind, Raised, ServerCase
from harness.observation import Fault
from harness.tests.toyland.bench import subject
from harness.tiers.server.arm import Run
from harness.tiers.undone import Undone

LOST = "AttributeError in grow: 'Table' object has no attribute '{}'"


def payload(root: Path, reverted: dict[str, Any] | None) -> dict[str, Any]:
    """An arm of a tree in which one attribute is set."""
    (root / "toy").mkdir()
    (root / "toy" / "table.py").write_text("class Table:\n    def grow(self):\n        self.rows = 1\n")
    functions = {"toy.table": ["Table.grow"]}
    return {"root": str(root), "package": "toy", "functions": functions, "reverted": reverted}


def plain(**declared: str) -> dict[str, Any]:
    return {"kind": "exception", "of": None, "says": None, **declared}


def server(told: dict[str, Any], folder: Path) -> Run:
    case = subject("pr202_wrong_token").server
    assert isinstance(case, ServerCase)
    return Run(told, folder, case, {})


def test_the_tree_says_which_attributes_there_are(tmp_path: Path) -> None:
    undone = Undone.of(payload(tmp_path, plain()))
    assert undone and undone.functions == ("Table.grow",)
    assert undone.broken(Raised.told(LOST.format("width")), tmp_path / "toy")
    assert undone.broken(Raised.told(LOST.format("rows")), tmp_path / "toy") is None


def test_a_server_whose_revert_is_broken_is_unresolved(tmp_path: Path) -> None:
    run = server(payload(tmp_path, plain()), tmp_path)
    run.refuse_broken([Fault(kind="exception", message=LOST.format("rows")), Fault(kind="crash")])
    with pytest.raises(Unresolved, match=r"^the revert is broken: AttributeError in grow: .*server\.log\)$"):
        run.refuse_broken([Fault(kind="exception", message=LOST.format("width"))])


def test_a_declared_kind_stays_one_on_its_way_to_the_arm(tmp_path: Path) -> None:
    told = payload(tmp_path, {**plain(), "kind": "acme:lost-page", "about": "a page is lost"})
    undone = Undone.of(told)
    assert undone and isinstance(undone.bug.kind, DeclaredKind) and undone.bug.kind.about == "a page is lost"


def test_the_declared_exception_and_the_fixed_arm_are_judged(tmp_path: Path) -> None:
    lost = [Fault(kind="exception", message=LOST.format("width"))]
    told = payload(tmp_path, plain(of="AttributeError", says="'width'"))
    server(told, tmp_path).refuse_broken(lost)
    server({**told, "reverted": None}, tmp_path).refuse_broken(lost)
