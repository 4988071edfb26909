from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from harness.memory.graphs import CUDAGraph, graph, native
from harness.tests.memory.graphs.capturing import captured
from harness.tests.memory.graphs.kernels import add_count


def test_a_chain_of_results_is_computed_anew_in_the_memory_of_then() -> None:
    x = torch.ones(4)
    made, y = captured(lambda: (x * 2 + 1).relu())
    address = y.data_ptr()
    x.copy_(torch.arange(4.0))
    made.replay()
    assert y.tolist() == [1, 3, 5, 7] and y.data_ptr() == address


def test_nothing_is_computed_while_capturing() -> None:
    x, given = torch.zeros(4), torch.ones(4)
    made, y = captured(lambda: x.add_(given) * 2)
    assert x.tolist() == [0] * 4 and torch.isnan(y).all()
    made.replay()
    made.replay()
    assert x.tolist() == [2] * 4 and y.tolist() == [4] * 4


def test_writes_through_views_reach_the_memory_under_them() -> None:
    pool, source = torch.zeros(4, 4), torch.ones(4)

    def run() -> Any:
        row = pool[1]
        row.copy_(source)
        pool.view(-1)[8:12].add_(row * 3)
        return pool.t()[0]

    made, column = captured(run)
    source.fill_(5)
    made.replay()
    assert pool[1].tolist() == [5] * 4 and pool[2].tolist() == [15] * 4
    assert column.data_ptr() == pool.data_ptr()


def test_indices_are_read_at_the_replay() -> None:
    buffer, index, value = torch.zeros(8), torch.tensor([0, 1]), torch.tensor([1.0, 2.0])

    def run() -> Any:
        buffer.scatter_(0, index, value)
        buffer[index + 4] = value * 10
        buffer.index_put_((index + 2,), value, accumulate=True)
        return buffer[index], torch.gather(buffer, 0, index + 4)

    made, (low, high) = captured(run)
    index.copy_(torch.tensor([1, 0]))
    made.replay()
    assert low.tolist() == [1, 2] and high.tolist() == [10, 20] and buffer[:2].tolist() == [2, 1]


def several(x: torch.Tensor) -> tuple[Any, ...]:
    out, whole = torch.empty(2, 5), torch.empty(2, 5)
    torch.matmul(x, x.t()[:, :1].expand(-1, 5), out=out)
    whole.copy_(out)
    whole.mul_(2)
    first, second = x.t().contiguous().split(2)
    values, places = first.reshape(-1).topk(2)
    attended = torch.nn.functional.scaled_dot_product_attention(x[None], x[None], x[None])
    return whole, values, places, torch.cumsum(x.unbind(0)[1], 0), torch.cat([first, second[:1]]), attended


def test_a_replay_gives_what_the_code_would() -> None:
    x = torch.randn(2, 3)
    made, results = captured(lambda: several(x))
    x.normal_()
    made.replay()
    assert all(torch.equal(seen, wanted) for seen, wanted in zip(results, several(x), strict=True))


def test_python_is_not_run_again() -> None:
    x, adds = torch.ones(2), [True]
    made, y = captured(lambda: x + 1 if adds[0] else x - 1)
    adds[0] = False
    made.replay()
    assert y.tolist() == [2, 2]


def test_the_memory_of_then_is_used_not_the_name_that_was_bound_anew() -> None:
    holder = {"buffer": torch.ones(2)}
    old = holder["buffer"]
    made, y = captured(lambda: holder["buffer"] * 2)
    holder["buffer"] = torch.full((2,), 9.0)
    made.replay()
    assert y.tolist() == [2, 2]
    old.fill_(4)
    made.replay()
    assert y.tolist() == [8, 8]


def test_every_replay_draws_other_numbers_and_a_capture_draws_none() -> None:
    torch.manual_seed(0)
    wanted = [torch.rand(8), torch.rand(8)]
    torch.manual_seed(0)
    made, y = captured(lambda: torch.rand(8))
    made.replay()
    first = y.clone()
    made.replay()
    assert torch.equal(first, wanted[0]) and torch.equal(y, wanted[1])


def test_sizes_are_those_of_the_capture() -> None:
    x = torch.arange(6.0)
    made, y = captured(lambda: x.view(2, 3).sum(1))
    x.resize_(2)
    made.replay()
    assert y.tolist() == [3, 12]


def test_an_operation_that_changes_sizes_alone_is_not_repeated() -> None:
    x = torch.ones(3)

    def run() -> Any:
        y = x + 1
        y.unsqueeze_(0)
        return y

    made, y = captured(run)
    made.replay()
    made.replay()
    assert y.shape == (1, 3) and y.tolist() == [[2, 2, 2]]


@pytest.mark.parametrize(
    "make",
    [
        lambda x: torch.zeros(3),
        lambda x: torch.zeros_like(x),
        lambda x: x.new_full((3,), 7.0),
        lambda x: torch.arange(3.0),
        lambda x: torch.full((3,), 2.0),
    ],
)
def test_what_is_filled_is_filled_at_every_replay(make: Callable[[torch.Tensor], torch.Tensor]) -> None:
    x = torch.ones(3)
    made, y = captured(lambda: make(x).add_(x))
    wanted = make(x).add_(x)
    made.replay()
    made.replay()
    assert torch.equal(y, wanted)


def test_a_launch_is_repeated_with_grid_and_scalars_of_then() -> None:
    x, y, n = torch.zeros(10), torch.zeros(10), [10]

    def run() -> Any:
        add_count[lambda meta: (-(-n[0] // meta["BLOCK"]),)](x, y, n[0], BLOCK=4)
        return y * 2

    made, z = captured(run)
    assert y.tolist() == [0] * 10
    n[0] = 1
    x.fill_(1)
    made.replay()
    assert y.tolist() == [11] * 10 and z.tolist() == [22] * 10


def test_native_code_is_one_node_and_may_ask_for_values() -> None:
    @native
    def total(out: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        out.fill_(x.sum().item())
        return x + out

    x, out = torch.ones(3), torch.zeros(3)
    assert total(out, x).tolist() == [4] * 3
    out.zero_()
    made, y = captured(lambda: total(out, x))
    assert made.recording and [node.name for node in made.recording.nodes] == ["native.total"]
    assert out.tolist() == [0] * 3
    x.fill_(2)
    made.replay()
    assert out.tolist() == [6] * 3 and y.tolist() == [8] * 3


def test_a_graph_reads_what_another_one_made() -> None:
    x = torch.ones(2)
    first, y = captured(lambda: x + 1)
    second = CUDAGraph()
    with graph(second, pool=first.pool()):
        z = y * 10
    assert second.pool() == first.pool()
    x.fill_(4)
    first.replay()
    second.replay()
    assert z.tolist() == [50, 50]


def test_a_capture_may_index_by_what_another_graph_makes_before_any_replay() -> None:
    table, scores = torch.arange(8.0) * 10, torch.tensor([1.0, 5.0, 3.0])
    first, best = captured(lambda: scores.argmax(0, keepdim=True))
    second, chosen = captured(lambda: table.index_select(0, best))
    assert best.item() not in range(8)  # nobody wrote it
    scores[2] = 9
    first.replay()
    second.replay()
    assert best.tolist() == [2] and chosen.tolist() == [20]


def test_a_capture_goes_astray_in_no_index() -> None:
    table, index = torch.arange(4.0), torch.tensor([9])
    made, out = captured(
        lambda: (table.index_select(0, index), table.index_add_(0, index, torch.ones_like(index) * 1.0))
    )
    assert table.tolist() == [0, 1, 2, 3]
    index.fill_(3)
    made.replay()
    assert out[0].tolist() == [3] and table.tolist() == [0, 1, 2, 4]


def test_segments_may_have_code_between_them_that_is_no_graph_s() -> None:
    """As a prefill captured in segments: what lies between runs at each replay, on the same memory."""
    x, lengths = torch.ones(4), [2]
    segments = [CUDAGraph(), CUDAGraph()]
    segments[0].capture_begin()
    hidden = x * 3
    segments[0].capture_end()
    between = torch.zeros(4)

    def attention() -> None:
        between[: lengths[0]] = hidden[: lengths[0]]

    attention()
    segments[1].capture_begin(pool=segments[0].pool())
    out = between + 1
    segments[1].capture_end()
    lengths[0] = 3
    x.fill_(2)
    segments[0].replay()
    attention()
    segments[1].replay()
    assert out.tolist() == [7, 7, 7, 1]
