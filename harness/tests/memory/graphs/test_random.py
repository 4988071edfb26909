"""Random regions: a replay has to compute what the region's Python would, in whatever order it asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.memory.graphs import CUDAGraph, graph, native
from harness.tests.memory.graphs.kernels import double

ROWS, WIDTH = 4, 6
Tensors = list[torch.Tensor]


@native
def mixed(out: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    out.view(-1)[: int(x.sum().item()) % out.numel()].fill_(1)
    return x.flip(0)


def launched(x: torch.Tensor, out: torch.Tensor) -> None:
    double[(-(-x.numel() // 8),)](x, out, x.numel(), BLOCK=8)


MAKING: Sequence[Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]] = (
    lambda a, b, i: a + b,
    lambda a, b, i: (a * 3 - b).remainder(7),
    lambda a, b, i: torch.where(a > b, a, b),
    lambda a, b, i: a.t().reshape(ROWS, WIDTH),
    lambda a, b, i: a[i],
    lambda a, b, i: a.index_select(0, i),
    lambda a, b, i: torch.cat([a[:2], b[2:]]),
    lambda a, b, i: torch.gather(a, 1, i[:, None].expand(ROWS, WIDTH)),
    lambda a, b, i: a.sort(1).values + b.cumsum(0),
    lambda a, b, i: torch.empty_like(a).copy_(b),
    lambda a, b, i: torch.zeros_like(a).index_add_(0, i, b),
    lambda a, b, i: a.new_full(a.shape, 2).addcmul_(a, b).remainder_(9),
    lambda a, b, i: a.split(3, 1)[1].repeat(1, 2),
    lambda a, b, i: mixed(b, a),
    lambda a, b, i: a.flatten().unfold(0, WIDTH, WIDTH).contiguous(),
)
"""Each makes a tensor of two and an index; some of them views, or in memory that is written too."""
WRITING: Sequence[Callable[[torch.Tensor, torch.Tensor, torch.Tensor], Any]] = (
    lambda a, b, i: a.add_(b).remainder_(11),
    lambda a, b, i: a[1:3].copy_(b[:2].clone()),
    lambda a, b, i: a.t()[2].fill_(4),
    lambda a, b, i: a.index_copy_(0, i, b.clone()),
    lambda a, b, i: a.scatter_(1, i[:, None], b[:, :1].clone()),
    lambda a, b, i: a.index_put_((i,), b.clone(), accumulate=True),
    lambda a, b, i: a.view(-1)[3:9].mul_(b.reshape(-1)[3:9]).remainder_(5),
    lambda a, b, i: torch.add(a, b, out=a).remainder_(13),
    lambda a, b, i: launched(b, a.view(-1)),
    lambda a, b, i: a.masked_fill_(b > 3, 1),
    lambda a, b, i: a.zero_(),
)
"""Each writes the first tensor, or what it is a view of."""
_NUMBER = st.integers(0, 99)
STEPS = st.lists(st.tuples(st.booleans(), _NUMBER, _NUMBER, _NUMBER), min_size=1, max_size=12)
SEEDS = st.integers(0, 1 << 20)


def region(tensors: Tensors, index: torch.Tensor, steps: Any) -> Tensors:
    """Run the steps; all tensors that there were in the end."""
    held = list(tensors)
    for makes, which, first, second in steps:
        one, other = held[first % len(held)], held[second % len(held)]
        if makes:
            held.append(MAKING[which % len(MAKING)](one, other, index))
        else:
            WRITING[which % len(WRITING)](one, other, index)
    return held


class Data:
    """The memory of one run, filled from a seed."""

    def __init__(self) -> None:
        self.tensors = [torch.empty(ROWS, WIDTH), torch.empty(ROWS, WIDTH)]
        self.index = torch.empty(ROWS, dtype=torch.int64)
        self.fill(0)

    def fill(self, seed: int) -> None:
        drawn = torch.Generator().manual_seed(seed)
        for tensor in self.tensors:
            tensor.copy_(torch.randint(0, 10, (ROWS, WIDTH), generator=drawn))
        self.index.copy_(torch.randint(0, ROWS, (ROWS,), generator=drawn))


def bits(tensors: Tensors) -> list[bytes]:
    return [tensor.contiguous().numpy().tobytes() for tensor in tensors]


def agree(steps: Any, seeds: Sequence[int]) -> None:
    plain, recorded, made = Data(), Data(), CUDAGraph()
    before = bits([*recorded.tensors, recorded.index])
    with graph(made):
        held = region(recorded.tensors, recorded.index, steps)
    assert bits([*recorded.tensors, recorded.index]) == before
    for seed in seeds:
        plain.fill(seed)
        recorded.fill(seed)
        made.replay()
        assert bits(held) == bits(region(plain.tensors, plain.index, steps))


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, seeds=st.tuples(SEEDS, SEEDS))
def test_a_replay_computes_what_the_region_would(steps: Any, seeds: tuple[int, int]) -> None:
    agree(steps, seeds)


@pytest.mark.parametrize(("makes", "kinds"), [(True, MAKING), (False, WRITING)])
def test_each_step_is_exact_by_itself(makes: bool, kinds: Sequence[Any]) -> None:
    """Of all steps the property above draws only some."""
    for which in range(len(kinds)):
        agree([(makes, which, 0, 1)], (1, 2))
