"""Compiles what is launched, for GPUs that need not be here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

from triton.backends.amd.compiler import HIPBackend
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import CUDABackend
from triton.runtime import cache, driver, jit

from harness.errors import BadInput, StandInMisused
from harness.facts import Host, Platform
from harness.host import triton_files

_RUN = jit.JITFunction.run

PATCHES = (
    "triton.runtime.driver.active: compiles for a target, launches nothing",
    "triton.runtime.jit.JITFunction.run: compiles instead of launching",
    "triton.backends.amd.compiler.HIPBackend.make_hsaco: no linking",
    "triton.backends.nvidia.compiler.CUDABackend.make_cubin: no assembling",
    "triton.runtime.cache.triton_key: the sizes and times of its files instead of their bytes",
)


@dataclass(frozen=True)
class Target:
    """A GPU to compile for."""

    platform: Platform

    @property
    def language(self) -> str:
        """The assembly that Triton emits for it."""
        return "amdgcn" if self.platform.host is Host.ROCM else "ptx"

    @property
    def gpu(self) -> GPUTarget:
        """The same in Triton's words; BadInput for a platform that is no GPU."""
        host, chip = self.platform.host, self.platform.chip
        if host is Host.ROCM and chip:
            return GPUTarget("hip", chip, 64 if chip.startswith("gfx9") else 32)
        if host is Host.CUDA and chip:
            return GPUTarget("cuda", int(chip.removeprefix("sm")), 32)
        raise BadInput(f"{self.platform} is nothing to compile for: write it like rocm-gfx942 or cuda-sm90")


class _Compiler:
    """What Triton asks of the active driver when it compiles. Anything else would need the GPU."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def get_current_target(self) -> GPUTarget:
        return self._target.gpu

    def get_current_device(self) -> str:
        """The device by which Triton keeps what it has compiled: one for each platform."""
        return str(self._target.platform)

    def get_current_stream(self, device: str) -> int:
        return 0

    def __getattr__(self, name: str) -> NoReturn:
        raise StandInMisused(
            f"the driver for {self._target.platform} was asked for {name!r}; it only compiles"
        )


@contextmanager
def compiling(target: Target, compiled: Callable[[Any, Any], None]) -> Iterator[None]:
    """Compile what is launched while the block runs, instead of running it.

    `compiled` is told of each launch: the JIT function, and Triton's compiled kernel with its
    signature (`src.signature`) and its stages (`asm`), up to the assembly; the binary is empty.
    """
    with launching(target, lambda function, kernel, grid, args, kwargs: compiled(function, kernel)):
        yield


Launched = Callable[[Any, Any, Any, tuple[Any, ...], Mapping[str, Any]], None]
"""Takes a launch: the JIT function, what was compiled of it, its grid, its arguments and options."""


@contextmanager
def launching(target: Target, launched: Launched) -> Iterator[None]:
    """As `compiling`, for who needs the arguments of each launch too; the innermost block has each launch."""
    before, link, assemble = jit.JITFunction.run, HIPBackend.make_hsaco, CUDABackend.make_cubin
    key = cache.triton_key

    def run(self: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
        kernel = _RUN(self, *args, grid=grid, warmup=True, **kwargs)
        launched(self, kernel, grid, args, kwargs)
        return kernel

    jit.JITFunction.run = run
    HIPBackend.make_hsaco = staticmethod(_no_binary)
    CUDABackend.make_cubin = _no_binary
    cache.triton_key = triton_files.told  # of some 400 MB, which Triton itself would read
    # Not `reset_active`: it would look for a GPU.
    driver_before = dict(vars(driver))
    driver.set_active(_Compiler(target))
    try:
        yield
    finally:
        vars(driver).update(driver_before)
        jit.JITFunction.run, CUDABackend.make_cubin = before, assemble
        HIPBackend.make_hsaco = staticmethod(link)
        cache.triton_key = key


def _no_binary(*args: Any) -> bytes:
    """The last stage needs the vendor's linker, and its binary a GPU; the assembly is what is read."""
    return b""
