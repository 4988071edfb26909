"""What the oracle, the answers and the log of one server come to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.facts import FaultKind, watch
from harness.observation import Exit, Fault
from harness.serving.ending import Ending
from harness.tiers.server.faults import split
from harness.tiers.server.processes import Violation

WRITE = Fault(kind="oob-write", buffer="table", kernel="fill", process="scheduler", first=8, last=9, count=2)
WATCHED = watch("oob-write", "wrong-value", buffers=("table", "tokens"))


def ended(*faults: Fault, **facts: Any) -> Ending:
    return Ending(exit=Exit(how="stopped"), faults=faults, **facts)


def violation(fault: Fault = WRITE, **facts: Any) -> Violation:
    return Violation(
        fault=fault, **{"requests": ("r0-000", "r0-001"), "mode": "EXTEND", "place": "fill:3", **facts}
    )


def test_one_fault_of_many_batches_is_one_and_its_numbers_are_in_the_notes() -> None:
    longer = Fault(**{**WRITE.__dict__, "last": 30, "count": 23})
    faults, findings, notes = split(WATCHED, [violation(), violation(longer)], (), ended())
    assert [fault.signature for fault in faults] == ["oob-write into table by fill in scheduler"]
    assert findings == ()
    seen = faults[0].seen
    assert seen and (seen.place, seen.first, seen.last, seen.count) == ("fill:3", 8, 9, 2)
    assert (seen.requests, seen.mode) == (("r0-000", "r0-001"), "EXTEND")
    assert notes[0] == f"{WRITE.signature}, EXTEND of r0-000, r0-001, at fill:3"
    assert "count=23" in notes[1]


def test_what_is_not_watched_is_a_finding() -> None:
    elsewhere = Fault(kind="oob-write", buffer="neighbour")
    other = Fault(kind="index-range", buffer="table")
    faults, findings, _ = split(WATCHED, [violation(elsewhere), violation(other)], (), ended())
    assert faults == () and set(findings) == {elsewhere, other}


@given(st.sampled_from(sorted(FaultKind)))
def test_what_ends_a_server_always_counts(kind: str) -> None:
    one = Fault(kind=kind, process="scheduler")
    faults, findings, _ = split(watch("nan", buffers=("other",)), (), (), ended(one))
    assert ((faults, findings) == ((one,), ())) is FaultKind(kind).ends


def test_an_answer_s_fault_and_the_log_s_stand_beside_the_oracle_s() -> None:
    wrong, hang = Fault(kind="wrong-value", buffer="tokens"), Fault(kind="hang", message="no token")
    faults, _, _ = split(WATCHED, [violation()], (wrong, wrong), ended(hang))
    assert set(faults) == {WRITE.unmeasured(), wrong, hang} and len(faults) == 3


def test_what_a_server_leaves_behind_is_a_leak() -> None:
    left = ended(survivors=("scheduler",), occupied=(23000,))
    faults, findings, _ = split(watch("leak"), (), (), left)
    assert {fault.kind for fault in faults} == {"leak"} and len(faults) == 2 and findings == ()


def test_many_strays_are_counted_and_not_listed() -> None:
    _, _, notes = split(WATCHED, [violation(batch=number) for number in range(40)], (), ended())
    assert len(notes) == 3 and notes[-1] == "38 more findings of the same server"


def test_a_stray_outside_any_request_says_so() -> None:
    _, _, (note,) = split(WATCHED, [violation(requests=(), place=None)], (), ended())
    assert "EXTEND of no request, at no known line" in note


ILLEGAL = "an illegal memory access was encountered"
LAST_WORDS = (f"CUDA error: {ILLEGAL}", f"Triton Error [CUDA]: {ILLEGAL}", "CUDA_ERROR_ILLEGAL_ADDRESS")


@pytest.mark.parametrize("said", LAST_WORDS)
def test_a_context_that_is_gone_is_one_fault_whichever_call_met_it(said: str) -> None:
    met = Fault(kind="device-fault", process="scheduler", message=said)
    faults, _, notes = split(WATCHED, (), (), ended(met))
    assert [fault.signature for fault in faults] == [f"device-fault in scheduler ({ILLEGAL})"]
    assert notes == (f"device fault in scheduler: {said}",)


@pytest.mark.parametrize("said", [*LAST_WORDS, "Assertion `index out of bounds` failed at IndexKernel.cu:16"])
def test_a_device_fault_behind_a_stray_is_a_finding(said: str) -> None:
    """What the stray overwrote decides whether a gather asserts, something unmapped is read, or nothing."""
    met = Fault(kind="device-fault", process="scheduler", message=said)
    faults, findings, _ = split(WATCHED, [violation()], (), ended(met))
    assert [fault.kind for fault in faults] == ["oob-write"]
    assert [fault.kind for fault in findings] == ["device-fault"]


def test_a_device_fault_behind_a_stray_that_nobody_watches_is_judged() -> None:
    met = Fault(kind="device-fault", process="scheduler", message=ILLEGAL)
    faults, _, _ = split(watch("nan", buffers=("other",)), [violation()], (), ended(met))
    assert faults == (met,)


def test_another_process_s_stray_says_nothing_of_a_device_fault() -> None:
    met = Fault(kind="device-fault", process="detokenizer", message="Assertion `x < y` failed at k.cu:1")
    faults, _, _ = split(WATCHED, [violation()], (), ended(met))
    assert met in faults
