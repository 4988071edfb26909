from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.tests.memory.battery import PROGRAMS, Program, faults_of

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "oracle.md"
named = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)


@named
def test_the_oracle_finds_what_is_planted_with_the_right_numbers(program: Program) -> None:
    seen = [fault.signature for fault in faults_of(program, planted=True)]
    assert sorted(seen) == sorted(fault.signature for fault in program.expected)


@named
def test_the_correct_twin_is_clean(program: Program) -> None:
    assert faults_of(program, planted=False) == []


def test_the_battery_is_as_large_as_promised() -> None:
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS) >= 30
    assert all(program.expected for program in PROGRAMS)


def test_the_table_in_the_docs_is_of_this_battery() -> None:
    rows = re.findall(
        r"^\| (\w+) \| (.+?) \| (.+?) \| clean \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE
    )
    told = {name: (plants, sorted(said.split("<br>"))) for name, plants, said in rows}
    battery = {p.name: (p.plants, sorted(fault.signature for fault in p.expected)) for p in PROGRAMS}
    assert told == battery, "run ci/bench/oracle.py --table"
