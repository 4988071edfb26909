"""The wrapped factories, in the CPU's memory; compiled code has tests of its own."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from harness.memory.device import install
from harness.memory.device.install import FACTORIES, Installed, Wanted
from harness.tests.memory.device.test_fences import signatures

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
