"""The cases that multiply matrices show the same under two of OpenBLAS's kernels, byte for byte.

`make portable`, which the night runs, holds all cases to more kernels, threads and locales.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from ci.portable import machine, signatures

PAIRS = {"x86_64": ("HASWELL", "SKYLAKEX", "NEHALEM"), "aarch64": ("NEOVERSEN1", "ARMV8", "CORTEXA57")}
"""In the order in which the first two kernels that differ are taken: not every processor runs the second."""

MULTIPLY = (
    ("run", "31017"),
    pytest.param(("repro", "24394", "--set", "full_tokens=96"), marks=pytest.mark.nightly),
)
"""Gates; and by night one point of attention: in the interpreter, in the matrix instructions of both emulated
chips, and in float64 references. The other points of attention are `make portable`'s."""


@cache
def two_kernels() -> list[str]:
    """Two values of OPENBLAS_CORETYPE under which numpy really takes two kernels."""
    taken: dict[str, str] = {}
    for core in PAIRS[platform.machine()]:
        try:
            taken.setdefault(machine.blas_kernel(core), core)
        except machine.Absent:
            continue
    return list(taken.values())[:2]


def under(core: str, words: Sequence[str], results: Path) -> signatures.Seen:
    """What these cases show, with a process tree of its own, since a BLAS chooses when it is loaded."""
    command = [sys.executable, "-P", "-m", "harness", *words, "--tier", "kernel", "--json", str(results)]
    environment = {**os.environ, "OPENBLAS_CORETYPE": core}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{core}: {done.stdout}{done.stderr[-2000:]}"
    return signatures.read(results)


@pytest.mark.parametrize("words", MULTIPLY, ids=" ".join)
def test_two_blas_kernels_show_the_same(words: Sequence[str], tmp_path: Path) -> None:
    cores = two_kernels()
    assert len(cores) == 2, f"this numpy takes one kernel alone: {cores}"
    one, other = (under(core, words, tmp_path / f"{core}.json") for core in cores)
    assert "PASS" in signatures.verdicts(one)
    assert signatures.differences(one, other) == []
