"""Functions found by qualified name, wherever they live."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from harness.source.symbols import Site, find_function, functions_by_module, nearest, unreadable
from harness.source.tree import Tree
from harness.tests.source import toy

EVERY = [
    "pages", "store", "check", "width", "twice", "twice.outer", "triton.jit", "Pool.__init__", "Pool.take",
    "Pool.align", "Pool.of", "Pool.of.inner", "Pool.drain", "Batch.total",
]  # fmt: skip


@pytest.mark.parametrize("qualname", EVERY)
def test_every_sort_of_function_is_found_at_its_def(tree: Tree, qualname: str) -> None:
    (site,) = find_function(tree, qualname)
    assert (site.module, site.path) == ("toy.ops.kernels", "toy/ops/kernels.py")
    line = toy.KERNELS.splitlines()[site.line - 1]
    assert f"def {qualname.rpartition('.')[2]}(" in line


@pytest.mark.parametrize(
    "qualname", ["take", "inner", "outer", "Pool", "Batch.take", "jit", "pag", "of.inner"]
)
def test_only_the_whole_qualified_name_counts(tree: Tree, qualname: str) -> None:
    assert find_function(tree, qualname) == ()


def test_definitions_in_several_modules_and_branches_all_count(tree: Tree) -> None:
    (tree.folder / "__init__.py").write_text(toy.OTHER)
    branches = "try:\n  def pages(): pass\nexcept Exception:\n  if 1:\n    async def pages(): pass\n"
    (tree.folder / "ops" / "__init__.py").write_text(branches)
    changed = replace(tree)
    assert [(s.module, s.line) for s in find_function(changed, "pages")] == [
        ("toy", 1), ("toy.ops", 2), ("toy.ops", 5), ("toy.ops.kernels", 22),
    ]  # fmt: skip
    assert find_function(changed, "Sink.take") == (Site("toy", "toy/__init__.py", "Sink.take", 6),)


def test_functions_by_module_leaves_out_what_is_missing(tree: Tree) -> None:
    (tree.folder / "plain.py").write_text(toy.OTHER)
    homes = functions_by_module(replace(tree), ("Pool.take", "gone", "pages", "Pool.take"))
    assert homes == {"toy.ops.kernels": ("Pool.take", "pages"), "toy.plain": ("pages",)}


def test_nearest_prefers_the_same_function_elsewhere_and_then_likely_slips(tree: Tree) -> None:
    assert nearest(tree, "Poll.take")[0] == "Pool.take"
    assert nearest(tree, "Pool.tke")[0] == "Pool.take"
    assert "Pool.of.inner" in nearest(tree, "inner")
    assert nearest(tree, "zzzzzz") == ()


def test_a_file_that_is_no_python_is_named_only_when_it_matters(tree: Tree) -> None:
    (tree.folder / "broken.py").write_text("def broken(:\n")
    assert len(find_function(replace(tree), "pages")) == 1
    assert find_function(replace(tree), "broken") == () == unreadable(replace(tree), "pages")
    (why,) = unreadable(replace(tree), "broken")
    assert re.search(r"broken\.py is no Python 3\.\d+ \(invalid syntax, line 1\): use an interpreter", why)
