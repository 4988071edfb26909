"""A scan of the toy's kernels, in an arm of its own."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BadInput
from harness.facts import Platform
from harness.report import scan as report
from harness.report.terminal import console
from harness.source.tree import Tree
from harness.suite import Suite
from harness.sweep import scan
from harness.sweep.scan import Executed, Found
from harness.tests.source.test_kernels import SOURCE
from harness.tests.toyland.bench import Bench, bug
from harness.tiers.codegen import invented
from harness.tiers.codegen.execution import Execution

BROKEN = "import triton\nraise RuntimeError\n@triton.jit\ndef k(a):\n    tl.store(a, tl.load(a))\n"
GOOD, BAD = "toy_kernels.ops.moves", "toy_kernels.ops.unfit"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    ops = tmp_path / "toy_kernels" / "ops"
    ops.mkdir(parents=True)
    (ops / "moves.py").write_text(SOURCE)
    (ops / "unfit.py").write_text(BROKEN)
    return Tree(root=tmp_path, package="toy_kernels")


@pytest.fixture
def suite(fresh: Bench) -> Iterator[Suite]:
    with Suite(fresh.setting, pool=fresh.pool) as one:
        yield one


def test_a_store_of_another_width_is_found_and_the_rest_is_counted(suite: Suite, tree: Tree) -> None:
    done: list[int] = []
    found = scan.run(suite, tree, Platform.parse("rocm-gfx942"), scan.modules(tree, ""), done.append)
    (one,) = found.candidates
    assert (one["module"], one["kernel"], one["argument"]) == (GOOD, "copies", "out_cache_loc")
    assert (one["value"], one["conversion"], one["element"]) == ("i32", "sign-extended", "i64")
    assert one["named"] and one["dtypes"] == {"req_to_token": "i32", "out_cache_loc": "i64"}
    assert (found.modules, found.kernels, done) == (2, 2, [2])
    assert found.left_out["its module does not import here (RuntimeError)"] == 1


def test_kernels_are_executed_and_held_against_the_interpreter(suite: Suite, tree: Tree) -> None:
    found = scan.run(suite, tree, Platform.parse("rocm-gfx942"), [GOOD])
    assert {one.outcome for one in found.executed} == {"agrees"}
    one = next(one for one in found.executed if one.kernel == f"{GOOD}.copies")
    assert one.emulated["opcodes"]["s_endpgm"] == one.emulated["waves"] > 0
    assert one.emulated["digest"] and one.emulated["instructions"] > 10


def test_code_of_another_vendor_is_executed_nowhere(suite: Suite, tree: Tree) -> None:
    assert scan.run(suite, tree, Platform.parse("cuda-sm90"), [GOOD]).executed == ()


@pytest.mark.parametrize(
    ("emulated", "interpreted", "outcome"),
    [
        ({"digest": "a"}, {"digest": "a"}, "agrees"),
        ({"digest": "a"}, {"digest": "b"}, "differs"),
        ({"digest": "a", "astray": True}, {"digest": "b"}, "astray"),
        ({"digest": "a"}, {"failed": "IndexError"}, "not interpreted"),
        ({"digest": "a"}, None, "not interpreted"),
        ({"failed": "CompilationError"}, {"digest": "a"}, "no end (CompilationError)"),
        ({"unsupported": "k on gfx942: v_sin_f32"}, {"digest": "a"}, "UNSUPPORTED"),
    ],
)
def test_what_becomes_of_a_kernel_is_one_of_few(
    emulated: dict[str, Any], interpreted: dict[str, Any] | None, outcome: str
) -> None:
    one = Execution(kernel="m.k", dtypes={}).to_json()
    other = None if interpreted is None else {**one, **interpreted}
    assert Executed(emulated={**one, **emulated}, interpreted=other).outcome == outcome


def test_modules_that_hold_no_kernel_are_refused(tree: Tree) -> None:
    assert scan.modules(tree, "unfit") == [BAD]
    with pytest.raises(BadInput, match="no module of toy_kernels with a Triton kernel has 'nosuch'"):
        scan.modules(tree, "nosuch")


def test_an_arm_that_dies_leaves_its_modules_out(
    suite: Suite, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "_SECONDS", 0.01)
    found = scan.run(suite, tree, Platform.parse("rocm-gfx942"), [GOOD])
    ((why, count),) = found.left_out.items()
    assert why.startswith("in one of 1 modules whose arm ended as time-out (log: ") and count == 1
    assert found.candidates == () and found.kernels == 0


def test_dtypes_go_by_name_and_are_tried_both_ways_where_none_is_known() -> None:
    assert list(invented.combinations(["req_to_token", "stray"])) == [
        {"req_to_token": "i32", "stray": "i64"},
        {"req_to_token": "i32", "stray": "i32"},
    ]


def test_the_report_names_each_candidate_and_proves_nothing() -> None:
    row = {"module": "m", "kernel": "k", "argument": "out", "value": "i32", "conversion": "truncated"}
    whole = {**row, "element": "i16", "named": False, "dtypes": {"a": "i64", "b": "i32"}}
    found = Found(
        platform=Platform.parse("rocm-gfx942"), modules=2, kernels=3, candidates=(whole,), left_out={"why": 4}
    )
    file, reproducer = io.StringIO(), bug("pr101_stray_store")
    report.show(reproducer, found, console(file))
    first, *rest = file.getvalue().splitlines()
    assert first == "m.k: out: i32 truncated, stored as i16 (some dtypes assumed: a i64, b i32)"
    assert rest[0].startswith("1 hold the store of pr101, of 3 kernels of integers in 2 modules")
    assert "nothing here says that it goes wrong" in rest[1] and rest[2] == "left out, why: 4"
    told = report.document(reproducer, replace(found, candidates=()), {"machine": {}})["others"]
    assert (told["modules"], told["kernels"], told["candidates"]) == (2, 3, [])
