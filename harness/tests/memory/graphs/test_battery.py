from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch

from harness.memory.oracle import Oracle
from harness.memory.outputs import compare, joined
from harness.memory.poison import Pattern, Poison
from harness.memory.undefined import dependent, kept
from harness.tests.memory.battery import EXACT
from harness.tests.memory.graphs.battery import PROGRAMS, Outputs, Program
from harness.tests.memory.machines import Eager, Emulated
from harness.tiers.exceptions import as_fault

ROOT = Path(__file__).parent
named = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)


def outputs_of(program: Program, planted: bool, oracle: Oracle) -> Outputs:
    torch.manual_seed(0)
    with oracle.calling(ROOT), oracle.watching(ROOT, entered=lambda kernel: None):
        outputs = program.run(Emulated(), planted)
    oracle.returned(outputs)
    return kept(outputs)


def faults_of(program: Program, planted: bool) -> list[str]:
    """What the oracle tells of a program, of its runs under other poison, and beside its eager twin."""
    oracle = Oracle()
    try:
        outputs = outputs_of(program, planted, oracle)
    except Exception as error:  # noqa: BLE001 - it becomes a fault, or Unresolved is raised
        return [fault.signature for fault in (*oracle.violations.faults(), as_fault(error, ROOT))]

    def again(pattern: Pattern) -> Outputs:
        return outputs_of(program, planted, Oracle(poison=Poison(pattern), traced=False))

    depends = dependent(outputs, again).faults if oracle.poison.drawn else ()
    wanted = program.run(Eager(), False)
    compared = [compare(name, outputs[name], wanted[name], EXACT).faults for name in wanted]
    told = (*oracle.violations.faults(), *joined(depends, itertools.chain.from_iterable(compared)))
    return [fault.signature for fault in told]


@named
def test_what_is_planted_is_found_with_the_right_numbers(program: Program) -> None:
    assert sorted(faults_of(program, planted=True)) == sorted(program.expected)


@named
def test_the_correct_twin_is_clean_and_agrees_with_itself_without_a_graph(program: Program) -> None:
    assert faults_of(program, planted=False) == []


def test_the_battery_is_as_large_as_promised() -> None:
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS) >= 15
    assert all(program.expected for program in PROGRAMS)
