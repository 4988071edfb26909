"""A wrong instruction planted in machine code is named by the lane that stored what it made."""

from __future__ import annotations

import re
import struct
from typing import Any

import pytest
import torch

from harness.facts import Platform
from harness.gcn import launches
from harness.gcn.launches import Emulation, emulated
from harness.host.targets import Target
from harness.memory.journal import Journal
from harness.memory.lanes import LaneChecks, checked
from harness.memory.violations import Violations
from harness.tests.gcn.kernels import ADD, ADD_INTERPRETED
from harness.tiers.kernel.elements import asked, first_apart, told
from harness.verdict.disagreement import APART

NUMEL, BLOCK = 700, 256


def _launch(kernel: Any, out: torch.Tensor) -> None:
    kernel[(3,)](torch.arange(NUMEL), torch.arange(NUMEL) // 600, out, NUMEL, BLOCK=BLOCK)


def _interpreted(launch: int) -> Journal:
    journal, out = Journal(launch, "out"), torch.zeros(NUMEL).long()
    checks = LaneChecks(Violations(), [], lambda name: None, lambda name, given: None, journal=journal)
    with checked(checks):
        _launch(ADD_INTERPRETED, out)
    return journal


def _emulated(launch: int, chip: str) -> Journal:
    journal, out = Journal(launch, "out"), torch.zeros(NUMEL).long()
    target = Target(Platform.parse(f"rocm-{chip}"))
    with emulated(
        Emulation(target, Violations(), [], lambda name: None, lambda name, given: None, journal=journal)
    ):
        _launch(ADD, out)
    return journal


@pytest.mark.parametrize("chip", ["gfx942", "gfx950"])
def test_a_planted_instruction_is_named_by_its_lane(
    chip: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only elements from 600 on add something else than 0: a sum that leaves it out is wrong there."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    expected = _interpreted(0)
    assert expected.content is not None
    assert first_apart(_emulated(0, chip), expected.content, APART) is None
    decoded = launches._decoded
    monkeypatch.setattr(launches, "_decoded", lambda text: decoded(_planted(text)))
    found = first_apart(_emulated(0, chip), expected.content, APART)
    assert found and found.store
    assert (found.element, found.apart, found.seen, found.interpreted) == (600, 100, "600", "601")
    store = found.store
    assert (store.kernel, store.program, 64 * store.wave) == ("_add", (2, 0, 0), 64)
    assert store.opcode.split("_")[:2] in (["global", "store"], ["buffer", "store"])
    assert store.line.startswith("kernels.py:")
    assert str(found).endswith(f"; stored last at {store}")


def _planted(text: str) -> str:
    """The assembly in which the one sum of 64 bits is what was loaded of x alone."""
    planted, number = re.subn(r"(v_lshl_add_u64 [^,]+), [^,]+, 0, (\S+)", r"\1, \2, 0, 0", text)
    assert number == 1
    return planted


def test_the_launch_is_counted_among_those_of_the_trace() -> None:
    assert _interpreted(1).content is None
    assert told(_interpreted(1), {"elements": {}}) == {}
    assert asked({}) is None
    journal = asked({"elements": {"launch": 3, "argument": "x"}})
    assert journal and (journal.launch, journal.argument) == (3, "x")


@pytest.mark.parametrize(
    ("seen", "interpreted", "apart"),
    [
        ((1.0, 2.0), (1.0, 2.01), 0),
        ((1.0, 2.0), (1.0, 2.5), 1),
        ((float("nan"), float("inf")), (float("nan"), float("inf")), 0),
        ((float("nan"), 2.0), (1.0, 2.0), 1),
    ],
)
def test_floats_may_be_a_little_apart(
    seen: tuple[float, ...], interpreted: tuple[float, ...], apart: int
) -> None:
    journal = Journal(0, "out", torch.float32, struct.pack("<2f", *seen))
    found = first_apart(journal, struct.pack("<2f", *interpreted), APART)
    assert (found.apart if found else 0) == apart
    assert first_apart(journal, b"", APART) is None
