from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch._inductor.config as compiler
from torch.fx.experimental.proxy_tensor import make_fx

from harness.memory.device import compiled
from harness.memory.device.indices import WatchedIndices
from harness.memory.violations import Violations

HERE = "/tree/upstream"
TRACE = '  File "/tree/upstream/backend.py", line 12, in fill\n    {}\n'


@pytest.fixture
def violations() -> Violations:
    return Violations()


@pytest.fixture
def watched(violations: Violations) -> Iterator[WatchedIndices]:
    made = WatchedIndices(violations)
    yield made
    made.close()


def checked(
    function: Callable[..., Any], code: str, *inputs: torch.Tensor, wanted: str | None = None
) -> tuple[Any, int]:
    """The function as the compiler sees it, with checks in it, and how many there are."""
    module = make_fx(function)(*inputs)
    for node in module.graph.nodes:
        node.meta["stack_trace"] = TRACE.format(code)
    checks = compiled.IndexChecks(HERE, lambda name: wanted in (None, name), "test")
    checks(module.graph)
    module.recompile()
    return module, checks.inserted


def scatter(table: torch.Tensor, columns: torch.Tensor, pages: torch.Tensor) -> torch.Tensor:
    return torch.scatter(table, 1, columns, pages)


CODE = "page_table[:num_seqs, :].scatter_(1, positions, cache_loc)"
IN_RANGE = (torch.zeros(4, 3), torch.tensor([[0, 2]] * 4), torch.ones(4, 2))


def test_a_scatter_that_leaves_its_row_is_told_by_its_name_in_the_source(
    watched: WatchedIndices, violations: Violations
) -> None:
    module, inserted = checked(scatter, CODE, *IN_RANGE)
    assert inserted == 1
    module(*IN_RANGE)
    watched.check()
    assert list(violations.faults()) == []
    # Larger than it was traced with, so that the operation itself is content.
    torch.ops.refault.watch_indices(torch.tensor([[0, 3]]), 1, False, 3, "page_table", "scatter_", "fill:12")
    watched.check()
    (fault,) = violations.faults()
    assert fault.signature == "index-range page_table by scatter_ numel=3 first=3 last=3 count=1"


def test_the_check_stands_before_the_operation_and_sees_its_index(watched: WatchedIndices) -> None:
    module, _ = checked(scatter, CODE, *IN_RANGE)
    names = [str(node.target) for node in module.graph.nodes if node.op == "call_function"]
    assert names == ["refault.watch_indices.default", "aten.scatter.src"]
    check = next(node for node in module.graph.nodes if str(node.target).startswith("refault"))
    assert check.args[1:] == (1, False, 3, "page_table", "scatter_", "fill:12")


def test_advanced_indexing_has_one_check_an_index(watched: WatchedIndices, violations: Violations) -> None:
    def read(table: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        return table[rows, columns]

    inputs = (torch.rand(3, 4), torch.tensor([0, -3]), torch.tensor([3, -4]))
    module, inserted = checked(read, "chosen = self.table[rows, columns]", *inputs)
    module(*inputs)
    watched.check()
    assert (inserted, list(violations.faults())) == (2, [])


@pytest.mark.parametrize(("wanted", "expected"), [("page_table", 1), ("req_to_token", 0)])
def test_only_the_wanted_buffers_are_checked(watched: WatchedIndices, wanted: str, expected: int) -> None:
    assert checked(scatter, CODE, *IN_RANGE, wanted=wanted)[1] == expected


def test_code_outside_the_tree_is_left_alone(watched: WatchedIndices) -> None:
    assert compiled.said(TRACE.format(CODE), "/elsewhere/", "scatter") is None
    assert compiled.said("", HERE, "scatter") is None


@pytest.mark.parametrize(
    ("code", "op", "expected"),
    [
        (CODE, "scatter", ("page_table", "scatter_")),
        ("y = self.table.gather(1, rows[:, None])", "gather", ("table", "gather")),
        ("metadata.page_table[rows] = 0", "index_put", ("page_table", "index_put")),
        ("x = table[rows]", "index", ("table", "index")),
        ("x = embed(rows,", "embedding", (None, "embedding")),
    ],
)
def test_the_source_tells_what_is_indexed(code: str, op: str, expected: tuple[str | None, str]) -> None:
    told = compiled.said(TRACE.format(code), HERE, op)
    assert told is not None
    assert (told.buffer, told.op, told.place) == (*expected, "fill:12")


def test_the_compiler_has_its_settings_back() -> None:
    before = compiler.post_grad_custom_pre_pass, compiler.assert_indirect_indexing
    checks = compiled.IndexChecks(HERE, lambda name: True, "test")
    with compiled.checked(checks, assertions=False):
        assert (compiler.post_grad_custom_pre_pass, compiler.assert_indirect_indexing) == (checks, False)
    assert (compiler.post_grad_custom_pre_pass, compiler.assert_indirect_indexing) == before


def test_checks_for_other_buffers_are_another_key_in_the_caches() -> None:
    keys = {compiled.IndexChecks(HERE, lambda name: True, identity).uuid() for identity in ("a", "b", "a")}
    assert len(keys) == 2
