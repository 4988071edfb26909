"""Small kernels, compiled for both chips and run here, against torch and against Triton's interpreter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from harness.errors import Unsupported
from harness.facts import Platform
from harness.gcn.launches import Emulation, emulated
from harness.host.targets import Target
from harness.memory.lanes import LaneChecks, checked
from harness.memory.violations import Violations
from harness.tests.gcn.kernels import (
    ADD,
    ADD_INTERPRETED,
    COPY,
    COPY_INTERPRETED,
    GATHER,
    GATHER_INTERPRETED,
    HALVES,
    MIXED,
    PRODUCT,
    SUMS,
    SUMS_INTERPRETED,
    THIRDS,
    TOTAL,
)

CHIPS = ("gfx942", "gfx950")


@pytest.fixture(autouse=True, scope="module")
def _compiled_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_CACHE_DIR", str(tmp_path_factory.mktemp("triton")))
        yield


@contextmanager
def _on(chip: str) -> Iterator[Emulation]:
    target = Target(Platform.parse(f"rocm-{chip}"))
    emulation = Emulation(target, Violations(), [], lambda name: None, lambda name, tensors: None)
    with emulated(emulation):
        yield emulation


def _interpreted(
    kernel: Any, grid: tuple[int, ...], *args: Any, **constants: Any
) -> tuple[Violations, list[Any]]:
    strays, events = Violations(), []  # type: ignore[var-annotated]
    with checked(LaneChecks(strays, events, lambda name: None, lambda name, tensors: None)):
        kernel[grid](*args, **constants)
    return strays, events


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.int32, torch.int64, torch.float16, torch.int8])
def test_sum_of_two(chip: str, dtype: torch.dtype) -> None:
    x, y = (torch.arange(700).to(dtype) * factor for factor in (1, 3))
    out = torch.zeros(700, dtype=dtype)
    with _on(chip) as emulation:
        ADD[(3,)](x, y, out, 700, BLOCK=256)
    assert torch.equal(out, x + y)
    assert not list(emulation.violations.faults())
    assert emulation.runs[0][1].waves == 12


@pytest.mark.parametrize("chip", CHIPS)
def test_trace_is_that_of_the_interpreter(chip: str) -> None:
    x, y, one, two = torch.arange(700), torch.arange(700), torch.zeros(700).long(), torch.zeros(700).long()
    _, events = _interpreted(ADD_INTERPRETED, (3,), x, y, one, 700, BLOCK=256)
    with _on(chip) as emulation:
        ADD[(3,)](x, y, two, 700, BLOCK=256)
    assert emulation.events is not None
    told, expected = (dict(e) for e in (emulation.events[0], events[0]))
    for event in (told, expected):
        event["args"]["out"].pop("buffer")
        for argument in event["args"].values():
            argument.pop("read", None)  # a compiler leaves out what nobody uses
        assert event["args"]["out"]["written"] == [0, 699]
    assert told == expected


@pytest.mark.parametrize("chip", CHIPS)
def test_stray_lanes_are_those_of_the_interpreter(chip: str) -> None:
    table, rows = (
        torch.arange(40, dtype=torch.int32),
        torch.tensor([0, 1, 9, 10, 11, -1, 5], dtype=torch.int64),
    )
    out = torch.zeros(5, dtype=torch.int32)
    strays, _ = _interpreted(GATHER_INTERPRETED, (1,), table, rows, out.clone(), 7, 4, BLOCK=128)
    with _on(chip) as emulation:
        GATHER[(1,)](table, rows, out, 7, 4, BLOCK=128)
    faults = list(emulation.violations.faults())
    assert {fault.unseen() for fault in faults} != set()
    assert {(f.kind, f.numel, f.first, f.last, f.count) for f in faults} == {
        (f.kind, f.numel, f.first, f.last, f.count) for f in strays.faults()
    }
    assert {f.kind for f in faults} == {"oob-read", "oob-write"}
    assert "kernels.py:" in str(faults[0].seen)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int8])
@pytest.mark.parametrize("size", [16, 32])
def test_matrix_product(chip: str, dtype: torch.dtype, size: int) -> None:
    torch.manual_seed(size)
    x, y = (torch.randint(-8, 8, (size, 64)).to(dtype), torch.randint(-8, 8, (64, size)).to(dtype))
    out = torch.zeros(size, size, dtype=torch.int32 if dtype is torch.int8 else torch.float32)
    with _on(chip) as emulation:
        PRODUCT[(1,)](x, y, out, M=size, N=size, K=64)
    assert torch.equal(out.double(), x.double() @ y.double())
    assert any(opcode.startswith("v_mfma") for opcode in emulation.runs[0][1].opcodes)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.float32])
def test_reduction_through_lanes_and_the_local_share(chip: str, dtype: torch.dtype) -> None:
    x = (torch.arange(1000) * 37 % 501).to(dtype)
    out = torch.zeros(2, dtype=dtype)
    with _on(chip) as emulation:
        TOTAL[(1,)](x, out, 1000, BLOCK=1024)
    assert out.tolist() == [x.sum().item(), x.max().item()]
    assert not emulation.runs[0][1].hazards


@pytest.mark.parametrize("chip", CHIPS)
def test_kernel_that_cannot_be_run_is_named_and_touches_nothing(chip: str) -> None:
    out = torch.zeros(4, dtype=torch.int32)
    with pytest.raises(Unsupported, match=f"_thirds on {chip}: .*v_div_scale_f64"), _on(chip) as emulation:
        THIRDS[(1,)](out, BLOCK=64)
    assert out.tolist() == [0] * 4
    assert emulation.runs == []


@pytest.mark.parametrize("chip", CHIPS)
def test_atomics_are_those_of_the_interpreter(chip: str) -> None:
    x = torch.arange(300, dtype=torch.int32) * 3 - 100
    ours, theirs = ((torch.zeros(6, dtype=torch.int32), torch.ones_like(x)) for _ in range(2))
    strays, _ = _interpreted(SUMS_INTERPRETED, (2,), x, *theirs, 300, BLOCK=256)
    with _on(chip) as emulation:
        SUMS[(2,)](x, *ours, 300, BLOCK=256)
    opcodes = emulation.runs[0][1].opcodes
    assert sum(times for opcode, times in opcodes.items() if "_atomic_" in opcode) > 0
    assert all(torch.equal(one, two) for one, two in zip(ours, theirs, strict=True))
    assert ours[0].tolist()[4:] == [797, 7]
    assert not list(emulation.violations.faults()) and not list(strays.faults())
    assert not emulation.runs[0][1].hazards


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.int16])
def test_packed_halves(chip: str, dtype: torch.dtype) -> None:
    x, y = ((torch.arange(1024) % n - n // 2).to(dtype) for n in (13, 7))
    out = torch.zeros(1024, dtype=dtype)
    with _on(chip) as emulation:
        HALVES[(1,)](x, y, out, 1024, BLOCK=1024)
    assert torch.equal(out, torch.maximum((x * y + x) * y - x, y))
    assert any(opcode.startswith("v_pk_") and "16" in opcode for opcode in emulation.runs[0][1].opcodes)


@pytest.mark.parametrize("chip", CHIPS)
def test_products_of_mixed_sizes(chip: str) -> None:
    x, y = ((torch.arange(200) % n - n // 2).to(torch.float16) for n in (13, 7))
    out = torch.zeros(200, dtype=torch.float16)
    with _on(chip) as emulation:
        MIXED[(1,)](x, y, out, 200, BLOCK=256)
    assert torch.equal(out, (x.float() * y.float() + x.float()).half())
    assert any(opcode.startswith("v_fma_mix") for opcode in emulation.runs[0][1].opcodes)


def test_innermost_emulation_has_the_launch() -> None:
    x, out = torch.arange(16), torch.zeros(16).long()
    with _on("gfx942") as outer, _on("gfx950") as inner:
        ADD[(1,)](x, x, out, 16, BLOCK=64)
    assert (len(outer.runs), len(inner.runs)) == (0, 1)


def test_rows_of_a_wider_buffer_are_not_left_unseen() -> None:
    whole = torch.zeros(8, 8, dtype=torch.int64)
    x = torch.arange(64)
    with _on("gfx942") as emulation:
        ADD[(1,)](x, x, whole[:, :4], 8, BLOCK=64)
    (fault,) = emulation.violations.faults()
    assert (fault.kind, fault.first, fault.last, fault.count) == ("oob-write", 4, 7, 4)


@pytest.mark.parametrize("order", [(8, 100), (100, 8)])
def test_tensors_are_found_in_the_order_of_the_table(order: tuple[int, int]) -> None:
    """Not in that of their addresses, which differs from run to run."""
    memory = torch.arange(200, dtype=torch.int32)
    pools = {8: memory[8:48], 100: memory[100:112]}
    table = torch.tensor([pools[at].data_ptr() for at in order], dtype=torch.uint64)
    with _on("gfx942") as emulation:
        COPY[(1,)](table, 12, BLOCK=64)
    assert emulation.events is not None
    (event,) = emulation.events
    assert [one["shape"] for one in event["reached"]] == [list(pools[at].shape) for at in order]


@pytest.mark.parametrize("chip", CHIPS)
def test_table_of_addresses_leads_to_live_tensors(chip: str) -> None:
    """A kernel that is given addresses: each is judged by the tensor that lies there."""
    pools = [torch.arange(40, dtype=torch.int32), torch.zeros(12, dtype=torch.int32)]
    table = torch.tensor([pool.data_ptr() for pool in pools], dtype=torch.uint64)
    strays, events = _interpreted(COPY_INTERPRETED, (1,), table, 12, BLOCK=64)
    pools[1].zero_()
    with _on(chip) as emulation:
        COPY[(1,)](table, 12, BLOCK=64)
    assert pools[1].tolist() == list(range(12))
    assert emulation.events is not None
    reached = [[one["shape"] for one in event["reached"]] for event in (*emulation.events, *events)]
    assert reached == [[[40], [12]], [[40], [12]]]
    with _on(chip) as emulation:
        COPY[(1,)](table, 15, BLOCK=64)
    (fault,) = emulation.violations.faults()
    assert (fault.kind, fault.first, fault.last, fault.count, fault.numel) == ("oob-write", 12, 14, 3, 12)
    assert not list(strays.faults())
    assert table.tolist() == [pool.data_ptr() for pool in pools]
