"""Random small kernels: machine code of both chips against Triton's interpreter."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from harness.tests.gcn.expressions import drawn, executed

_NUMBER = itertools.count()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        made = tmp_path_factory.mktemp("random")
        patch.setenv("TRITON_CACHE_DIR", str(made / "triton"))
        yield made


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
    kernel = drawn(folder, f"random_{chip}_{next(_NUMBER)}", seed)
    found = executed(kernel, chip)
    assert torch.equal(found.out, kernel.launched(kernel.interpreted)), kernel.expression
    assert found.instructions
    assert not found.astray
    assert not found.hazards
