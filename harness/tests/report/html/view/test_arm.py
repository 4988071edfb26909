"""An arm's faults as the page draws and words them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.observation import Fault, Sighting
from harness.tests.report.html.pages import made
from harness.tests.report.runs import judged, passing, run
from harness.tests.samples import arm, case, point
from harness.verdict import EvidenceClass


def test_the_fault_is_drawn_with_its_numbers() -> None:
    text = made(run(passing()))
    told = "table holds 8 elements; fill writes 4 elements outside it, at indices 8 to 11"
    assert f'aria-label="{told}"' in text
    assert "<b>stray</b><span>8 … 11</span><span>4 elements</span>" in text


@pytest.mark.parametrize("evidence", EvidenceClass)
def test_what_rests_on_less_than_the_real_thing_says_so(evidence: EvidenceClass) -> None:
    text = made(run(replace(passing(), evidence=evidence)))
    shown = [one for one in EvidenceClass if f"PASS <small>{one}</small>" in text]
    assert shown == ([] if evidence is EvidenceClass.FAULT else [evidence])


def test_a_signature_is_not_called_a_fault() -> None:
    seen = Fault(kind="signature", buffer="result", kernel="k", count=1)
    one = judged(case(reverted=arm("reverted", point(16, seen), point(1))))
    text = made(run(replace(one, evidence=EvidenceClass.SIGNATURE)))
    assert '<span class="badge bad">signature</span>' in text
    assert '<span class="badge bad">fault</span>' not in text
    assert "No signature at the default point." in text


def test_a_servers_fault_is_drawn_as_it_was_first_seen() -> None:
    fault = Fault(kind="oob-read", buffer="pool", kernel="k", process="scheduler")
    first = Sighting(place="k:3", numel=8, first=8, last=11, count=4, requests=("r0",), mode="EXTEND")
    seen = arm("reverted", point(16, replace(fault, seen=first)), point(1))
    text = made(run(judged(case(reverted=seen), tier="server")))
    assert "pool holds 8 elements; k reads 4 elements outside it, at indices 8 to 11: as it was" in text
    bare = arm("reverted", point(16, fault), point(1))
    assert "pool holds 8" not in made(run(judged(case(reverted=bare), tier="server")))


def test_two_kernels_that_stray_in_one_buffer_are_each_shown_at_its_own_line() -> None:
    faults = [
        Fault(kind="oob-read", buffer="pool", kernel=name, seen=Sighting(place=f"{name}:{line}"))
        for name, line in (("fill", 3), ("move", 7))
    ]
    text = made(run(judged(case(reverted=arm("reverted", point(16, *faults), point(1))))))
    for fault, place in zip(faults, ("fill:3", "move:7"), strict=True):
        assert f'<code>{fault.signature}</code> <span class="aside">at {place}</span>' in text
