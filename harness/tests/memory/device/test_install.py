"""The wrapped factories, in the CPU's memory; compiled code has tests of its own."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from harness.memory.device import install
from harness.memory.device.install import FACTORIES, Installed, Wanted
from harness.tests.memory.device.test_fences import signatures
from harness.tests.memory.device.test_gone import ILLEGAL

CODE = """
import torch

class Pool:
    def __init__(self):
        self.page_table = torch.full((4, 3), 7, dtype=torch.int32)
        self.weights = torch.ones(8)
"""


@pytest.fixture
def pools(tmp_path: Path) -> Callable[[], ModuleType]:
    """Code under test below tmp_path, run anew at each call."""

    def make() -> ModuleType:
        module = ModuleType("pools")
        exec(compile(CODE, str(tmp_path / "pools.py"), "exec"), vars(module))
        return module

    return make


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installed]:
    wanted = Wanted(
        str(tmp_path), only=frozenset({"page_table"}), rows=frozenset({"page_table"}), device="cpu"
    )
    made = install.install(wanted)
    yield made
    made.remove()


def test_what_is_wanted_is_fenced_and_holds_its_values(
    installed: Installed, pools: Callable[[], ModuleType]
) -> None:
    pool = pools().Pool()
    assert installed.fences.holds(pool.page_table) and not installed.fences.holds(pool.weights)
    assert pool.page_table.stride(0) > 3 and bool((pool.page_table == 7).all())
    assert installed.fences.fenced == 1


def test_damage_is_told_when_it_is_looked_for(installed: Installed, pools: Callable[[], ModuleType]) -> None:
    table = pools().Pool().page_table
    ctypes.memset(table.data_ptr() + 3 * table.element_size(), 0, 4)
    installed.check()
    assert signatures(installed.violations) == ["index-range page_table numel=3 first=3 last=3 count=1"]
    assert installed.notes() == ["page_table: rows [0] were left"]


class _Gone:
    """A device whose context is gone: whatever is asked of it raises, and is counted."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def keep_for_graphs(self) -> None: ...

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*args: object, **rest: object) -> None:
            self.asked.append(name)
            raise RuntimeError(f"Triton Error [CUDA]: {ILLEGAL}")

        return call


@pytest.mark.parametrize("look", ["after_forward", "poll", "check"])
def test_nothing_is_launched_once_a_look_met_a_context_that_is_gone(installed: Installed, look: str) -> None:
    device: Any = _Gone()
    installed._fences = device
    for _ in range(3):
        getattr(installed, look)()
        installed.ends_capture(lambda graph: None, None)
    assert len(device.asked) == 1 and installed.context.lost == ILLEGAL


def test_a_buffer_is_torchs_own_where_no_fence_can_be_put_around_it(
    installed: Installed, pools: Callable[[], ModuleType]
) -> None:
    installed.context.lost = ILLEGAL
    table = pools().Pool().page_table
    assert table.stride(0) == 3 and bool((table == 7).all())


def test_others_code_and_settled_processes_get_torchs_own(
    installed: Installed, pools: Callable[[], ModuleType]
) -> None:
    page_table = torch.zeros(4, 3)
    installed.settle()
    late = pools().Pool().page_table
    assert page_table.stride(0) == late.stride(0) == 3 and installed.notes() == []


def test_torch_gets_its_functions_back(tmp_path: Path) -> None:
    before = [getattr(torch, name) for name in FACTORIES]
    made = install.install(Wanted(str(tmp_path), device="cpu"))
    assert [getattr(torch, name) for name in FACTORIES] != before
    made.remove()
    assert [getattr(torch, name) for name in FACTORIES] == before


def test_torch_has_its_functions_back_while_fences_stand_aside(
    installed: Installed, pools: Callable[[], ModuleType]
) -> None:
    before = [getattr(torch, name) for name in FACTORIES]
    with installed.aside():
        assert pools().Pool().page_table.stride(0) == 3
    assert [getattr(torch, name) for name in FACTORIES] == before
    assert installed.fences.fenced == 0 and pools().Pool().page_table.stride(0) > 3
