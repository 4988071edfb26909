"""Random small kernels of integers, run as an AMD GPU's machine code and in Triton's interpreter."""

from __future__ import annotations

import importlib.util
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from harness.errors import Unsupported
from harness.facts import Platform
from harness.gcn.launches import Emulation, emulated
from harness.host.targets import Target
from harness.memory.violations import Violations
from harness.tests.gcn.kernels import both

_SIZE, _LENGTH = 256, 200
_KERNEL = """
import triton.language as tl


def kernel(x, y, out, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    a = tl.load(x + at, mask=at < n, other=3)
    b = tl.load(y + (at & 63), mask=at < n, other=5)
    value = {expression}
    tl.store(out + at, value.to(tl.int64), mask=at < n)
"""
_PAIRS = ("({} + {})", "({} - {})", "({} * {})", "({} & {})", "({} | {})", "({} ^ {})", "tl.minimum({}, {})")
_SINGLE = ("({} << 3)", "({} >> 2)", "(~{})", "({}).to(tl.int64)", "({}).to(tl.int16)", "({} * 5 - n)")
_OTHERS = ("tl.where({} < {}, {}, {})", "tl.load(x + ({} & 127))", "tl.maximum({}, {})")
_DTYPES = (torch.int64, torch.int32, torch.int16, torch.int8)


@dataclass(frozen=True)
class RandomKernel:
    """A kernel to compile, the same one to interpret, and the integer tensors [200] that both are given."""

    expression: str
    compiled: Any
    interpreted: Any
    given: tuple[torch.Tensor, torch.Tensor]

    def launched(self, kernel: Any) -> torch.Tensor:
        """What one of the two stores: int64 [200]."""
        out = torch.zeros(_LENGTH, dtype=torch.int64)
        kernel[(2,)](*self.given, out, _LENGTH, BLOCK=_SIZE // 2)
        return out


@dataclass(frozen=True)
class Executed:
    """What a kernel stored as machine code, what was executed, and what went wrong.

    `lacks` names what the emulator does not implement; nothing was executed then.
    """

    out: torch.Tensor
    instructions: int = 0
    astray: tuple[str, ...] = ()
    hazards: tuple[str, ...] = ()
    lacks: str = ""


def drawn(folder: Path, name: str, seed: int) -> RandomKernel:
    """The kernel of that seed; its source is a file of that name in the folder."""
    dice = random.Random(seed)
    expression = f"(a + {_expression(dice, dice.randint(1, 3))})"
    compiled, interpreted = both(_kernel(folder, name, expression))
    torch.manual_seed(seed % 1000)
    x, y = (torch.randint(-100, 100, (_LENGTH,)).to(dice.choice(_DTYPES)) for _ in range(2))
    return RandomKernel(expression, compiled, interpreted, (x, y))


def executed(kernel: RandomKernel, chip: str) -> Executed:
    """Run it in the emulator, on a chip such as `gfx942`; raises what Triton's compiler raises."""
    target = Target(Platform.parse(f"rocm-{chip}"))
    emulation = Emulation(target, Violations(), None, lambda name: None, lambda name, tensors: None)
    try:
        with emulated(emulation):
            out = kernel.launched(kernel.compiled)
    except Unsupported as error:
        return Executed(torch.zeros(0), lacks=str(error))
    ((_, run),) = emulation.runs
    return Executed(
        out,
        instructions=run.instructions,
        astray=tuple(fault.signature for fault in emulation.violations.faults()),
        hazards=tuple(hazard.instruction for hazard in run.hazards),
    )


def _expression(dice: random.Random, depth: int) -> str:
    """An expression over what was loaded and where, nested so deep at most."""
    if depth == 0:
        return dice.choice(("a", "b", "at"))
    pattern = dice.choice(dice.choice((_PAIRS, _SINGLE, _OTHERS)))
    return pattern.format(*(_expression(dice, depth - 1) for _ in range(pattern.count("{}"))))


def _kernel(folder: Path, name: str, expression: str) -> Any:
    """A kernel of a file of its own: Triton reads the source of what it compiles."""
    file = folder / f"{name}.py"
    file.write_text(_KERNEL.format(expression=expression), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.kernel
