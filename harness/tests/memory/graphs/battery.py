"""Programs that use CUDA graphs wrongly, each with its correct twin.

A program is a function of a machine and of `planted`: with True it has the defect. It is written as code
under test would be, knows nothing of the oracle, and runs on a GPU as it is. All numbers are exact in their
types, so that a device and a CPU agree in every bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist

from harness.memory.graphs.liveness import FREED
from harness.memory.undefined import UNINITIALISED
from harness.tests.memory.graphs import kernels
from harness.tests.memory.machines import Machine

Outputs = Mapping[str, Any]
CAPTURING = "operation not permitted when stream is capturing"


class OnDevice(StrEnum):
    """What a device makes of the defect."""

    BITS = "the same bits"
    REFUSED = "refused"
    UNDEFINED = "undefined"
    """It reads or writes memory that is somebody else's, or nobody's."""
    ASSERTS = "device assertion"


@dataclass(frozen=True)
class Program:
    """One entry of the battery; `expected` are the signatures of the faults that the emulation tells."""

    name: str
    plants: str
    run: Callable[[Machine, bool], Outputs]
    expected: tuple[str, ...]
    on_device: OnDevice


PROGRAMS: list[Program] = []

Run = Callable[[Machine, bool], Outputs]


def program(plants: str, *expected: str, on_device: OnDevice = OnDevice.BITS) -> Callable[[Run], Run]:
    def add(run: Run) -> Run:
        PROGRAMS.append(Program(run.__name__, plants, run, expected, on_device))
        return run

    return add


# --- values that a replay does not see ------------------------------------------------------


@program(
    "rows of padding keep the slots of an earlier batch", "wrong-value pool numel=7 first=3 last=4 count=2"
)
def stale_padding(machine: Machine, planted: bool) -> Outputs:
    pool = torch.zeros(8, device=machine.device)
    slots = torch.zeros(4, dtype=torch.int64, device=machine.device)
    values = torch.zeros(4, device=machine.device)
    graph, _ = machine.captured(lambda: pool.index_copy_(0, slots, values))
    for batch in ([2, 3, 4, 5], [6, 7]):
        if not planted:
            slots.zero_()
        slots[: len(batch)] = torch.tensor(batch, device=machine.device)
        values.copy_(torch.arange(4.0, device=machine.device) + 10 * len(batch))
        graph.replay()
    return {"pool": pool[1:]}


@program(
    "a number of Python's is what it was at the capture", "wrong-value out numel=4 first=0 last=3 count=4"
)
def python_value_frozen(machine: Machine, planted: bool) -> Outputs:
    x = torch.ones(4, device=machine.device)
    step, on_device = [1], torch.ones((), device=machine.device)
    graph, out = machine.captured(lambda: x * (step[0] if planted else on_device))
    step[0] = 3
    on_device.fill_(3)
    graph.replay()
    return {"out": out}


@program(
    "a branch is the one that was taken at the capture", "wrong-value out numel=4 first=0 last=3 count=4"
)
def branch_frozen(machine: Machine, planted: bool) -> Outputs:
    x, flag = torch.ones(4, device=machine.device), [True]
    chosen = torch.ones((), dtype=torch.bool, device=machine.device)

    def region() -> Any:
        if planted:
            return x + 1 if flag[0] else x - 1
        return torch.where(chosen, x + 1, x - 1)

    graph, out = machine.captured(region)
    flag[0] = False
    chosen.fill_(False)
    graph.replay()
    return {"out": out}


@program("a slice is as long as it was at the capture", "wrong-value total numel=1 first=0 last=0 count=1")
def length_frozen(machine: Machine, planted: bool) -> Outputs:
    keys = torch.arange(8.0, device=machine.device)
    length, places = torch.tensor(3, device=machine.device), torch.arange(8, device=machine.device)
    longest = [3]

    def region() -> Any:
        if planted:
            return keys[: longest[0]].sum()
        return torch.where(places < length, keys, 0.0).sum()

    graph, total = machine.captured(region)
    longest[0] = 6
    length.fill_(6)
    graph.replay()
    return {"total": total.reshape(1)}


@program("a store goes to the row of the capture", "wrong-value pool numel=12 first=0 last=8 count=6")
def row_frozen(machine: Machine, planted: bool) -> Outputs:
    pool, source = torch.zeros(4, 3, device=machine.device), torch.ones(3, device=machine.device)
    row, place = [0], torch.zeros(1, dtype=torch.int64, device=machine.device)

    def region() -> None:
        if planted:
            pool[row[0]].copy_(source)
        else:
            pool.index_copy_(0, place, source[None])

    graph, _ = machine.captured(region)
    pool.zero_()
    row[0] = 2
    place.fill_(2)
    graph.replay()
    return {"pool": pool}


@program("a kernel has the grid of the capture", "wrong-value out numel=8 first=4 last=7 count=4")
def grid_frozen(machine: Machine, planted: bool) -> Outputs:
    x, out = torch.ones(8, device=machine.device), torch.zeros(8, device=machine.device)
    batch = [1]

    def region() -> None:
        kernels.double[(batch[0] if planted else 2,)](x, out, 8, BLOCK=4)

    graph, _ = machine.captured(region)
    batch[0] = 2
    out.zero_()
    graph.replay()
    return {"out": out}


@program("a kernel has the scalar of the capture", "wrong-value out numel=8 first=2 last=7 count=6")
def scalar_frozen(machine: Machine, planted: bool) -> Outputs:
    x, out = torch.ones(8, device=machine.device), torch.zeros(8, device=machine.device)
    tokens = [2]
    graph, _ = machine.captured(lambda: kernels.double[(2,)](x, out, tokens[0] if planted else 8, BLOCK=4))
    tokens[0] = 8
    out.zero_()
    graph.replay()
    return {"out": out}


@program("noise is drawn before the capture", "wrong-value fresh numel=1 first=0 last=0 count=1")
def noise_frozen(machine: Machine, planted: bool) -> Outputs:
    x = torch.zeros(64, device=machine.device)
    torch.manual_seed(3)
    noise = torch.rand(64, device=machine.device)
    graph, out = machine.captured(lambda: x + (noise if planted else torch.rand(64, device=machine.device)))
    graph.replay()
    first = out.clone()
    graph.replay()
    return {"fresh": (first != out).any().reshape(1)}


@program("what is to be zero at each step is zeroed once", "wrong-value sums numel=4 first=0 last=3 count=4")
def zeroed_once(machine: Machine, planted: bool) -> Outputs:
    sums, x = torch.zeros(4, device=machine.device), torch.ones(4, device=machine.device)

    def region() -> None:
        if not planted:
            sums.zero_()
        sums.add_(x)

    graph, _ = machine.captured(region)
    sums.zero_()
    for _ in range(3):
        graph.replay()
    return {"sums": sums}


# --- memory that is not the one meant -------------------------------------------------------


@program("a buffer is made anew, and the old one is kept", "wrong-value out numel=4 first=0 last=3 count=4")
def buffer_rebound(machine: Machine, planted: bool) -> Outputs:
    held = SimpleNamespace(table=torch.ones(4, device=machine.device))
    old = held.table
    graph, out = machine.captured(lambda: held.table * 2)
    if planted:
        held.table = torch.full((4,), 5.0, device=machine.device)
    else:
        held.table.fill_(5.0)
    graph.replay()
    return {"out": out, "kept": torch.tensor([old.numel()])}


@program(
    "a buffer is made anew, and the old one is freed",
    f"oob-read from table by mul numel=4 ({FREED})",
    f"nan out numel=4 first=0 last=3 count=4 ({UNINITIALISED})",
    on_device=OnDevice.UNDEFINED,
)
def buffer_reallocated(machine: Machine, planted: bool) -> Outputs:
    held = SimpleNamespace(table=torch.ones(4, device=machine.device))
    graph, out = machine.captured(lambda: held.table * 2)
    if planted:
        held.table = torch.full((4,), 5.0, device=machine.device)
    else:
        held.table.fill_(5.0)
    graph.replay()
    return {"out": out}


@program(
    "an input goes with the function that made it",
    f"oob-read from weights by mul numel=4 ({FREED})",
    f"nan out numel=4 first=0 last=3 count=4 ({UNINITIALISED})",
    on_device=OnDevice.UNDEFINED,
)
def input_freed(machine: Machine, planted: bool) -> Outputs:
    kept: list[torch.Tensor] = []

    def set_up() -> tuple[Any, Any]:
        weights = torch.arange(4.0, device=machine.device)
        if not planted:
            kept.append(weights)
        return machine.captured(lambda: weights * 2)

    graph, out = set_up()
    graph.replay()
    return {"out": out}


@program(
    "a graph writes memory that was freed",
    f"oob-write into log by copy_ numel=4 ({FREED})",
    on_device=OnDevice.UNDEFINED,
)
def output_freed(machine: Machine, planted: bool) -> Outputs:
    held = SimpleNamespace(log=torch.zeros(4, device=machine.device))
    x = torch.ones(4, device=machine.device)

    def region() -> Any:
        held.log.copy_(x)
        return x + 1

    graph, out = machine.captured(region)
    if planted:
        held.log = None
    graph.replay()
    return {"out": out}


@program("a view outlives the buffer that it was taken of", "wrong-value pool numel=6 first=2 last=3 count=2")
def view_of_the_old_buffer(machine: Machine, planted: bool) -> Outputs:
    held = SimpleNamespace(pool=torch.zeros(3, 2, device=machine.device))
    held.row = held.pool[1]
    x = torch.ones(2, device=machine.device)
    graph, _ = machine.captured(lambda: held.row.copy_(x).add_(held.row))
    if planted:
        held.pool = torch.zeros(3, 2, device=machine.device)
    graph.replay()
    return {"pool": held.pool}


@program("a result is kept across replays", "wrong-value first numel=2 first=0 last=1 count=2")
def output_kept(machine: Machine, planted: bool) -> Outputs:
    x = torch.zeros(2, device=machine.device)
    graph, out = machine.captured(lambda: x * 10)
    seen = []
    for value in (1, 2):
        x.fill_(value)
        graph.replay()
        seen.append(out if planted else out.clone())
    return {"first": seen[0], "second": seen[1]}


@program("a view of a result is kept across replays", "wrong-value last numel=2 first=0 last=1 count=2")
def view_kept(machine: Machine, planted: bool) -> Outputs:
    x = torch.zeros(2, 2, device=machine.device)
    graph, out = machine.captured(lambda: (x + 1).t())
    x.fill_(1)
    graph.replay()
    last = out[:, 1] if planted else out[:, 1].clone()
    x.fill_(2)
    graph.replay()
    return {"last": last}


@program("a graph's input is filled after its replay", "wrong-value out numel=2 first=0 last=1 count=2")
def filled_late(machine: Machine, planted: bool) -> Outputs:
    x = torch.zeros(2, device=machine.device)
    graph, out = machine.captured(lambda: x + 1)
    if planted:
        graph.replay()
    x.fill_(4)
    if not planted:
        graph.replay()
    return {"out": out}


@program("the buffers of another batch size are filled", "wrong-value out numel=2 first=0 last=1 count=2")
def filled_elsewhere(machine: Machine, planted: bool) -> Outputs:
    inputs = {size: torch.zeros(size, device=machine.device) for size in (2, 4)}
    made = {size: machine.captured(functools.partial(torch.mul, inputs[size], 3)) for size in inputs}
    inputs[4 if planted else 2][:2].fill_(2)
    graph, out = made[2]
    graph.replay()
    return {"out": out}


@program(
    "a graph is replayed without the one whose result it reads",
    "wrong-value out numel=2 first=0 last=1 count=2",
)
def predecessor_skipped(machine: Machine, planted: bool) -> Outputs:
    x = torch.ones(2, device=machine.device)
    first, middle = machine.captured(lambda: x + 1)
    second, out = machine.captured(lambda: middle * 10, pool=first.pool())
    first.replay()
    x.fill_(6)
    if not planted:
        first.replay()
    second.replay()
    return {"out": out}


@program(
    "a result is taken before the first replay",
    f"nan out numel=2 first=0 last=1 count=2 ({UNINITIALISED})",
    on_device=OnDevice.UNDEFINED,
)
def taken_early(machine: Machine, planted: bool) -> Outputs:
    x = torch.ones(2, device=machine.device)
    graph, out = machine.captured(lambda: x + 1)
    if not planted:
        graph.replay()
    return {"out": out.clone()}


@program(
    "memory of the region's own is accumulated onto unwritten",
    f"nan sums numel=4 first=0 last=3 count=4 ({UNINITIALISED})",
    on_device=OnDevice.UNDEFINED,
)
def accumulated_onto_empty(machine: Machine, planted: bool) -> Outputs:
    x = torch.ones(4, device=machine.device)

    def region() -> Any:
        sums = (torch.empty if planted else torch.zeros)(4, device=machine.device)
        return sums.add_(x)

    graph, sums = machine.captured(region)
    graph.replay()
    graph.replay()
    return {"sums": sums}


# --- indices and lengths that are refilled --------------------------------------------------


@program(
    "an index buffer is refilled beyond the table",
    "index-range table by index_select numel=4 first=7 last=7 count=1",
    "oob-read from table by index_select numel=4 first=7 last=7 count=1",
    f"nan out numel=2 first=1 last=1 count=1 ({UNINITIALISED})",
    on_device=OnDevice.ASSERTS,
)
def index_refilled(machine: Machine, planted: bool) -> Outputs:
    table = torch.arange(4.0, device=machine.device)
    index = torch.tensor([0, 1], device=machine.device)
    graph, out = machine.captured(lambda: table.index_select(0, index))
    index.copy_(torch.tensor([2, 7 if planted else 3], device=machine.device))
    graph.replay()
    return {"out": out}


@program(
    "lengths are refilled beyond the buffer of the capture",
    "oob-write into indices by lay_out numel=6 first=6 last=7 count=2",
    on_device=OnDevice.UNDEFINED,
)
def lengths_refilled(machine: Machine, planted: bool) -> Outputs:
    held = SimpleNamespace(indices=torch.zeros(6, dtype=torch.int32, device=machine.device))
    lengths = torch.tensor([1, 1], dtype=torch.int32, device=machine.device)
    starts = torch.tensor([0, 3], dtype=torch.int32, device=machine.device)
    graph, _ = machine.captured(lambda: kernels.lay_out[(2,)](lengths, starts, held.indices, BLOCK=8))
    lengths.copy_(torch.tensor([3, 5 if planted else 3], dtype=torch.int32, device=machine.device))
    graph.replay()
    return {"indices": held.indices}


# --- what a capture refuses -----------------------------------------------------------------


@program(
    "a value is read while capturing",
    f"exception (CaptureError in host_read.<locals>.region: {CAPTURING}: aten._local_scalar_dense.default)",
    on_device=OnDevice.REFUSED,
)
def host_read(machine: Machine, planted: bool) -> Outputs:
    x = torch.tensor([0.0, 1.0, 2.0, 4.0], device=machine.device)

    def region() -> Any:
        return x / (x.max().item() if planted else x.max())

    graph, out = machine.captured(region)
    graph.replay()
    return {"out": out}


@program(
    "a shape depends on values",
    f"exception (CaptureError in shape_of_values.<locals>.region: {CAPTURING}: aten.nonzero.default)",
    on_device=OnDevice.REFUSED,
)
def shape_of_values(machine: Machine, planted: bool) -> Outputs:
    x = torch.tensor([0.0, 2.0, 0.0, 1.0], device=machine.device)

    def region() -> Any:
        if planted:
            return x[x.nonzero().reshape(-1)].sum()
        return torch.where(x != 0, x, 0.0).sum()

    graph, total = machine.captured(region)
    graph.replay()
    return {"total": total.reshape(1)}


@program(
    "a mask chooses what is read",
    f"exception (CaptureError in masked.<locals>.region: {CAPTURING}: aten.index.Tensor)",
    on_device=OnDevice.REFUSED,
)
def masked(machine: Machine, planted: bool) -> Outputs:
    x = torch.tensor([-1.0, 2.0], device=machine.device)

    def region() -> Any:
        return x[x > 0].sum() if planted else x.clamp(min=0).sum()

    graph, total = machine.captured(region)
    graph.replay()
    return {"total": total.reshape(1)}


@program(
    "the host's memory is copied while capturing",
    f"exception (CaptureError in host_copied.<locals>.region: {CAPTURING}: aten.copy_.default of a tensor in"
    " the host's memory)",
    on_device=OnDevice.REFUSED,
)
def host_copied(machine: Machine, planted: bool) -> Outputs:
    x, there = torch.zeros(2, device=machine.device), torch.tensor([1.0, 2.0], device=machine.device)

    def region() -> Any:
        x.copy_(torch.tensor([1.0, 2.0]) if planted else there)
        return x * 2

    graph, out = machine.captured(region)
    graph.replay()
    return {"out": out}


@program(
    "a refusal is caught, and the capture goes on",
    "exception (CaptureSpoiled in refusal_caught.<locals>.region: operation failed due to a previous error"
    " during capture: aten._local_scalar_dense.default)",
    on_device=OnDevice.REFUSED,
)
def refusal_caught(machine: Machine, planted: bool) -> Outputs:
    x = torch.ones(2, device=machine.device)

    def region() -> Any:
        try:
            longest = x.max().item() if planted else max(x.tolist())
        except RuntimeError:  # torch declines the twin's copy by itself, and the capture is none the worse
            longest = 1.0
        return x * longest

    graph, out = machine.captured(region)
    graph.replay()
    return {"out": out}


# --- collectives ----------------------------------------------------------------------------


@program("a collective's buffer is made anew", "wrong-value out numel=4 first=0 last=3 count=4")
def collective_rebound(machine: Machine, planted: bool) -> Outputs:
    dist.init_process_group(machine.backend, store=dist.HashStore(), rank=0, world_size=1)  # type: ignore[attr-defined]
    try:
        return _gathered(machine, planted)
    finally:
        dist.destroy_process_group()


def _gathered(machine: Machine, planted: bool) -> Outputs:
    held = SimpleNamespace(part=torch.ones(4, device=machine.device))
    first, whole = held.part, torch.zeros(4, device=machine.device)

    def region() -> Any:
        dist.all_reduce(held.part)
        dist.all_gather_into_tensor(whole, held.part)
        return whole + 1

    graph, out = machine.captured(region)
    if planted:
        held.part = torch.zeros(4, device=machine.device)
    held.part.fill_(7)
    graph.replay()
    return {"out": out.clone(), "kept": torch.tensor([first.numel()])}
