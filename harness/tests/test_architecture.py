"""docs/architecture.md: a paragraph for every folder, in the order of the contract; every file is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
TOLD = re.findall(r"^\*\*`([^`]+)`\*\* ", PAGE, re.MULTILINE)
"""The folders that have a paragraph, in the page's order."""


def folders() -> set[str]:
    """Those with code of ours, tests left out."""
    names = {
        file.parent.relative_to(ROOT)
        for top in ("harness", "reproducers", "ci")
        for file in (ROOT / top).rglob("*.py")
    }
    return {name.as_posix() for name in names if "tests" not in name.parts} - {"harness"}


def layers() -> list[set[str]]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (down,) = [contract for contract in contracts if contract["id"] == "down"]
    return [set(re.findall(r"\w+", layer)) for layer in down["layers"]]


def test_every_folder_has_one_paragraph() -> None:
    assert sorted(TOLD) == sorted(folders())


def test_the_parts_stand_in_the_order_of_the_contract() -> None:
    parts = list(dict.fromkeys(name.split("/")[1] for name in TOLD if name.startswith("harness/")))
    heights = [next(height for height, layer in enumerate(layers()) if part in layer) for part in parts]
    assert len(parts) > 20 and heights == sorted(heights)


def test_the_modules_at_the_top_are_told() -> None:
    loose = {f"harness/{file.name}" for file in (ROOT / "harness").glob("*.py")} - {"harness/__init__.py"}
    assert {name for name in loose if f"`{name}`" not in PAGE} == set()


def test_what_is_named_is_there() -> None:
    named = re.findall(r"`((?:harness|reproducers|ci|golden|docs)/[\w./-]+|pyproject\.toml)`", PAGE)
    assert len(named) > 60
    assert [name for name in named if not (ROOT / name).exists()] == []
