"""Random small kernels: machine code of both chips against Triton's interpreter."""

from __future__ import annotations

import importlib.util
import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from harness.facts import Platform
from harness.gcn.launches import Emulation, emulated
from harness.host.targets import Target
from harness.memory.violations import Violations
from harness.tests.gcn.kernels import both

_NUMBER = itertools.count()
_SIZE, _LENGTH = 256, 200
_KERNEL = """
import triton.language as tl


def kernel(x, y, out, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    a = tl.load(x + at, mask=at < n, other=3)
    b = tl.load(y + (at & 63), mask=at < n, other=5)
    value = {expression}
    tl.store(out + at, value.to({dtype}), mask=at < n)
"""
_PAIRS = ("({} + {})", "({} - {})", "({} * {})", "({} & {})", "({} | {})", "({} ^ {})", "tl.minimum({}, {})")
_SINGLE = ("({} << 3)", "({} >> 2)", "(~{})", "({}).to(tl.int64)", "({}).to(tl.int16)", "({} * 5 - n)")
_OTHERS = ("tl.where({} < {}, {}, {})", "tl.load(x + ({} & 127))", "tl.maximum({}, {})")
_DTYPES = (torch.int64, torch.int32, torch.int16, torch.int8)


def _expression(dice: random.Random, depth: int) -> str:
    """An expression over what was loaded and where, nested so deep at most."""
    if depth == 0:
        return dice.choice(("a", "b", "at"))
    pattern = dice.choice(dice.choice((_PAIRS, _SINGLE, _OTHERS)))
    return pattern.format(*(_expression(dice, depth - 1) for _ in range(pattern.count("{}"))))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        made = tmp_path_factory.mktemp("random")
        patch.setenv("TRITON_CACHE_DIR", str(made / "triton"))
        yield made


def _kernels(folder: Path, expression: str, dtype: str) -> tuple[Any, Any]:
    """A kernel of a file of its own: Triton reads the source of what it compiles."""
    name = f"random_kernel_{next(_NUMBER)}"
    file = folder / f"{name}.py"
    file.write_text(_KERNEL.format(expression=expression, dtype=dtype), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return both(module.kernel)


@pytest.mark.parametrize("chip", ["gfx942", "gfx950"])
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # a smaller one is not worth its compilations
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 2**32))
def test_integers_are_those_of_the_interpreter(chip: str, folder: Path, seed: int) -> None:
    dice = random.Random(seed)
    expression = f"(a + {_expression(dice, dice.randint(1, 3))})"
    compiled, interpreted = _kernels(folder, expression, "tl.int64")
    torch.manual_seed(seed % 1000)
    x, y = (torch.randint(-100, 100, (_LENGTH,)).to(dice.choice(_DTYPES)) for _ in range(2))
    expected, found = torch.zeros(_LENGTH).long(), torch.zeros(_LENGTH).long()
    interpreted[(2,)](x, y, expected, _LENGTH, BLOCK=_SIZE // 2)
    target = Target(Platform.parse(f"rocm-{chip}"))
    emulation = Emulation(target, Violations(), None, lambda name: None, lambda name, given: None)
    with emulated(emulation):
        compiled[(2,)](x, y, found, _LENGTH, BLOCK=_SIZE // 2)
    assert torch.equal(found, expected), expression
    assert not list(emulation.violations.faults())
    assert not emulation.runs[0][1].hazards
