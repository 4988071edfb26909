"""What is read of Triton kernels in sources that are not imported."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from harness.source import kernels
from harness.source.tree import Tree

SOURCE = """
import triton
import triton.language as tl

@triton.jit
def copies(req_to_token, out_cache_loc, count, USE_MASK: tl.constexpr, BLOCK: tl.constexpr):
    lane = tl.arange(0, BLOCK)
    begin = req_to_token + lane
    tl.store(out_cache_loc + lane, tl.load(begin, mask=lane < count))

@triton.jit
def multiplies(k_ptr, out_ptr):
    tl.store(out_ptr, tl.dot(tl.load(k_ptr), tl.load(k_ptr)))

@triton.jit
def reads(req_to_token):
    return tl.load(req_to_token)

@triton.jit
def hides(count):
    tl.store(tl.where(count, 1, 2), 3)

def no_kernel(a):
    tl.store(a, 1)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    (tmp_path / "toy" / "ops").mkdir(parents=True)
    (tmp_path / "toy" / "ops" / "moves.py").write_text(SOURCE)
    (tmp_path / "toy" / "other.py").write_text("def no_kernel(a): ...\n")
    return Tree(root=tmp_path, package="toy")


def test_modules_with_a_kernel_are_named(tree: Tree) -> None:
    assert kernels.modules(tree) == ["toy.ops.moves"]


def test_kernels_of_integers_are_read_with_their_pointers_and_constants(tree: Tree) -> None:
    left_out: Counter[str] = Counter()
    (found,) = kernels.integer_kernels(tree, kernels.modules(tree), left_out)
    assert (found.module, found.name) == ("toy.ops.moves", "copies")
    assert set(found.pointers) == {"req_to_token", "out_cache_loc"}
    assert found.constants == {"USE_MASK": True, "BLOCK": 16}
    assert found.parameters == ("req_to_token", "out_cache_loc", "count", "USE_MASK", "BLOCK")
    assert left_out == {
        "computes with floats": 1,
        "stores nothing itself": 1,
        "takes no pointer that can be told": 1,
    }
