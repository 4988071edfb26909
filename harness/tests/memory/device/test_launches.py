from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
import triton
import triton.language as tl
from triton.runtime.jit import JITFunction

from harness.errors import DeviceGone
from harness.memory.device import launches
from harness.memory.device.launches import Launches
from harness.memory.violations import Violations


def fill(out, n, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]  # a kernel; it is never compiled here
    """Stands for any kernel."""


KERNEL = JITFunction(fill)
Call = Callable[..., Any]


class Bench:
    """What a launch tells; `call` stands for Triton's own launcher, which needs a GPU."""

    def __init__(self, call: Call = lambda *args, **kwargs: None) -> None:
        self.call = call
        self.events: list[dict[str, Any]] = []
        self.entered: list[str] = []
        self.after: list[tuple[str, int]] = []
        self.violations = Violations()
        self.launches = Launches(
            self.violations,
            self.events,
            self.entered.append,
            lambda name, all: self.after.append((name, len(all))),
        )

    def launch(self, *args: Any, **kwargs: Any) -> Any:
        named = {"grid": (2,), "warmup": False, **kwargs}
        return self.launches.run(self.call, KERNEL, args, named, sys._getframe())


def test_a_launch_is_told_with_its_arguments() -> None:
    bench, counters = Bench(), torch.zeros(4, dtype=torch.int32)
    bench.launch(counters, 4, BLOCK=8, num_warps=1)
    assert bench.entered == ["fill"] and bench.after == [("fill", 1)]
    assert bench.events == [
        {
            "event": "launch",
            "kernel": "fill",
            "grid": [2, 1, 1],
            "scalars": {"n": 4},
            "args": {"out": {"buffer": "counters", "dtype": "int32", "shape": [4]}},
        }
    ]


def test_a_grid_may_be_asked_for() -> None:
    bench = Bench()
    bench.launch(torch.zeros(4), 4, BLOCK=2, grid=lambda given: (given["n"] // given["BLOCK"], 3))
    assert bench.events[0]["grid"] == [2, 3, 1]


def test_a_write_into_the_neighbour_is_told() -> None:
    pool = torch.zeros(8, dtype=torch.int32)
    keys = pool[:4]
    bench = Bench(lambda *args, **kwargs: pool[3:6].fill_(1))
    bench.launch(keys, 6, BLOCK=8)
    said = [fault.signature for fault in bench.violations.faults()]
    assert said == ["oob-write into keys by fill numel=4 first=4 last=5 count=2"]


def test_an_error_that_ends_the_device_names_the_kernel() -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    bench = Bench(refuse)
    with pytest.raises(DeviceGone, match="an illegal memory access was encountered in fill"):
        bench.launch(torch.zeros(4), 4, BLOCK=8)
    assert bench.events and not bench.after


def test_other_errors_pass_as_they_are() -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("0 active drivers")

    with pytest.raises(RuntimeError, match="0 active drivers"):
        Bench(refuse).launch(torch.zeros(4), 4, BLOCK=8)


def test_the_launcher_is_given_back() -> None:
    original = JITFunction.run
    with launches.checked(Bench().launches):
        assert JITFunction.run is not original
    assert JITFunction.run is original
    assert triton.runtime.jit.JITFunction.run is original
