"""What of the matrix this machine can have: each is looked at in a process that does it, not guessed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import cache

from ci.portable.rows import Row

_BLAS = """
import ctypes, pathlib, numpy
a = numpy.random.default_rng(0).random((96, 96))
for kind in (numpy.float64, numpy.float32):
    a.astype(kind) @ a.astype(kind)
found = pathlib.Path(numpy.__file__).parents[1].glob("numpy.libs/*openblas*")
for file in found:
    library = ctypes.CDLL(str(file))
    for name in ("scipy_openblas_get_corename64_", "scipy_openblas_get_corename", "openblas_get_corename64_",
                 "openblas_get_corename"):
        if hasattr(library, name):
            ask = getattr(library, name)
            ask.restype = ctypes.c_char_p
            print(ask().decode())
            raise SystemExit
"""
_TORCH = """
import re, torch
blas = re.search(r"BLAS_INFO=(\\w+)", torch.__config__.show())
print(torch.backends.cpu.get_cpu_capability(), blas[1] if blas else "unknown")
"""


class Absent(Exception):
    """A row that this machine cannot have; says what it lacks."""


def blas_kernel(core: str | None) -> str:
    """The kernel that numpy's OpenBLAS really takes where OPENBLAS_CORETYPE is `core`, or unset.

    It multiplies two matrices first. Raises Absent where the processor cannot run it, or where numpy has
    no OpenBLAS of its own.
    """
    taken = _said(_BLAS, {"OPENBLAS_CORETYPE": core} if core else {})
    if not taken:
        raise Absent("numpy has no OpenBLAS of its own")
    return taken


def torch_kernels(capability: str | None = None) -> tuple[str, str]:
    """(the capability that torch reports, the BLAS that it was built with)."""
    told = _said(_TORCH, {"ATEN_CPU_CAPABILITY": capability} if capability else {})
    first, _, blas = told.partition(" ")
    return first, blas


def check(row: Row, blas_taken: Mapping[str, str]) -> str:
    """What was looked at for a row, in words; raises Absent where the machine cannot have it.

    `blas_taken` are the kernels that earlier rows took, by kernel.
    """
    if row.core:
        kernel = blas_kernel(row.core)
        if other := blas_taken.get(kernel):
            raise Absent(f"{row.core} is {kernel} in this build, which {other} runs")
        return f"OpenBLAS took {kernel}"
    if row.capability:
        return _capability(row)
    if row.locale and _plain(row.locale) not in locales():
        raise Absent(f"no locale {row.locale}")
    if row.mkl and torch_kernels()[1] != "mkl":
        raise Absent(f"torch's BLAS is {torch_kernels()[1]}, not MKL")
    return ""


def _capability(row: Row) -> str:
    seen, _ = torch_kernels(row.variables["ATEN_CPU_CAPABILITY"])
    if seen != row.capability:
        raise Absent(f"no {row.capability}: torch takes {seen}")
    return f"torch took {seen}"


@cache
def locales() -> frozenset[str]:
    """What `locale -a` lists, spelt as `_plain` does."""
    listed = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout
    return frozenset(map(_plain, listed.split()))


def _plain(locale: str) -> str:
    return locale.lower().replace("utf-8", "utf8")


def _said(program: str, variables: Mapping[str, str]) -> str:
    environment = {**os.environ, **variables}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == -signal.SIGILL:
        named = " ".join(f"{name}={value}" for name, value in variables.items())
        raise Absent(f"the processor cannot run {named}")
    if done.returncode:
        raise RuntimeError(f"looking at the machine ended with {done.returncode}: {done.stderr[-300:]}")
    return done.stdout.strip()
