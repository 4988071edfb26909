"""Run as a script: a warm process that holds two small environments, of which one is a branch."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.process.job import Environment
from harness.process.warm.holding import Ready, hold

BASE = Environment(variables={"COMMON": "yes"}, preload=("decimal",), arm_only=frozenset({"m_arm"}))


def environments(folder: Path) -> dict[str, Environment]:
    """A branch, which the file `learned` in the folder adds to, and one that stands by itself."""
    learned = folder / "learned"
    more = tuple(learned.read_text().split()) if learned.exists() else ()
    branch = Environment(
        variables={"COMMON": "yes", "MODE": "branch"},
        preload=("json", "m_shared", *more),
        arm_only=frozenset({"m_arm"}),
        base=BASE,
    )
    return {"branch": branch, "plain": Environment(preload=("json",))}


def main() -> None:
    """Arguments: the folder, and how many idle seconds end it."""
    folder, idle = Path(sys.argv[1]), float(sys.argv[2])
    ended: str | None = "has just changed"
    while ended and "has just changed" in ended:  # somebody works on Refault
        ended = hold(folder / "warm", lambda: environments(folder), idle, _ready)
    print(f"ended: {ended}", flush=True)


def _ready(held: Ready) -> None:
    print(f"ready: {' '.join(held.kinds)}", flush=True)
