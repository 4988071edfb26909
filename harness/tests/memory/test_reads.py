"""When memory that nobody wrote counts as read: the run is made again then, and only then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from harness.memory.oracle import Oracle
from harness.memory.poison import PLAIN_BITS, Pattern, Poison
from harness.memory.unwritten import Unwritten, among
from harness.tests.memory import battery_kernels as kernels

HERE = Path(__file__).parent


def _is_read(call: Callable[[], Any], behind: Callable[[Any], Any] = lambda made: None) -> bool:
    """Whether `call`, as code under test, or `behind`, as the case's own, read poison."""
    oracle = Oracle()
    with oracle.calling(HERE):
        with oracle.watching(HERE, entered=lambda kernel: None):
            made = call()
        behind(made)
    return oracle.poison.drawn


def _halves() -> torch.Tensor:
    made = torch.empty(8)
    made[:4] = 1.0
    return made


def _copied_over(target: torch.Tensor) -> torch.Tensor:
    return target.copy_(torch.ones(8))


def _loaded(n: int) -> torch.Tensor:
    out = torch.zeros(8)
    kernels.accumulate[(1,)](out, _halves(), n, BLOCK=8)
    return out


READ = {
    "arithmetic": lambda: _halves() + 1,
    "a copy": lambda: _halves().clone(),
    "one of a list": lambda: torch.cat([torch.ones(2), _halves()]),
    "a view": lambda: _halves()[2:6].sum(),
    "other bits": lambda: _halves().view(torch.int64).sum(),
    "narrower bits": lambda: _halves().view(torch.int16).sum(),
    "a number": lambda: _halves()[7].item(),
    "a list of numbers": lambda: _halves().tolist(),
    "numpy": lambda: _halves().numpy(),
    "numpy's own call": lambda: np.asarray(_halves()),
    "an address": lambda: _halves().data_ptr(),
    "a kernel": lambda: _loaded(5),
    "accumulating": lambda: _halves().index_put_((torch.tensor([7]),), torch.ones(1), accumulate=True),
    "in place": lambda: _halves().add_(1),
    "a stray load": lambda: kernels.copy[(1,)](torch.zeros(8), torch.ones(4), BLOCK=8),
    "a stray index": lambda: torch.ones(4)[torch.tensor([9])],
}
NOT_READ = {
    "never looked at": _halves,
    "what was written": lambda: _halves()[:4] + 1,
    "overwritten": lambda: _copied_over(torch.empty(8)),
    "written by index": lambda: torch.empty(8).index_put_((torch.tensor([1]),), torch.ones(1)),
    "its shape": lambda: torch.zeros_like(_halves()),
    "views": lambda: _halves().reshape(2, 4).t(),
    "a kernel that stops in time": lambda: _loaded(4),
    "sound NaNs": lambda: torch.full((4,), torch.nan) + 1,
}


def _modes() -> list[str]:
    return [type(mode).__name__ for mode in _get_current_dispatch_mode_stack()]


def test_one_mode_at_a_time_tells_what_is_read() -> None:
    oracle = Oracle()
    with oracle.calling(HERE):
        assert _modes() == ["_OperationReads"]
        with oracle.watching(HERE, entered=lambda kernel: None):
            assert _modes() == ["TorchChecks"]
        assert _modes() == ["_OperationReads"]
        with Oracle(traced=False).watching(HERE, entered=lambda kernel: None):  # which tells of nothing
            assert _modes() == ["_OperationReads", "TorchChecks"]


@pytest.mark.parametrize("call", READ.values(), ids=READ)
def test_a_read_of_poison_is_noticed(call: Callable[[], Any]) -> None:
    assert _is_read(call)


@pytest.mark.parametrize("call", NOT_READ.values(), ids=NOT_READ)
def test_what_reads_none_costs_no_further_run(call: Callable[[], Any]) -> None:
    assert not _is_read(call)


def test_what_the_case_does_behind_the_watched_block_counts() -> None:
    assert _is_read(_halves, behind=lambda made: made.sum())
    assert not _is_read(_halves, behind=lambda made: made[:4].sum())


def test_poison_that_an_output_still_holds_counts() -> None:
    oracle = Oracle()
    with oracle.watching(HERE, entered=lambda kernel: None):
        made = _halves()
    assert not oracle.poison.drawn
    oracle.returned({"by": [made[:4]]})
    assert not oracle.poison.drawn
    oracle.returned({"by": [made]})
    assert oracle.poison.drawn


def test_methods_of_tensors_are_themselves_again() -> None:
    before = {name: getattr(torch.Tensor, name) for name in ("numpy", "tolist", "data_ptr", "__array__")}
    own = {name: name in torch.Tensor.__dict__ for name in before}
    with pytest.raises(ZeroDivisionError), Oracle().calling(HERE):
        raise ZeroDivisionError
    assert {name: getattr(torch.Tensor, name) for name in before} == before
    assert {name: name in torch.Tensor.__dict__ for name in before} == own


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("seen_as", [torch.uint8, torch.int16, torch.float32, torch.int64])
def test_a_pattern_is_found_whatever_it_is_read_as(dtype: torch.dtype, seen_as: torch.dtype) -> None:
    poison = Poison(Pattern.NAN)
    unwritten = Unwritten(*poison.word(dtype))
    memory = torch.full((16,), 0x11, dtype=torch.uint8)  # a byte of no pattern
    assert not unwritten.within(memory.view(seen_as))
    poison.fill(memory[8:].view(dtype))
    assert unwritten.within(memory.view(seen_as))
    assert among(memory.numpy().view(np.uint32), [unwritten])


def test_a_kernel_that_loads_the_like_of_poison_from_another_buffer_reads_none() -> None:
    """What lies in a buffer that was written whole is no poison, whatever its bits are."""

    def run() -> None:
        out, source = torch.empty(4, dtype=torch.int32), torch.zeros(4, dtype=torch.int32)
        source += PLAIN_BITS[4]
        kernels.copy[(1,)](out, source, BLOCK=4)

    assert not _is_read(run)
