from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.memory.fences import ALIGNMENT, RED_ZONE_BYTES, Fences
from harness.memory.violations import Violations
from harness.observation import Fault

DTYPES = (torch.bool, torch.uint8, torch.float16, torch.bfloat16, torch.int32, torch.float64, torch.complex64)


@pytest.fixture
def violations() -> Violations:
    return Violations()


@pytest.fixture
def fences(violations: Violations) -> Fences:
    return Fences(violations)


@pytest.mark.parametrize("dtype", DTYPES)
@given(shape=st.lists(st.integers(1, 5), max_size=3), reverse=st.booleans())
def test_a_fenced_tensor_is_like_any_other(dtype: torch.dtype, shape: list[int], reverse: bool) -> None:
    like = torch.empty(shape, dtype=dtype, device="meta")
    like = like.permute(*reversed(range(len(shape)))) if reverse and shape else like
    tensor = Fences(Violations()).allocate(like, "tensor")
    assert (tensor.dtype, tensor.shape, tensor.stride()) == (like.dtype, like.shape, like.stride())
    assert tensor.storage_offset() == 0 and tensor.data_ptr() % ALIGNMENT == 0
    assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    assert not tensor.any() and tensor.is_leaf and not tensor.requires_grad


@pytest.mark.parametrize(
    ("offset", "length", "first", "last", "count"),
    [(16, 1, 4, 4, 1), (-8, 8, -2, -1, 2), (12, 12, 4, 5, 2), (16 + RED_ZONE_BYTES - 1, 1, 131, 131, 1)],
)
def test_damage_is_told_in_elements(
    violations: Violations, fences: Fences, offset: int, length: int, first: int, last: int, count: int
) -> None:
    tensor = fences.allocate(torch.empty(4, device="meta"), "table")
    ctypes.memset(tensor.data_ptr() + offset, 1, length)
    fences.check()
    fences.check()
    expected = Fault(kind="oob-write", buffer="table", numel=4, first=first, last=last, count=count)
    assert list(violations.faults()) == [expected]


def test_damage_is_blamed_on_the_launch_it_was_found_after(violations: Violations, fences: Fences) -> None:
    tensor = fences.allocate(torch.empty(4, device="meta"), "table")
    ctypes.memset(tensor.data_ptr() + 16, 1, 4)
    fences.check_some([tensor[1:]], "fill")
    fences.check()
    assert [fault.kernel for fault in violations.faults()] == ["fill"]


def test_freed_memory_is_looked_at_a_last_time(violations: Violations, fences: Fences) -> None:
    tensor = fences.allocate(torch.empty(4, device="meta"), "scratch")
    ctypes.memset(tensor.data_ptr() + 16, 1, 4)
    assert list(violations.faults()) == []
    del tensor
    assert [fault.buffer for fault in violations.faults()] == ["scratch"]


def test_memory_lives_as_long_as_a_view_of_it(violations: Violations, fences: Fences) -> None:
    row = fences.allocate(torch.empty(2, 4, device="meta"), "rows")[1]
    row.fill_(3)
    fences.check()
    assert row.tolist() == [3, 3, 3, 3] and list(violations.faults()) == []
    assert fences.name_of(row) == "rows"


def test_released_memory_is_torchs_own(fences: Fences) -> None:
    tensor = fences.allocate(torch.empty(4, device="meta"), "rows")
    tensor.fill_(2)
    view = tensor.data_ptr()
    fences.release(tensor)
    assert tensor.tolist() == [2, 2, 2, 2] and tensor.data_ptr() != view
    assert tensor.resize_(100).numel() == 100
    assert fences.notes() == ["1 allocations without a fence: resized by the code under test"]


def test_a_fenced_tensor_can_be_shared(fences: Fences) -> None:
    tensor = fences.allocate(torch.empty(4, device="meta"), "rows")
    tensor.fill_(2)
    assert tensor.share_memory_().is_shared() and tensor.tolist() == [2, 2, 2, 2]


REFUSED = """
from harness.memory.fences import Block
try:
    Block(1 << 60, 4, "table", lambda block: None)
except MemoryError:
    print("refused")
"""
KEPT = """
import ctypes, torch
from harness.memory.fences import Fences
from harness.memory.violations import Violations

class Told(Violations):
    def access(self, *args):
        print("looked at exit")

class Owner: ...

owner = Owner()
owner.itself, owner.tensor = owner, Fences(Told()).allocate(torch.empty(4, device="meta"), "table")
ctypes.memset(owner.tensor.data_ptr() + 16, 1, 4)
print("kept")
"""


@pytest.mark.parametrize(("script", "said"), [(REFUSED, "refused\n"), (KEPT, "kept\n")])
def test_the_end_of_a_block_is_silent_where_nobody_can_be_told(script: str, said: str) -> None:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
