from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from harness.memory.oracle import Oracle
from harness.memory.poison import Poison

HERE = Path(__file__).parent


def _is_poison(tensor: torch.Tensor) -> bool:
    held = tensor.detach().contiguous()
    wanted = torch.zeros_like(held)
    Poison().fill(wanted)
    return torch.equal(held.view(torch.uint8), wanted.view(torch.uint8))


def watched(call: Callable[[], Any], root: Path = HERE, **options: Any) -> tuple[Any, Oracle]:
    oracle = Oracle(**options)
    with oracle.watching(root, entered=lambda kernel: None):
        result = call()
    return result, oracle


def test_what_a_mode_passes_on_is_asked_for_by_its_caller() -> None:
    asked = """
import torch
def make():
    return torch.empty(3, 2)
"""
    upstream: dict[str, Any] = {}
    exec(compile(asked, "/upstream/pools.py", "exec"), upstream)

    class OnCpu(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return function(*args, **(kwargs or {}))

    def under_a_mode() -> Any:
        with OnCpu():
            return upstream["make"]()

    tensor, oracle = watched(under_a_mode, Path("/upstream"))
    assert oracle.fences.holds(tensor) and _is_poison(tensor)
    of_our_own, oracle = watched(lambda: OnCpu().__torch_function__(torch.empty, (), (3,)), Path("/upstream"))
    assert not oracle.fences.holds(of_our_own)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.empty(3, 2),
        lambda: torch.zeros(3, dtype=torch.int32),
        lambda: torch.ones(3, requires_grad=True),
        lambda: torch.full((2,), 7.0),
        lambda: torch.arange(5),
        lambda: torch.tensor([1, 2, 3]),
        lambda: torch.as_tensor([1.5]),
        lambda: torch.rand(4),
        lambda: torch.empty_strided((2, 2), (1, 2)),
        lambda: torch.ones(2).new_zeros(3),
        lambda: torch.zeros_like(torch.ones(2, 3).t()),
    ],
)
def test_factories_make_fenced_tensors(make: Callable[[], torch.Tensor]) -> None:
    torch.manual_seed(0)
    expected = make()
    torch.manual_seed(0)
    tensor, oracle = watched(make)
    assert oracle.fences.holds(tensor)
    assert (tensor.dtype, tensor.shape, tensor.stride()) == (
        expected.dtype,
        expected.shape,
        expected.stride(),
    )
    assert (tensor.requires_grad, tensor.is_leaf) == (expected.requires_grad, True)
    assert _is_poison(tensor) or torch.equal(tensor, expected)


def test_only_empty_memory_is_poisoned() -> None:
    tensors, _ = watched(lambda: [torch.empty(3), torch.zeros(3), torch.empty(3, dtype=torch.int64)])
    assert [_is_poison(tensor) for tensor in tensors] == [True, False, True]


def test_what_others_allocate_is_left_alone() -> None:
    tensor, oracle = watched(lambda: torch.zeros(3), root=Path("/somewhere/else"))
    assert not oracle.fences.holds(tensor) and oracle.fences.fenced == 0


def test_what_others_index_passes_unseen() -> None:
    _, oracle = watched(lambda: torch.ones(3)[torch.tensor([1])], root=Path("/somewhere/else"))
    assert oracle.trace() == ()
    with pytest.raises(IndexError):
        watched(lambda: torch.ones(3)[torch.tensor([3])], root=Path("/somewhere/else"))


def test_a_folder_of_a_longer_name_is_another_tree() -> None:
    _, oracle = watched(lambda: torch.zeros(3), root=HERE.with_name(HERE.name[:-1]))
    assert oracle.fences.fenced == 0


def test_torch_may_have_the_last_word() -> None:
    oracle = Oracle(as_hardware=False)
    with (
        pytest.raises(RuntimeError, match="out of bounds"),
        oracle.watching(HERE, entered=lambda kernel: None),
    ):
        torch.ones(3).gather(0, torch.tensor([3]))
    assert [fault.kind for fault in oracle.violations.faults()] == ["index-range"]


def test_memory_that_cannot_be_fenced_is_counted() -> None:
    _, oracle = watched(lambda: [torch.empty(3, device="meta"), torch.zeros(2, 2, layout=torch.sparse_coo)])
    assert oracle.fences.notes() == [
        "1 allocations without a fence: not a strided tensor of its own",
        "1 allocations without a fence: not in the CPU's memory",
    ]


def test_a_tensor_without_elements_needs_no_fence() -> None:
    tensors, oracle = watched(lambda: [torch.empty(0, 4), torch.tensor([])])
    assert [tensor.shape for tensor in tensors] == [(0, 4), (0,)]
    assert oracle.fences.notes() == []


def _resized() -> torch.Tensor:
    return torch.arange(3).resize_(5)


def _resized_as_result() -> torch.Tensor:
    out = torch.zeros(1)
    return torch.cat([torch.ones(300)], out=out)


@pytest.mark.parametrize("resize", [_resized, _resized_as_result])
def test_a_fenced_tensor_can_be_resized(resize: Callable[[], torch.Tensor]) -> None:
    tensor, oracle = watched(resize)
    assert tensor.shape == resize().shape
    assert oracle.fences.notes() == ["1 allocations without a fence: resized by the code under test"]


def test_gradients_flow_through_fenced_tensors() -> None:
    def train() -> torch.Tensor:
        weight = torch.ones(3, requires_grad=True)
        (weight * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
        assert weight.grad is not None
        return weight.grad

    assert watched(train)[0].tolist() == [1, 2, 3]


def test_an_operation_leaves_an_event() -> None:
    def run() -> None:
        table = torch.zeros(2, 3)
        table.scatter_(1, torch.tensor([[0, 2]]), 1.0)

    _, oracle = watched(run)
    (event,) = oracle.trace()
    assert event == {
        "event": "index",
        "op": "scatter_",
        "buffer": "table",
        "dtype": "float32",
        "shape": [2, 3],
        "indices": [{"dim": 1, "extent": 3, "shape": [1, 2], "span": [0, 2]}],
        "wrote": [],
    }


def test_torch_is_as_before_afterwards() -> None:
    before = (torch.take_along_dim, torch.Tensor.take_along_dim)
    watched(lambda: None)
    assert (torch.take_along_dim, torch.Tensor.take_along_dim) == before
    assert not Oracle().fences.holds(torch.zeros(3))


def test_take_along_dim_still_gives_what_torch_gives() -> None:
    table, index = torch.rand(3, 2), torch.tensor([[2, 0]])
    expected = torch.take_along_dim(table, index, 0)
    assert torch.equal(watched(lambda: table.take_along_dim(index, dim=0))[0], expected)
    assert torch.equal(watched(lambda: torch.take_along_dim(table, index[0]))[0], table.reshape(-1)[index[0]])
