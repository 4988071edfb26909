"""Run as a script: a warm process that holds two small environments, of which one is a branch."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.process.job import Environment
from harness.process.warm.holding import Ready, hold

_ARM_ONLY = frozenset({"m_arm"})


def environments(folder: Path) -> dict[str, Environment]:
    """A branch and one that stands by itself. Files in the folder add to the branch and to its base."""
    common = ("decimal", *_learned(folder / "learned-by-base"))
    base = Environment(variables={"COMMON": "yes"}, preload=common, arm_only=_ARM_ONLY)
    branch = Environment(
        variables={"COMMON": "yes", "MODE": "branch"},
        preload=("json", "m_shared", *_learned(folder / "learned")),
        arm_only=_ARM_ONLY,
        base=base,
    )
    return {"branch": branch, "plain": Environment(preload=("json",))}


def _learned(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").split() if file.exists() else []


def main() -> None:
    """Arguments: the folder, and how many idle seconds end it."""
    folder, idle = Path(sys.argv[1]), float(sys.argv[2])
    ended: str | None = "has just changed"
    while ended and "has just changed" in ended:  # somebody works on Refault
        ended = hold(folder / "warm", lambda: environments(folder), idle, _ready)
    print(f"ended: {ended}", flush=True)


def _ready(held: Ready) -> None:
    print(f"ready: {' '.join(held.kinds)}", flush=True)
