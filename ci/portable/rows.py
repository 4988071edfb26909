"""The rows of the portability matrix: what each changes of the machine that a run sees."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Place = Literal["here", "unusual", "umask", "small", "user", "home-gone", "home-unset", "home-read-only"]
"""Where and as whom a row runs; `portable_places` makes each."""
BASE = "base"

CORES: Mapping[str, Sequence[str]] = {
    "x86_64": (
        "PRESCOTT", "CORE2", "NEHALEM", "SANDYBRIDGE", "BULLDOZER", "PILEDRIVER", "STEAMROLLER", "EXCAVATOR",
        "HASWELL", "ZEN", "SKYLAKEX", "COOPERLAKE", "SAPPHIRERAPIDS",
    ),
    "aarch64": ("ARMV8", "CORTEXA57", "NEOVERSEN1", "NEOVERSEV1", "NEOVERSEN2", "THUNDERX2T99", "ARMV8SVE"),
}  # fmt: skip
"""What OPENBLAS_CORETYPE may name, by architecture. A build has fewer kernels: several names share one."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row: `variables` are set, or unset where None; `options` are those of the Python interpreter.

    What it asks of the machine is looked at before it runs: `core` must not be another row's kernel under a
    second name, torch must report `capability`, the system must have `locale`, torch must use MKL for `mkl`.
    """

    name: str
    about: str
    variables: Mapping[str, str | None] = field(default_factory=dict)
    options: Sequence[str] = ()
    place: Place = "here"
    core: str | None = None
    capability: str | None = None
    locale: str | None = None
    mkl: bool = False


def rows(machine: str = platform.machine()) -> tuple[Row, ...]:
    """Every row, the one that all others are held against first."""
    base = Row(name=BASE, about="this machine as it is")
    blas = [_blas(core) for core in CORES.get(machine, ())]
    return (base, *blas, *_torch(), *_threads(), *_text(), *_python(), *_places())


def _blas(core: str) -> Row:
    variables = {"OPENBLAS_CORETYPE": core}
    about = f"numpy and scipy with OpenBLAS's {core} kernel"
    return Row(name=f"blas-{core.lower()}", about=about, variables=variables, core=core)


def _torch() -> list[Row]:
    capabilities = {"default": "DEFAULT", "avx2": "AVX2", "avx512": "AVX512"}
    aten = [
        Row(name=f"aten-{name}", about=f"torch's own kernels for {told}",
            variables={"ATEN_CPU_CAPABILITY": name}, capability=told)
        for name, told in capabilities.items()
    ]  # fmt: skip
    mkl = {"MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    return [*aten, Row(name="mkl-avx2", about="torch's MKL and oneDNN held to AVX2", variables=mkl, mkl=True)]


def _threads() -> list[Row]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return [
        Row(name=f"threads-{count}", about=f"{count} threads a process",
            variables=dict.fromkeys(names, str(count)))
        for count in (1, 2, 7)
    ]  # fmt: skip


def _text() -> list[Row]:
    seeds = [_variables(f"hash-{seed}", "another hash seed", PYTHONHASHSEED=seed) for seed in ("1", "random")]
    ascii_only = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    locales = [
        Row(name=f"locale-{name}", about=f"LC_ALL={name}", variables={"LC_ALL": name}, locale=name)
        for name in ("C", "C.UTF-8", "de_DE.UTF-8", "tr_TR.UTF-8")
    ]
    plain = Row(name="locale-ascii", about="a system whose text is ASCII", variables=ascii_only)
    # as tzset(3) has them, so that no database of zones is needed
    zones = [
        _variables("zone-east", "12:45 ahead of UTC", TZ="<+1245>-12:45"),
        _variables("zone-west", "11 hours behind UTC", TZ="<-11>11"),
    ]
    return [*seeds, *locales, plain, *zones]


def _python() -> list[Row]:
    option = Row(name="python-O", about="the command alone without assertions", options=("-O",))
    return [option, _variables("optimize-1", "every process without assertions", PYTHONOPTIMIZE="1")]


def _places() -> list[Row]:
    about: Mapping[Place, str] = {
        "home-unset": "no HOME and no cache named",
        "home-gone": "HOME names a folder that is not there",
        "home-read-only": "HOME cannot be written",
        "unusual": "checkout, interpreter, cache and TMPDIR below spaces and letters beyond ASCII",
        "umask": "umask 077, with a fresh cache",
        "small": "TMPDIR on a tmpfs of 64 MiB",
        "user": "a user that is not root and has neither name nor home",
    }
    names = {"unusual": "path-unusual", "umask": "umask-077", "small": "tmpfs-small", "user": "other-user"}
    return [Row(name=names.get(place, place), about=told, place=place) for place, told in about.items()]


def _variables(name: str, about: str, **variables: str | None) -> Row:
    return Row(name=name, about=about, variables=variables)
