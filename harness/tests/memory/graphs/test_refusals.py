from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from harness.errors import CaptureError, CaptureSpoiled
from harness.memory.graphs import CUDAGraph, capturing, graph, refuse
from harness.tests.memory.graphs.capturing import captured

WAITING: dict[str, Callable[[torch.Tensor], Any]] = {
    "item": lambda x: x.sum().item(),
    "tolist": lambda x: x.tolist(),
    "nonzero": lambda x: x.nonzero(),
    "mask": lambda x: x[x > 0],
    "put by mask": lambda x: x.__setitem__(x > 0, torch.ones(2)),
    "bool": lambda x: bool((x > 0).all()),
    "masked_select": lambda x: x.masked_select(x > 0),
    "unique": lambda x: x.unique(),
    "numpy": lambda x: x.numpy(),
    "array": lambda x: x.__array__(),
    "cpu": lambda x: x.cpu(),
    "int": lambda x: int(x[0]),
    "equal": lambda x: torch.equal(x, x),
    "repeat_interleave": lambda x: torch.repeat_interleave(x, x.long()),
    "index": lambda x: [0, 1, 2][x.long()[0]],
}


@pytest.mark.parametrize("wait", WAITING.values(), ids=WAITING)
def test_what_waits_for_a_device_is_refused(wait: Callable[[torch.Tensor], Any]) -> None:
    x = torch.ones(2)
    with pytest.raises(CaptureError, match="not permitted when stream is capturing: "):
        captured(lambda: wait(x.add_(1)))
    assert not capturing() and x.tolist() == [1, 1] and x.sum().item() == 2


def test_a_refusal_that_was_caught_spoils_the_capture() -> None:
    x, made = torch.ones(2), CUDAGraph()

    def region() -> None:
        with pytest.raises(CaptureError):
            x.sum().item()

    with pytest.raises(CaptureSpoiled, match=r"previous error during capture: aten._local_scal"), graph(made):
        region()
    with pytest.raises(RuntimeError, match="not captured"):
        made.replay()


def test_nothing_is_recorded_behind_a_refusal_that_was_caught() -> None:
    x = torch.ones(2)

    def region() -> None:
        with pytest.raises(CaptureError):
            x.sum().item()
        with pytest.raises(CaptureSpoiled):
            x.add_(1)

    with pytest.raises(CaptureSpoiled, match="previous error"):
        captured(region)
    assert x.tolist() == [1, 1]


def test_a_copy_that_torch_declines_by_itself_spoils_nothing() -> None:
    """Seen on an H200 with torch 2.11."""
    x = torch.ones(2)

    def region() -> torch.Tensor:
        with pytest.raises(CaptureError, match=r"Tensor\.tolist"):
            x.tolist()
        return x + 1

    made, out = captured(region)
    made.replay()
    assert out.tolist() == [2, 2]


def test_others_may_refuse_while_a_graph_is_captured() -> None:
    refuse("Stream.synchronize")
    with pytest.raises(CaptureError, match=r"Stream.synchronize"):
        captured(lambda: refuse("Stream.synchronize"))


def test_a_capture_holds_no_other_and_no_replay() -> None:
    x = torch.ones(2)
    made, _ = captured(lambda: x + 1)
    with pytest.raises(CaptureError, match="a capture within a capture"):
        captured(lambda: captured(lambda: x + 1))
    with pytest.raises(CaptureError, match="a replay"):
        captured(made.replay)


def test_a_region_that_raises_leaves_no_graph_and_no_trace() -> None:
    x, made = torch.ones(2), CUDAGraph()
    with pytest.raises(ZeroDivisionError), graph(made):
        x.add_(1 / 0)
    assert not capturing() and x.tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="not captured"):
        made.replay()


def test_a_graph_is_captured_once_until_it_is_reset() -> None:
    x = torch.ones(2)
    made, _ = captured(lambda: x + 1)
    with pytest.raises(RuntimeError, match="reset it first"):
        made.capture_begin()
    with pytest.raises(RuntimeError, match="not being captured"):
        made.capture_end()
    made.reset()
    with graph(made):
        y = x * 3
    made.replay()
    assert y.tolist() == [3, 3]
