"""The machine a kit is for: its Python, its platform, its chip."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.errors import BadInput

_NEWEST_GLIBC, _OLDEST_GLIBC = 39, 17
_CHIP = re.compile(r"sm(90)")


@dataclass(frozen=True, kw_only=True)
class Target:
    """`python` is a minor version such as 3.12; `chip` the compute capability, 90 for sm90.

    Raises BadInput for what no kit can be made for.
    """

    python: str
    chip: int = 90

    def __post_init__(self) -> None:
        if not re.fullmatch(r"3\.\d{1,2}", self.python):
            raise BadInput(f"--python {self.python}: write a minor version, such as 3.12")

    @classmethod
    def named(cls, python: str, platform: str, arch: str) -> Target:
        if platform != "manylinux":
            raise BadInput(f"--platform {platform}: kits are made for manylinux (x86_64) alone")
        found = _CHIP.fullmatch(arch)
        if not found:
            raise BadInput(f"--arch {arch}: the kernels of sm90 alone are known")
        return cls(python=python, chip=int(found[1]))

    @property
    def pip_options(self) -> list[str]:
        """What makes pip choose wheels for this machine; it takes the platforms' names literally."""
        numbers = range(_NEWEST_GLIBC, _OLDEST_GLIBC - 1, -1)
        names = [*(f"manylinux_2_{number}_x86_64" for number in numbers), "manylinux2014_x86_64"]
        names += ["manylinux2010_x86_64", "manylinux1_x86_64"]
        platforms = [word for name in names for word in ("--platform", name)]
        return ["--python-version", self.python, "--implementation", "cp", *platforms]

    @property
    def markers(self) -> dict[str, str]:
        """The environment in which the target's requirements are evaluated (PEP 508)."""
        return {
            "extra": "",
            "implementation_name": "cpython",
            "os_name": "posix",
            "platform_machine": "x86_64",
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }
