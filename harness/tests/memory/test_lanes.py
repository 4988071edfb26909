from __future__ import annotations

import gc
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from triton.runtime import interpreter

from harness.errors import Unresolved
from harness.memory.lanes import PATCHES
from harness.memory.oracle import Oracle
from harness.tests.memory import battery_kernels as kernels

HERE = Path(__file__).parent


def watched(call: Callable[[], Any]) -> Oracle:
    oracle = Oracle()
    with oracle.watching(HERE, entered=lambda kernel: None):
        call()
    return oracle


def test_a_launch_leaves_an_event() -> None:
    def run() -> None:
        source, out = torch.arange(8, dtype=torch.int32), torch.zeros(8, dtype=torch.int32)
        kernels.shift[(1,)](out, source, 4, 2, BLOCK=8)

    oracle = watched(run)
    assert list(oracle.trace()) == [
        {
            "event": "launch",
            "kernel": "shift",
            "grid": [1],
            "scalars": {"n": 4, "by": 2, "BLOCK": 8},
            "args": {
                "out": {
                    "buffer": "out",
                    "dtype": "int32",
                    "shape": [8],
                    "written": [0, 3],
                    "wrote": {"values": [2, 3, 4, 5]},
                },
                "source": {"buffer": "source", "dtype": "int32", "shape": [8], "read": [2, 5]},
            },
        }
    ]


@pytest.mark.parametrize("elements", [4, 3])
def test_buffers_made_and_frozen_after_other_launches_are_known(elements: int) -> None:
    def run() -> None:
        first = [torch.zeros(4)]
        kernels.fill_tables[(1,)](torch.tensor([first[0].data_ptr()]), 4, BLOCK=4)
        layers = [torch.zeros(4), torch.zeros(elements)]
        gc.freeze()
        try:
            addresses = torch.tensor([layer.data_ptr() for layer in layers])
            kernels.fill_tables[(2,)](addresses, 4, BLOCK=4)
        finally:
            gc.unfreeze()

    oracle = watched(run)
    found = [(fault.kind, fault.buffer, fault.first, fault.count) for fault in oracle.violations.faults()]
    assert found == ([] if elements == 4 else [("oob-write", "layers[1]", 3, 1)])
    assert [one["buffer"] for one in oracle.trace()[-1]["reached"]] == ["layers[0]", "layers[1]"]


def test_buffers_behind_addresses_are_in_the_event() -> None:
    def run() -> None:
        layers = [torch.zeros(4), torch.zeros(4)]
        kernels.fill_tables[(2,)](torch.tensor([layer.data_ptr() for layer in layers]), 4, BLOCK=4)

    (event,) = watched(run).trace()
    assert [(one["buffer"], one["written"]) for one in event["reached"]] == [
        ("layers[0]", [0, 3]),
        ("layers[1]", [0, 3]),
    ]


@pytest.mark.parametrize(("elements", "faults"), [(4, []), (3, [("oob-write", "layers[1]", 3, 1)])])
def test_buffers_behind_addresses_are_known_after_the_collector_froze_them(
    elements: int, faults: list[tuple[str, str, int, int]]
) -> None:
    def run() -> None:
        layers = [torch.zeros(4), torch.zeros(elements)]
        addresses = torch.tensor([layer.data_ptr() for layer in layers])
        gc.freeze()
        try:
            kernels.fill_tables[(2,)](addresses, 4, BLOCK=4)
        finally:
            gc.unfreeze()

    found = watched(run).violations.faults()
    assert [(fault.kind, fault.buffer, fault.first, fault.count) for fault in found] == faults


def test_the_place_of_a_fault_is_told() -> None:
    def run() -> None:
        out = torch.zeros(20, dtype=torch.int32)
        kernels.fill[(2,)](out, 21, BLOCK=16)

    line = next(
        n
        for n, text in enumerate(Path(kernels.__file__).read_text(encoding="utf-8").splitlines(), 1)
        if "tl.store" in text
    )
    (fault,) = watched(run).violations.faults()
    assert fault.seen and fault.seen.place == f"fill:{line}, argument out, program (1, 0, 0)"


def test_kernels_are_told_as_they_are_entered() -> None:
    entered: list[str] = []
    with Oracle().watching(HERE, entered=entered.append):
        kernels.store_one[(1,)](torch.zeros(1), 0, 1.0)
        kernels.store_one[(1,)](torch.zeros(1), 0, 1.0)
    assert entered == ["store_one", "store_one"]


def test_a_kernel_that_raises_leaves_its_event_and_nothing_else() -> None:
    oracle = Oracle()
    with oracle.watching(HERE, entered=lambda kernel: None):
        with pytest.raises(interpreter.InterpreterError):
            kernels.fill_asserted[(1,)](torch.zeros(4, dtype=torch.int32), 4, 2, BLOCK=4)
        kernels.store_one[(1,)](torch.zeros(1), 0, 1.0)
    assert [event["kernel"] for event in oracle.trace()] == ["fill_asserted", "store_one"]


def test_inactive_lanes_may_point_anywhere() -> None:
    def run() -> None:
        out = torch.zeros(3, dtype=torch.int32)
        kernels.fill[(1,)](out, 3, BLOCK=1024)

    assert list(watched(run).violations.faults()) == []


def test_stray_stores_reach_no_memory() -> None:
    pool = torch.zeros(64, dtype=torch.int32)
    watched(lambda: kernels.fill[(1,)](pool[:16], 32, BLOCK=32))
    assert pool[16:].tolist() == [0] * 48 and pool[15] == 15


@pytest.mark.parametrize("numel", [7, 8])
def test_overlapping_elements_are_no_gaps(numel: int) -> None:
    def run() -> None:
        row = torch.arange(4, dtype=torch.int32).expand(2, 4)
        kernels.shift[(1,)](torch.zeros(4, dtype=torch.int32), row, min(numel, 4), 0, BLOCK=8)

    assert list(watched(run).violations.faults()) == []


def test_the_interpreter_is_as_before_afterwards() -> None:
    def state() -> list[Any]:
        builder = interpreter.InterpreterBuilder
        return [
            interpreter._implicit_cvt,
            builder.create_addptr,
            builder.create_masked_load,
            interpreter.interpreter_builder.options,
        ]

    before = state()
    oracle = Oracle()
    with pytest.raises(ZeroDivisionError), oracle.watching(HERE, entered=lambda kernel: None):
        assert state() != before
        _ = 1 / 0
    assert state() == before


def test_every_patch_names_something_that_exists() -> None:
    for patch in PATCHES:
        target: Any = interpreter
        for part in patch.removeprefix("triton.runtime.interpreter.").split("."):
            target = getattr(target, part)
    assert len(PATCHES) == len(set(PATCHES))


def test_an_argument_that_moves_is_no_fault_of_the_kernel() -> None:
    class Restless:
        """A tensor that is somewhere else whenever it is asked."""

        base = torch.zeros(8)
        dtype, shape = base.dtype, base.shape
        asked = 0

        def data_ptr(self) -> int:
            Restless.asked += 1
            return self.base.data_ptr() + Restless.asked

    from harness.memory.handles import Arguments
    from harness.memory.lanes import LaneChecks
    from harness.memory.launch import Launch
    from harness.memory.names import Bindings
    from harness.memory.violations import Violations
    from harness.memory.windows import Argument

    checks = LaneChecks(Violations(), [], lambda kernel: None, lambda kernel, tensors: None)
    arguments = [Argument("x", Restless.base, "x")]
    checks._launch = Launch("kernel", "file", [1], {}, arguments, Bindings(None))
    with pytest.raises(Unresolved, match="not where its launch said"):
        checks.convert(Arguments(lambda value: value), Restless())


def test_of_a_table_that_is_only_reserved_a_launch_tells_what_it_stored() -> None:
    """2 GiB, of which the first row and the last are written: nothing between them is touched."""
    rows, table = torch.tensor([0, (1 << 27) - 1]), torch.empty(1 << 27, 4, dtype=torch.int32)
    values = torch.arange(8, dtype=torch.int32).reshape(2, 4)
    before = resident()
    oracle = watched(lambda: kernels.put_rows[(2,)](table, rows, values, 4, BLOCK=4))
    told = oracle.trace()[0]["args"]["table"]
    assert told["written"] == [0, (1 << 29) - 1] and told["wrote"] == {"values": list(range(8))}
    assert resident() - before < 256 << 20


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_what_lies_on_the_cpu_is_not_copied_onto_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[Any] = []
    monkeypatch.setattr(torch.UntypedStorage, "copy_", lambda self, source: copied.append(source))
    out = torch.zeros(8, dtype=torch.int32)
    watched(lambda: kernels.fill[(1,)](out, 8, BLOCK=8))
    assert out.tolist() == list(range(8)) and not copied
    kernels.fill[(1,)](out, 8, BLOCK=8)
    assert copied  # so that the interpreter still does what is left out here


def test_what_a_kernel_does_first_has_the_interpreters_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []

    def hook(*given: Any, **named: Any) -> None:
        seen.append(given[0])

    out = torch.zeros(8, dtype=torch.int32)
    monkeypatch.setattr(kernels.fill, "pre_run_hooks", [hook])
    watched(lambda: kernels.fill[(1,)](out, 8, BLOCK=8))
    assert out.tolist() == list(range(8))
    assert len(seen) == 1 and seen[0] is not out and seen[0].data_ptr() == out.data_ptr()
