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
from harness.observation import Exit
from harness.process.job import Ended
from harness.report import scan as report
from harness.report.terminal import console
from harness.source.tree import Tree
from harness.suite import Suite
from harness.sweep import scan
from harness.sweep.scan import Dropped, Executed, Found, Pass
from harness.tests.source.test_kernels import SOURCE
from harness.tests.toyland.bench import Bench, bug
from harness.tiers.codegen import invented
from harness.tiers.codegen.execution import Execution

BROKEN = "import triton\nraise RuntimeError\n@triton.jit\ndef k(a):\n    tl.store(a, tl.load(a))\n"
ROCM = Platform.parse("rocm-gfx942")
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


def scanned(suite: Suite, tree: Tree, *named: str) -> Found:
    """The whole table."""
    *_, last = scan.walk(suite, tree, ROCM, named or [GOOD])
    return last.found


def test_a_store_of_another_width_is_found_and_the_rest_is_counted(suite: Suite, tree: Tree) -> None:
    steps = list(scan.walk(suite, tree, ROCM, scan.modules(tree, "")))
    found = steps[-1].found
    (one,) = found.candidates
    assert (one["module"], one["kernel"], one["argument"]) == (GOOD, "copies", "out_cache_loc")
    assert (one["value"], one["conversion"], one["element"]) == ("i32", "sign-extended", "i64")
    assert one["named"] and one["dtypes"] == {"req_to_token": "i32", "out_cache_loc": "i64"}
    assert (found.modules, found.kernels, found.done, found.wanted) == (2, 2, 6, 6)
    assert [(step.ended, step.modules, step.found.done) for step in steps] == [
        (ended, 2, 2 * number) for number, ended in enumerate([step.ended for step in steps], 1)
    ]
    assert {step.ended for step in steps} == set(Pass) and found.dropped == ()
    assert found.left_out["its module does not import here (RuntimeError)"] == 1


def test_kernels_are_executed_and_held_against_the_interpreter(suite: Suite, tree: Tree) -> None:
    found = scanned(suite, tree)
    assert {one.outcome for one in found.executed} == {"agrees"}
    one = next(one for one in found.executed if one.kernel == f"{GOOD}.copies")
    assert one.emulated["opcodes"]["s_endpgm"] == one.emulated["waves"] > 0
    assert one.emulated["digest"] and one.emulated["instructions"] > 10


def test_code_of_another_vendor_is_executed_nowhere(suite: Suite, tree: Tree) -> None:
    (step,) = scan.walk(suite, tree, Platform.parse("cuda-sm90"), [GOOD])
    assert step.ended is Pass.COMPILED and step.found.executed == ()


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


DEADLY = "import os\nimport triton\nos.abort()\n@triton.jit\ndef k(a):\n    tl.store(a, tl.load(a))\n"


def test_a_module_that_ends_its_arm_is_named_and_costs_no_other(suite: Suite, tree: Tree) -> None:
    (tree.root / "toy_kernels/ops/deadly.py").write_text(DEADLY)
    found = scanned(suite, tree, GOOD, deadly := "toy_kernels.ops.deadly")
    assert [(lost.step, lost.modules) for lost in found.dropped] == [(step, (deadly,)) for step in Pass]
    assert {lost.ended.partition(",")[0] for lost in found.dropped} == {"crash"}
    assert all("SIGABRT" in lost.ended and Path(lost.log).is_file() for lost in found.dropped), found.dropped
    assert {one.outcome for one in found.executed} == {"agrees"} and found.kernels == 1
    assert found.done == found.wanted == 6


def test_a_kernel_is_in_the_table_once_the_interpreter_was_asked_for_it() -> None:
    table = scan._Table(scan.nothing(ROCM, ["m"]))
    ran = {"executed": [Execution(kernel="m.k", dtypes={}, digest="a").to_json()]}
    ended = Ended(exit=Exit(how="clean"), seconds=0.0, log=Path("log"), result=ran)
    table.take(Pass.EXECUTED, ["m"], ended)
    assert not table.found.executed and (table.found.done, table.found.wanted) == (1, 3)
    table.take(Pass.INTERPRETED, ["m"], ended)
    assert [one.outcome for one in table.found.executed] == ["agrees"]


def test_dtypes_go_by_name_and_are_tried_both_ways_where_none_is_known() -> None:
    assert list(invented.combinations(["req_to_token", "stray"])) == [
        {"req_to_token": "i32", "stray": "i64"},
        {"req_to_token": "i32", "stray": "i32"},
    ]


def test_the_report_names_each_candidate_and_proves_nothing() -> None:
    row = {"module": "m", "kernel": "k", "argument": "out", "value": "i32", "conversion": "truncated"}
    whole = {**row, "element": "i16", "named": False, "dtypes": {"a": "i64", "b": "i32"}}
    found = Found(
        platform=ROCM, modules=2, kernels=3, candidates=(whole,), left_out={"why": 4}, done=5, wanted=6,
        dropped=(Dropped(step=Pass.EXECUTED, modules=("a", "b"), ended="killed by SIGABRT", log="log.txt"),),
    )  # fmt: skip
    file, reproducer = io.StringIO(), bug("pr101_stray_store")
    report.show(reproducer, found, console(file))
    first, *rest = file.getvalue().splitlines()
    assert first == "m.k: out: i32 truncated, stored as i16 (some dtypes assumed: a i64, b i32)"
    assert rest[0].startswith("1 hold the store of pr101, of 3 kernels of integers in 2 modules")
    assert "nothing here says that it goes wrong" in rest[1] and rest[-1] == "left out, why: 4"
    assert rest[2] == "dropped, not executed: a, b: its arm ended: killed by SIGABRT (log: log.txt)"
    assert rest[3] == "1 of 6 passes of a module did not come about"
    told = report.document(reproducer, replace(found, candidates=()), {"machine": {}})["others"]
    assert (told["modules"], told["kernels"], told["candidates"]) == (2, 3, [])
    assert told["passes"] == {"done": 5, "wanted": 6} and told["dropped"][0]["modules"] == ("a", "b")
